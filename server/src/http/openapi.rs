//! The description of every door, for programs (`openapi.json`, a golden file that the access test compares with the
//! doors) and for people: a page made from the same document, without script.

use std::fmt::Write;

use app::{paths, shell::Theme};
use axum::{
    Extension,
    extract::State,
    response::{Html, IntoResponse},
};
use http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::{AppState, identity::Arrival};

/// OpenAPI 3.1; sockets stand under `x-websockets`, permissions under `x-permission`.
pub const DOCUMENT: &str = include_str!("openapi.json");

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

pub async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

pub async fn page(State(state): State<AppState>, Extension(arrival): Extension<Arrival>, headers: HeaderMap) -> impl IntoResponse {
    let css = state.assets.names().map(|names| names.css.into_owned());
    let document: Value = serde_json::from_str(DOCUMENT).expect("a test parses it");
    let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Html(Docs { document: &document, origin: arrival.origin(), theme: Theme::from_cookies(cookies) }.html(css.as_deref()))
}

/// Text as HTML, in content and in quoted attributes. What stands between back quotes becomes code.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn members<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[key].as_object().into_iter().flat_map(Map::iter)
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

struct Docs<'a> {
    document: &'a Value,
    /// As the reader's browser addresses us, for the examples.
    origin: String,
    /// What the reader chose in the console.
    theme: Theme,
}

