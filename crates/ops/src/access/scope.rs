//! The part of the world that a person or a token sees: a LogQL selector over the labels that say whose a line is. What lies
//! outside does not exist for them.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use logql::{
    ast::{Expr, LogExpr, Matcher, Selector},
    matcher::LabelMatcher,
    plan,
};
use model::Labels;

use crate::source::{ServiceKey, SourceService};

/// Labels that a scope may name.
pub const LABELS: [&str; 4] = ["service", "compose_project", "host", "container_name"];
/// Bytes of a scope's text at most.
const MAX_BYTES: usize = 4_096;

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
    /// Reads `{service=~"shop-.*", host="local"}`.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("it has {} bytes; at most {MAX_BYTES} are allowed", text.len()));
        }
        let selector = logql::syntax::parse_selector(text).map_err(|error| error.to_string())?;
        if selector.matchers.is_empty() {
            return Err("it selects everything; leave it out for that".to_owned());
        }
        if let Some(wrong) = selector.matchers.iter().find(|one| !LABELS.contains(&&*one.name)) {
            return Err(format!("`{}` is no label of a scope; use {}", wrong.name, LABELS.join(", ")));
        }
        let ready = selector.matchers.iter().map(LabelMatcher::new).collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Ok(Self { text: text_of(&selector), selector, ready })
    }

    /// What a stored text means that no longer reads as a scope: nothing may be seen.
    pub fn nothing() -> Self {
        Self::parse(r#"{service="\u0000"}"#).expect("it is a selector")
    }

    /// Whether a stream lies within.
    pub fn admits(&self, labels: &Labels) -> bool {
        self.ready.iter().all(|one| one.matches(labels.get(&one.name).unwrap_or_default()))
    }

    /// What of a service lies within: all of it or some of its containers; `None` for nothing.
    pub fn part_of(&self, service: SourceService) -> Option<SourceService> {
        if service.members.is_empty() {
            return self.admits(&labels_of(&service.key, None)).then_some(service);
        }
        let members: Vec<String> =
            service.members.into_iter().filter(|member| self.admits(&labels_of(&service.key, Some(member)))).collect();
        (!members.is_empty()).then_some(SourceService { members, ..service })
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

fn labels_of(key: &ServiceKey, member: Option<&str>) -> Labels {
    let mut labels = Labels::from([("service", key.name.as_str()), ("host", &key.host)]);
    if let Some(project) = &key.project {
        labels.0.insert("compose_project".to_owned(), project.clone());
    }
    if let Some(member) = member {
        labels.0.insert("container_name".to_owned(), member.to_owned());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
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
            let error = Scope::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
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
    fn a_service_is_seen_by_those_of_its_containers_that_lie_within() {
        let service = |members: &[&str]| SourceService {
            key: ServiceKey { host: "local".into(), project: Some("shop".into()), name: "web".into(), kind_file: false },
            kind: model::ServiceKind::Container,
            status: model::ServiceStatus::Running,
            members: members.iter().map(|one| (*one).to_owned()).collect(),
        };
        let seen = |text: &str, members: &[&str]| scope(text).part_of(service(members)).map(|one| one.members);
        assert_eq!(seen(r#"{service="web"}"#, &["a", "b"]), Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(seen(r#"{container_name="b"}"#, &["a", "b"]), Some(vec!["b".to_owned()]));
        assert_eq!(seen(r#"{compose_project="shop"}"#, &[]), Some(vec![]));
        assert_eq!(seen(r#"{compose_project="other"}"#, &["a"]), None);
        assert_eq!(seen(r#"{host=~"l.*", service!="web"}"#, &["a"]), None);
        assert!(!Scope::nothing().admits(&Labels::from([("service", "x")])));
        assert!(!Scope::nothing().admits(&Labels::default()));
    }
}
