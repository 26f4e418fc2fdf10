//! The list of everything that logs: what the sources know, what was counted, and an id that is as short as it can be.

use std::collections::{HashMap, HashSet};

use model::Service;

use crate::{
    Ops,
    access::Action,
    cx::OpCtx,
    error::Error,
    logs::{Selector, ServiceRef},
    source::{ServiceKey, SourceService},
};

impl Ops {
    /// Every service, sorted by project and name.
    ///
    /// # Errors
    /// [`Error::NoSession`], [`Error::Forbidden`].
    pub fn services_list(&self, cx: &OpCtx) -> Result<Vec<Service>, Error> {
        cx.require(Action::ServicesList)?;
        Ok(self.services_now(cx))
    }

    /// What each source knows. Of a service that a log engine has lines of, whoever sees it live knows better how it is.
    pub(crate) fn services_known(&self, cx: &OpCtx) -> Vec<SourceService> {
        let (kept, live): (Vec<_>, Vec<_>) = self.sources.iter().partition(|source| source.is_history());
        let part = |service| match cx.scope() {
            None => Some(service),
            Some(scope) => scope.part_of(service),
        };
        let mut known: Vec<SourceService> = live.into_iter().flat_map(|source| source.services()).filter_map(part).collect();
        // What lives outside the scope does not hide what is kept within it.
        let seen: HashSet<ServiceKey> = known.iter().map(|service| service.key.clone()).collect();
        let more = kept.into_iter().flat_map(|source| source.services()).filter(|service| !seen.contains(&service.key));
        known.extend(more.filter_map(part));
        known
    }

    pub(crate) fn services_now(&self, cx: &OpCtx) -> Vec<Service> {
        let now = cx.now;
        let mut known = self.services_known(cx);
        known.sort_by(|a, b| {
            let order = |one: &SourceService| (one.key.project.clone(), one.key.name.clone(), one.key.host.clone());
            order(a).cmp(&order(b))
        });
        let ids = service_ids(known.iter().map(|service| &service.key));
        known
            .into_iter()
            .zip(ids)
            .map(|(service, id)| {
                let tally = self.hub.tally_within(&service.key, cx.scope().map(|scope| &**scope), now);
                Service {
                    id,
                    name: service.key.name.clone(),
                    project: service.key.project.clone(),
                    host: service.key.host.clone(),
                    kind: service.kind,
                    status: service.status(),
                    level: tally.level,
                    lines: tally.lines,
                    lines_per_minute: tally.lines_per_minute,
                    errors: tally.errors,
                    last_seen: tally.last_seen,
                    members: service.names(),
                }
            })
            .collect()
    }

    /// Refuses a name that no service has.
    pub(crate) fn selector_known(&self, cx: &OpCtx, selector: &Selector) -> Result<(), Error> {
        let Selector::Refs(refs) = selector else { return Ok(()) };
        let known = self.services_known(cx);
        match refs.iter().find(|one| !known.iter().any(|service| one.matches(&service.key))) {
            Some(unknown) => Err(Error::NotFound { what: "service", name: shown(unknown) }),
            None => Ok(()),
        }
    }
}

fn shown(service: &ServiceRef) -> String {
    [service.host.as_deref(), service.project.as_deref(), Some(&service.name)].into_iter().flatten().collect::<Vec<_>>().join("/")
}

/// The bare name where it is unique, else `project/name`, else `host/project/name`.
pub fn service_ids<'a>(keys: impl Iterator<Item = &'a ServiceKey>) -> Vec<String> {
    let keys: Vec<_> = keys.collect();
    let mut by_name: HashMap<&str, u32> = HashMap::new();
    let mut by_project: HashMap<(&str, &str), u32> = HashMap::new();
    fn project(key: &ServiceKey) -> &str {
        key.project.as_deref().unwrap_or("")
    }
    for key in &keys {
        *by_name.entry(&key.name).or_default() += 1;
        *by_project.entry((project(key), &key.name)).or_default() += 1;
    }
    keys.iter()
        .map(|key| match (by_name[key.name.as_str()], by_project[&(project(key), key.name.as_str())]) {
            (1, _) => key.name.clone(),
            (_, 1) => format!("{}/{}", project(key), key.name),
            _ => format!("{}/{}/{}", key.host, project(key), key.name),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_as_short_as_it_can_be_and_selects_only_its_service() {
        let key = |host: &str, project: Option<&str>, name: &str| ServiceKey {
            host: host.into(),
            project: project.map(Into::into),
            name: name.into(),
            kind_file: false,
        };
        let keys = [
            key("local", Some("shop"), "db"),
            key("local", Some("shop"), "web"),
            key("local", None, "web"),
            key("local", Some("blog"), "web"),
            key("far", Some("blog"), "web"),
        ];
        let ids = service_ids(keys.iter());
        assert_eq!(ids, ["db", "shop/web", "/web", "local/blog/web", "far/blog/web"]);
        for (id, own) in ids.iter().zip(&keys) {
            let service = ServiceRef::parse(id).unwrap();
            assert_eq!(keys.iter().filter(|key| service.matches(key)).collect::<Vec<_>>(), [own], "{id}");
        }
    }
}
