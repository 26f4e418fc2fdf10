//! The part of the world that a person or a token sees: a LogQL selector over the labels that say whose a line is. What lies
//! outside does not exist for them.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use logql::{
    ast::{Expr, LogExpr, MatchOp, Matcher, Selector},
    matcher::LabelMatcher,
    plan,
};
use model::Labels;

use crate::source::SourceService;

/// Labels that every scope may name.
pub const LABELS: [&str; 4] = ["service", "compose_project", "host", "container_name"];
/// What names the service of a stream that has no `service`, as of lines that Promtail sends.
const SERVICE_NAME: &str = "service_name";
/// Bytes of a scope's text at most.
const MAX_BYTES: usize = 4_096;

/// Labels that a scope may name: [`LABELS`], and those that the configuration has copied from containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeLabels(Arc<[String]>);

impl Default for ScopeLabels {
    fn default() -> Self {
        Self::with([])
    }
}

impl ScopeLabels {
    /// `more` as streams have them.
    pub fn with(more: impl IntoIterator<Item = String>) -> Self {
        Self(LABELS.into_iter().map(str::to_owned).chain(more).collect())
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|own| own == name)
    }

    /// What of a stream's labels a scope can tell apart.
    #[must_use]
    pub fn of(&self, labels: &Labels) -> Labels {
        let own = |name: &str| Some((name.to_owned(), labels.get(name)?.to_owned()));
        Labels(self.0.iter().map(String::as_str).chain([SERVICE_NAME]).filter_map(own).collect())
    }
}

#[derive(Clone, Debug)]
pub struct Scope {
    text: String,
    selector: Selector,
    ready: Vec<LabelMatcher>,
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Scope {}

impl Hash for Scope {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Scope {
    /// Reads `{service=~"shop-.*", host="local"}`. A label beyond `labels` is refused: no stream might have it, and a matcher that
    /// takes what has no such label would then let everything through.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn parse(text: &str, labels: &ScopeLabels) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it has {} bytes; at most {MAX_BYTES} are allowed", text.len()));
        }
        let selector = logql::syntax::parse_selector(text).map_err(|error| error.to_string())?;
        if selector.matchers.is_empty() {
            return Err("it selects everything; leave it out for that".to_owned());
        }
        if let Some(wrong) = selector.matchers.iter().find(|one| !labels.contains(&one.name)) {
            return Err(format!("`{}` is no label of a scope; use {}", wrong.name, labels.0.join(", ")));
        }
        let text = text_of(&selector);
        let mut selector = selector;
        // `service!="vault"` must not let those through that are called so by the other label.
        let refuses = |one: &&Matcher| one.name == "service" && matches!(one.op, MatchOp::NotEqual | MatchOp::NotRegex);
        let also: Vec<Matcher> =
            selector.matchers.iter().filter(refuses).map(|one| Matcher { name: SERVICE_NAME.to_owned(), ..one.clone() }).collect();
        selector.matchers.extend(also);
        let ready = selector.matchers.iter().map(LabelMatcher::new).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Ok(Self { text, selector, ready })
    }

    /// What a stored text means that no longer reads as a scope: nothing may be seen.
    pub fn nothing() -> Self {
        Self::parse(r#"{service="\u0000"}"#, &ScopeLabels::default()).expect("it is a selector")
    }

    /// Whether a stream lies within.
    pub fn admits(&self, labels: &Labels) -> bool {
        self.ready.iter().all(|one| one.matches(labels.get(&one.name).unwrap_or_default()))
    }

    /// What of a service lies within: all of it or some of its members; `None` for nothing.
    pub fn part_of(&self, mut service: SourceService) -> Option<SourceService> {
        service.members.retain(|member| self.admits(&member.labels));
        (!service.members.is_empty()).then_some(service)
    }

    /// A query that sees no more than this.
    #[must_use]
    pub fn within(&self, mut expr: Expr) -> Expr {
        plan::each_log_mut(&mut expr, &mut |log| log.selector.matchers.extend(self.matchers().iter().cloned()));
        expr
    }

    /// As [`Scope::within`], of a selector.
    #[must_use]
    pub fn narrowed(&self, mut selector: Selector) -> Selector {
        selector.matchers.extend(self.matchers().iter().cloned());
        selector
    }

    /// What lies within both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let selector = self.narrowed(other.selector.clone());
        let ready = other.ready.iter().chain(&self.ready).cloned().collect();
        Self { text: text_of(&selector), selector, ready }
    }

    pub fn ready(&self) -> &[LabelMatcher] {
        &self.ready
    }

    pub fn matchers(&self) -> &[Matcher] {
        &self.selector.matchers
    }

    pub fn selector(&self) -> &Selector {
        &self.selector
    }
}

fn text_of(selector: &Selector) -> String {
    Expr::Log(LogExpr { span: selector.span, selector: selector.clone(), stages: Vec::new() }).to_string()
}

#[cfg(test)]
mod tests {
    use model::{ServiceKind, ServiceStatus};

    use super::*;
    use crate::source::{Member, ServiceKey};

    fn labels() -> ScopeLabels {
        ScopeLabels::with(["com_example_team".to_owned()])
    }

    fn scope(text: &str) -> Scope {
        Scope::parse(text, &labels()).unwrap()
    }