impl Docs<'_> {
    fn html(&self, css: Option<&str>) -> String {
        let title = text(&self.document["info"], "title");
        let style = css.map(|css| format!("<link rel=\"stylesheet\" href=\"{}\">", escape(css))).unwrap_or_default();
        let theme = self.theme.as_str();
        let mut out = format!(
            "<!DOCTYPE html><html lang=\"en\" data-theme=\"{theme}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, \
             initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"/favicon.svg\" \
             type=\"image/svg+xml\"><title>Interface · {title}</title>{style}</head>\
             <body class=\"api-docs\"><header class=\"bar\"><a class=\"brand\" href=\"{overview}\">{title}</a><nav aria-label=\"Main\">\
             <a href=\"{overview}\">Overview</a><a href=\"{logs}\">Logs</a></nav></header>\
             <main><h1>The interface for programs</h1><p>{}</p>\
             <p>The same as <a href=\"/api/openapi.json\">OpenAPI 3.1</a>.</p><nav aria-label=\"Groups\"><ul>",
            prose(text(&self.document["info"], "description")),
            overview = paths::OVERVIEW,
            logs = paths::LOGS,
        );
        let tags: Vec<&Value> = items(self.document, "tags").collect();
        for name in tags.iter().map(|tag| text(tag, "name")).chain(["Sockets", "Schemas"]) {
            let name = escape(name);
            self.put(&mut out, format_args!("<li><a href=\"#{name}\">{name}</a></li>"));
        }
        out.push_str("</ul></nav>");
        for tag in tags {
            let name = text(tag, "name");
            self.section(&mut out, name, text(tag, "description"));
            for (path, methods) in members(self.document, "paths") {
                for method in METHODS.into_iter().filter(|method| items(&methods[method], "tags").any(|tag| tag == name)) {
                    self.operation(&mut out, &method.to_uppercase(), path, &methods[method]);
                }
            }
            out.push_str("</section>");
        }
        self.section(&mut out, "Sockets", "WebSockets (RFC 6455) that carry a cookie need a matching Origin.");
        for (path, socket) in members(self.document, "x-websockets") {
            self.operation(&mut out, "WS", path, socket);
        }
        out.push_str("</section>");
        self.section(&mut out, "Schemas", "JSON Schema 2020-12 of bodies.");
        for (name, schema) in members(&self.document["components"], "schemas") {
            let name = escape(name);
            let json = escape(&format!("{schema:#}"));
            self.put(
                &mut out,
                format_args!("<details id=\"schema-{name}\"><summary><code>{name}</code></summary><pre>{json}</pre></details>"),
            );
        }
        out.push_str("</section></main></body></html>\n");
        out
    }

    fn put(&self, out: &mut String, text: std::fmt::Arguments<'_>) {
        out.write_fmt(text).expect("writing to a string works");
    }

    fn section(&self, out: &mut String, name: &str, description: &str) {
        let (name, description) = (escape(name), prose(description));
        self.put(out, format_args!("<section id=\"{name}\"><h2>{name}</h2><p>{description}</p>"));
    }

    /// What a `$ref` points at.
    fn follow<'v>(&'v self, value: &'v Value) -> &'v Value {
        let target = value["$ref"].as_str().and_then(|at| self.document.pointer(at.trim_start_matches('#')));
        target.unwrap_or(value)
    }

    fn operation(&self, out: &mut String, method: &str, path: &str, operation: &Value) {
        let permission = match text(operation, "x-permission") {
            "public" => "Public.".to_owned(),
            "session" => "Any session.".to_owned(),
            permission => format!("Needs <code>{}</code>.", escape(permission)),
        };
        self.put(
            out,
            format_args!(
                "<details id=\"{}\"><summary><code>{method}</code> <code>{}</code> {}</summary><p>{} {permission}</p>",
                escape(&format!("{method} {path}").replace(' ', "-")),
                escape(path),
                prose(text(operation, "summary")),
                prose(text(operation, "description")),
            ),
        );
        self.parameters(out, operation);
        for (kind, content) in members(&operation["requestBody"], "content") {
            let (kind, schema) = (escape(kind), self.schema(&content["schema"]));
            self.put(out, format_args!("<h3>Body</h3><p><code>{kind}</code>: {schema}</p>"));
        }
        self.frames(out, operation);
        self.answers(out, operation);
        let example = escape(&self.example(method, path, operation));
        self.put(out, format_args!("<h3>Example</h3><pre>{example}</pre></details>"));
    }

    fn parameters(&self, out: &mut String, operation: &Value) {
        let parameters: Vec<&Value> = items(operation, "parameters").map(|parameter| self.follow(parameter)).collect();
        if parameters.is_empty() {
            return;
        }
        out.push_str("<h3>Parameters</h3><table><thead><tr><th>Name<th>In<th>Value<th>Meaning</thead><tbody>");
        for parameter in parameters {
            let (name, place) = (escape(text(parameter, "name")), escape(text(parameter, "in")));
            let (schema, meaning) = (self.schema(&parameter["schema"]), prose(text(parameter, "description")));
            self.put(out, format_args!("<tr><th scope=\"row\"><code>{name}</code><td>{place}<td>{schema}<td>{meaning}"));
        }
        out.push_str("</tbody></table>");
    }

    fn frames(&self, out: &mut String, socket: &Value) {
        for (who, title) in [("server", "Frames from the console"), ("client", "Frames to the console")] {
            let frames: Vec<&Value> = items(&socket["frames"], who).collect();
            if !frames.is_empty() {
                self.put(out, format_args!("<h3>{title}</h3><dl>"));
                for frame in frames {
                    let (example, meaning) = (escape(&frame["example"].to_string()), prose(text(frame, "description")));
                    self.put(out, format_args!("<dt><code>{example}</code><dd>{meaning}"));
                }
                out.push_str("</dl>");
            }
        }
        let mut codes = members(socket, "close").peekable();
        if codes.peek().is_some() {
            out.push_str("<h3>Close codes</h3><dl>");
            for (code, meaning) in codes {
                let (code, meaning) = (escape(code), prose(meaning.as_str().unwrap_or_default()));
                self.put(out, format_args!("<dt>{code}<dd>{meaning}"));
            }
            out.push_str("</dl>");
        }
    }

    fn answers(&self, out: &mut String, operation: &Value) {
        out.push_str("<h3>Answers</h3><table><thead><tr><th>Status<th>Meaning<th>Body</thead><tbody>");
        for (status, answer) in members(operation, "responses") {
            let answer = self.follow(answer);
            let bodies: Vec<String> = members(answer, "content")
                .map(|(kind, content)| format!("<code>{}</code> {}", escape(kind), self.schema(&content["schema"])))
                .collect();
            let (status, meaning) = (escape(status), prose(text(answer, "description")));
            self.put(out, format_args!("<tr><th scope=\"row\">{status}<td>{meaning}<td>{}", bodies.join("<br>")));
        }
        out.push_str("</tbody></table>");
    }

    /// A schema in a few words; a named one as a link.
    fn schema(&self, schema: &Value) -> String {
        if let Some(name) = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()) {
            let name = escape(name);
            return format!("<a href=\"#schema-{name}\">{name}</a>");
        }
        let mut words = vec![match &schema["type"] {
            Value::String(kind) if kind == "array" => format!("list of {}", self.schema(&schema["items"])),
            Value::String(kind) => escape(kind),
            _ => String::new(),
        }];
        if let Some(allowed) = schema["enum"].as_array() {
            let allowed: Vec<String> = allowed.iter().map(|one| escape(one.as_str().unwrap_or_default())).collect();
            words.push(format!("({})", allowed.join(", ")));
        }
        for (key, says) in
            [("minimum", "from"), ("maximum", "to"), ("maxLength", "at most (characters)"), ("maxItems", "at most"), ("default", "default")]
        {
            if let Some(value) = schema.get(key) {
                words.push(format!("{says} {}", escape(value.to_string().trim_matches('"'))));
            }
        }
        if let Some(fields) = schema["properties"].as_object() {
            words.push(fields.keys().map(|name| escape(name)).collect::<Vec<_>>().join(", "));
        }
        words.retain(|word| !word.is_empty());
        words.join(" ")
    }

    fn example(&self, method: &str, path: &str, operation: &Value) -> String {
        let mut url = path.to_owned();
        let mut query = String::new();
        for parameter in items(operation, "parameters").map(|parameter| self.follow(parameter)) {
            let name = text(parameter, "name");
            let example = match &parameter["example"] {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Array(values) => values.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
                other => other.to_string(),
            };
            if parameter["in"] == "path" {
                url = url.replace(&format!("{{{name}}}"), &example);
            } else if matches!(name, "level" | "search" | "start_time" | "limit" | "format" | "step" | "tail" | "all") {
                let sign = if query.is_empty() { '?' } else { '&' };
                self.put(&mut query, format_args!("{sign}{name}={}", app::paths::encode(&example)));
            }
        }
        let url = format!("{}{url}{query}", self.origin);
        if method == "WS" {
            return format!("websocat -H \"Cookie: docaiche_session=…\" --origin '{}' '{}'", self.origin, url.replacen("http", "ws", 1));
        }
        let mut command = "curl".to_owned();
        if text(operation, "x-permission") != "public" {
            command.push_str(" -b cookies");
        }
        if path.ends_with("/login") {
            command.push_str(" -c cookies");
        }
        if method != "GET" {
            self.put(&mut command, format_args!(" -X {method}"));
        }
        if let Some(body) = operation["requestBody"]["content"].get("application/json") {
            let body = self.body_example(&body["schema"]);
            self.put(&mut command, format_args!(" -H 'Content-Type: application/json' -d '{body}'"));
        }
        for (field, _) in members(&operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"], "properties") {
            self.put(&mut command, format_args!(" --data-urlencode {field}=…"));
        }
        format!("{command} '{url}'")
    }

    fn body_example(&self, schema: &Value) -> Value {
        let schema = self.follow(schema);
        match (&schema["examples"][0], &schema["enum"][0]) {
            (Value::Null, Value::Null) => {
                members(schema, "properties").map(|(name, schema)| (name.clone(), self.body_example(schema))).collect()
            }
            (Value::Null, first) => first.clone(),
            (example, _) => example.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    #[test]
    fn every_reference_of_the_document_points_at_something() {
        fn walk(value: &Value, document: &Value) {
            if let Some(at) = value["$ref"].as_str() {
                assert!(document.pointer(at.strip_prefix('#').unwrap()).is_some(), "{at}");
            }
            match value {
                Value::Object(fields) => fields.values().for_each(|value| walk(value, document)),
                Value::Array(items) => items.iter().for_each(|value| walk(value, document)),
                _ => {}
            }
        }
        walk(&document(), &document());
    }

    #[test]
    fn every_problem_code_is_in_the_document() {
        let document = document();
        let listed = document.pointer("/components/schemas/Problem/properties/code/enum").unwrap().as_array().unwrap();
        for code in listed {
            let code: model::Code = serde_json::from_value(code.clone()).unwrap();
            assert!((400..600).contains(&code.status()));
        }
        let permissions = document.pointer("/components/schemas/Permission/enum").unwrap().as_array().unwrap();
        assert_eq!(permissions.len(), model::Permission::ALL.len());
    }

    #[test]
    fn the_page_shows_each_operation_once_and_escapes_what_it_shows() {
        let document = document();
        let html = Docs { document: &document, origin: "http://<b>'\"".into(), theme: Theme::Dark }.html(Some("/pkg/docaiche.css"));
        let operations: usize = members(&document, "paths").map(|(_, methods)| methods.as_object().unwrap().len()).sum();
        let sockets = document["x-websockets"].as_object().unwrap().len();
        let schemas = document["components"]["schemas"].as_object().unwrap().len();
        assert_eq!(html.matches("<details").count(), operations + sockets + schemas);
        assert!(html.contains("-H &#39;Content-Type: application/json&#39; -d &#39;{&quot;password&quot;"), "{html}");
        assert!(html.contains("<html lang=\"en\" data-theme=\"dark\">"));
        assert!(!html.contains("<b>") && !html.contains("<script") && !html.contains("style="));
    }
}
