//! Somebody with a browser's cookie and none of a browser's help: no redirects followed, no header added but `Host`.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

use super::{LIMIT, PASSWORD};

#[derive(Clone)]
pub struct Person {
    pub address: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    cookie: Arc<Mutex<Option<String>>>,
}

/// What is sent, but for the address.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.parse().unwrap(), path: path.to_owned(), ..Self::default() }
    }

    /// Replaces a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
        self
    }

    #[must_use]
    pub fn body(mut self, kind: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.header("content-type", kind)
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    #[must_use]
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", body)
    }
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// Where the body is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The value of the session cookie that this answer sets.
    pub fn session(&self) -> Option<String> {
        self.headers.get_all(header::SET_COOKIE).iter().find_map(|cookie| {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            pair.strip_prefix("docaiche_session=").map(str::to_owned)
        })
    }

    /// Asserts that this is a problem of that status and code, well formed, and gives its body.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        for name in ["type", "title", "detail"] {
            assert!(problem[name].is_string(), "{problem}");
        }
        problem
    }

    /// Asserts a 400 that names `field`.
    #[track_caller]
    pub fn bad(&self, field: &str) {
        let problem = self.problem(400, "BAD_INPUT");
        assert_eq!(problem["field"], field, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(&format!("{field}: ")), "{problem}");
    }
}

impl Person {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, client: Client::builder(TokioExecutor::new()).build_http(), cookie: Arc::default() }
    }

    /// Somebody else at the same console, with this cookie.
    pub fn with_cookie(&self, cookie: &str) -> Self {
        let person = Self::new(self.address);
        *person.cookie.lock().unwrap() = Some(cookie.to_owned());
        person
    }

    pub fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    /// How a browser would name the origin of our pages.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn send(&self, request: Request) -> Answer {
        let Request { method, path, headers, body } = request;
        let mut sent = http::Request::builder().method(method).uri(format!("http://{}{path}", self.address)).body(Full::new(body)).unwrap();
        *sent.headers_mut() = headers;
        if let Some(cookie) = self.cookie()
            && !sent.headers().contains_key(header::COOKIE)
        {
            sent.headers_mut().insert(header::COOKIE, format!("docaiche_session={cookie}").parse().unwrap());
        }
        let answer =
            tokio::time::timeout(LIMIT, self.client.request(sent)).await.unwrap_or_else(|_| panic!("no answer in time: {path}")).unwrap();
        let (parts, body) = answer.into_parts();
        let body = tokio::time::timeout(LIMIT, body.collect()).await.expect("a body in time").unwrap().to_bytes();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        if let Some(session) = answer.session() {
            *self.cookie.lock().unwrap() = (!session.is_empty()).then_some(session);
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    pub async fn get_owned(&self, path: String) -> Answer {
        self.get(&path).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("POST", path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Request::new("PATCH", path).json(body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Request::new("DELETE", path)).await
    }

    /// Without a word about how it went.
    pub async fn try_sign_in(&self, username: &str, password: &str) -> Answer {
        self.post("/api/v1/auth/login", &serde_json::json!({ "username": username, "password": password })).await
    }

    pub async fn sign_in(&self, username: &str) {
        let answer = self.try_sign_in(username, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text());
    }
}