    #[test]
    fn a_scope_names_only_labels_that_say_whose_a_line_is() {
        for (text, says) in [
            ("{}", "it selects everything"),
            ("{level=\"x\"}", "`level` is no label of a scope; use service, compose_project, host, container_name"),
            ("{service=~\"(\"}", "error parsing regexp"),
            ("{service=\"x\"} |= \"y\"", "only label matchers are supported"),
            ("service", "parse error"),
        ] {
            let error = Scope::parse(text, &ScopeLabels::default()).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_copied_label_is_one_of_them_while_it_is_copied() {
        let text = r#"{com_example_team!="a"}"#;
        let error = Scope::parse(text, &ScopeLabels::default()).unwrap_err();
        assert_eq!(error, "`com_example_team` is no label of a scope; use service, compose_project, host, container_name");
        let error = Scope::parse("{com_example_tier=\"a\"}", &labels()).unwrap_err();
        assert!(error.ends_with("use service, compose_project, host, container_name, com_example_team"), "{error}");
        let scope = scope(text);
        assert!(scope.admits(&Labels::from([("com_example_team", "b")])) && scope.admits(&Labels::default()));
        assert!(!scope.admits(&Labels::from([("com_example_team", "a")])));
        let stream = Labels::from([("service", "web"), ("stream", "stdout"), ("com_example_team", "a"), ("com_example_tier", "1")]);
        assert_eq!(labels().of(&stream), Labels::from([("service", "web"), ("com_example_team", "a")]));
    }

    #[test]
    fn what_is_called_so_by_its_service_name_alone_is_refused_too() {
        let shipped = |name: &str| Labels::from([("job", name), ("service_name", name)]);
        for text in [r#"{service!="vault"}"#, r#"{service!~"va.*"}"#] {
            let scope = scope(text);
            assert_eq!(scope.to_string(), text);
            assert!(!scope.admits(&shipped("vault")) && scope.admits(&shipped("web")), "{text}");
            assert!(!scope.admits(&labels().of(&shipped("vault"))), "{text}: of what a list of services knows");
            assert!(scope.selector().to_string().contains("service_name!"), "queries are narrowed alike");
        }
        assert!(!scope(r#"{service="vault"}"#).admits(&shipped("vault")), "named by the label or not at all");
    }

    #[test]
    fn every_part_of_a_query_is_narrowed() {
        let scope = scope(r#"{service=~"shop-.*", host!="x"}"#);
        for (query, expect) in [
            (r#"{a="b"} |= "x""#, r#"{a="b", service=~"shop-.*", host!="x"} |= "x""#),
            (
                r#"sum(rate({a="b"}[5m])) / on() group_left() count_over_time({c="d"}[1m])"#,
                r#"(sum(rate({a="b", service=~"shop-.*", host!="x"}[5m])) / on () group_left () count_over_time({c="d", service=~"shop-.*", host!="x"}[1m]))"#,
            ),
        ] {
            let narrowed = scope.within(logql::syntax::parse(query).unwrap());
            assert_eq!(narrowed, logql::syntax::parse(expect).unwrap(), "{narrowed}");
        }
    }

    #[test]
    fn a_service_is_seen_by_those_of_its_members_that_lie_within() {
        let key = ServiceKey { host: "local".into(), project: Some("shop".into()), name: "web".into(), kind_file: false };
        let member = |name: Option<&str>, team: Option<&str>, status| {
            let mut labels = Labels::from([("service", "web"), ("host", "local"), ("compose_project", "shop")]);
            labels.0.extend(name.map(|name| ("container_name".to_owned(), name.to_owned())));
            labels.0.extend(team.map(|team| ("com_example_team".to_owned(), team.to_owned())));
            (key.clone(), ServiceKind::Container, Member { name: name.map(str::to_owned), labels: Arc::new(labels), status })
        };
        let (runs, gone) = (ServiceStatus::Running, ServiceStatus::Removed);
        let members = [
            member(Some("a"), Some("x"), gone),
            // The same one, made anew.
            member(Some("a"), Some("x"), runs),
            member(Some("b"), Some("y"), gone),
            // Made anew for another team.
            member(Some("b"), None, runs),
            member(None, None, gone),
        ];
        let service = SourceService::gather(members).remove(0);
        assert_eq!((service.members.len(), service.status()), (4, runs));
        let seen = |text: &str| scope(text).part_of(service.clone()).map(|one| (one.status(), one.names().join(" ")));
        for (text, expect) in [
            (r#"{service="web"}"#, Some((runs, "a b"))),
            (r#"{container_name="b"}"#, Some((runs, "b"))),
            (r#"{container_name=""}"#, Some((gone, ""))),
            (r#"{compose_project="other"}"#, None),
            (r#"{host=~"l.*", service!="web"}"#, None),
            (r#"{com_example_team="x"}"#, Some((runs, "a"))),
            (r#"{com_example_team="y"}"#, Some((gone, "b"))),
            (r#"{com_example_team=""}"#, Some((runs, "b"))),
            (r#"{com_example_team=~"z.*"}"#, None),
        ] {
            assert_eq!(seen(text), expect.map(|(status, names)| (status, names.to_owned())), "{text}");
        }
        assert!(!Scope::nothing().admits(&Labels::from([("service", "x")])));
        assert!(!Scope::nothing().admits(&Labels::default()));
    }
}
