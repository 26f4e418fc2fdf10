//! Use-cases over in-memory sources: pages, context, histogram, live views.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use model::{
    Direction, EntryId, Labels, Level, LogAsk, Role, ServerMsg, Timestamp,
    status::{Part, SystemInfo},
};
use ops::{
    Actor, Error, OpCtx, Ops, SignedIn,
    access::{AuditEvent, AuditRecord, AuditSink},
    live::{Hub, TailFrom},
    logs::{LogQuery, Selector},
    source::{Line, LogSource, ServiceKey, Store, StoreError, StoredSession, StoredToken, Stream, System, User, ram::Ram},
};
use proptest::prelude::*;

/// A store nobody needs here.
struct NoStore;

#[async_trait]
impl Store for NoStore {
    async fn user_count(&self) -> Result<u64, StoreError> {
        Ok(1)
    }
    async fn user_by_name(&self, _: &str) -> Result<Option<User>, StoreError> {
        Ok(None)
    }
    async fn users(&self) -> Result<Vec<User>, StoreError> {
        Ok(Vec::new())
    }
    async fn user_create(&self, _: &User, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn user_create_first(&self, _: &User, _: AuditEvent) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn user_set_password(&self, _: &str, _: &str, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn user_set_scope(&self, _: &str, _: Option<&str>, _: AuditEvent) -> Result<(), StoreError> {
        unreachable!()
    }
    async fn user_set_role(&self, _: &str, _: Role, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn user_set_disabled(&self, _: &str, _: bool, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn user_signed_in(&self, _: &str, _: Timestamp, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn session_user(&self, _: &str, _: Timestamp) -> Result<Option<User>, StoreError> {
        Ok(None)
    }
    async fn sessions(&self, _: Option<&str>, _: Timestamp) -> Result<Vec<StoredSession>, StoreError> {
        Ok(Vec::new())
    }
    async fn session_delete(&self, _: &str, _: AuditEvent) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn sessions_delete(&self, _: &str, _: Option<&str>, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn token_create(&self, _: &StoredToken, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn token_user(&self, _: &str, _: Timestamp) -> Result<Option<(StoredToken, User)>, StoreError> {
        Ok(None)
    }
    async fn tokens(&self, _: Option<&str>) -> Result<Vec<StoredToken>, StoreError> {
        Ok(Vec::new())
    }
    async fn token_delete(&self, _: &str, _: AuditEvent) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn token_used(&self, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn searches(&self, _: &str) -> Result<model::searches::Searches, StoreError> {
        Ok(model::searches::Searches::default())
    }
    async fn search_save(&self, _: &str, _: &model::searches::SavedSearch, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn search_delete(&self, _: &str, _: &str, _: AuditEvent) -> Result<bool, StoreError> {
        Ok(false)
    }
    async fn search_used(&self, _: &str, _: &str, _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }
    async fn search_made(&self, _: &str, _: &str, _: Timestamp, _: usize) -> Result<(), StoreError> {
        Ok(())
    }
    async fn audit_append(&self, _: AuditEvent) -> Result<(), StoreError> {
        Ok(())
    }
    async fn audit_read(&self, _: i64, _: i64) -> Result<Vec<AuditRecord>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl System for NoStore {
    async fn info(&self) -> SystemInfo {
        unreachable!("no test here asks for it")
    }
    async fn parts(&self) -> Vec<Part> {
        Vec::new()
    }
}

fn stream(name: &str) -> Arc<Stream> {
    let key = ServiceKey { host: "local".into(), project: None, name: name.into(), kind_file: false };
    Arc::new(Stream::new(key, Labels::from([("service", name)])))
}

fn line(stream: &Arc<Stream>, at: i64, ordinal: u16) -> Line {
    let id = EntryId { at: Timestamp(at), stream: stream.hash, ordinal };
    let level = if at % 5 == 0 { Level::Error } else { Level::Info };
    Line { id, stream: stream.clone(), text: format!("line {at} {ordinal}").into(), level, group: id }
}

fn service(rams: &[Arc<Ram>]) -> Arc<Ops> {
    let sources = rams.iter().map(|ram| ram.clone() as Arc<dyn LogSource>).collect();
    Arc::new(Ops::new(Arc::new(NoStore), sources, Arc::new(NoStore), Arc::new(Hub::default())))
}

fn cx(role: Role) -> OpCtx {
    let (audit, _) = AuditSink::channel();
    let user = SignedIn {
        user_id: "1".into(),
        username: "ada".into(),
        role,
        session: "s".into(),
        signed_in: Timestamp(0),
        grants: None,
        scope: None,
    };
    OpCtx { actor: Actor::User(user), request_id: "r".into(), address: IpAddr::from([127, 0, 0, 1]), now: Timestamp(1_000_000), audit }
}

fn query(direction: Direction, limit: usize) -> LogQuery {
    LogQuery { direction, ..LogQuery::newest(Selector::All, limit) }
}

/// All pages of a query, one behind the other.
async fn pages(ops: &Ops, mut query: LogQuery) -> Vec<EntryId> {
    let mut ids = Vec::new();
    loop {
        let page = ops.log_search(&cx(Role::Developer), &query).await.unwrap();
        assert!(page.logs.len() <= query.limit);
        assert_eq!(page.has_more, page.next_cursor.is_some());
        ids.extend(page.logs.iter().map(|entry| entry.id));
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor.parse().unwrap()),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn pages_over_several_sources_together_are_the_whole_in_order() {
    let rams = [Ram::shared(), Ram::shared()];
    let mut all = Vec::new();
    for at in 0..300 {
        for (n, ram) in rams.iter().enumerate() {
            let line = line(&stream(["web", "db"][n]), at / 3, (at % 3) as u16);
            all.push(line.id);
            ram.push(line);
        }
    }
    all.sort();
    let ops = service(&rams);
    for limit in [1, 7, 100, 5_000] {
        assert_eq!(pages(&ops, query(Direction::Forward, limit)).await, all, "forward by {limit}");
        let backward = pages(&ops, query(Direction::Backward, limit)).await;
        assert_eq!(backward.into_iter().rev().collect::<Vec<_>>(), all, "backward by {limit}");
    }
}

#[tokio::test]
async fn a_failing_source_becomes_a_warning_and_fails_only_alone() {
    let rams = [Ram::shared(), Ram::shared()];
    rams[0].push(line(&stream("web"), 1, 0));
    rams[1].push(line(&stream("db"), 2, 0));
    *rams[0].broken.lock().unwrap() = Some("on fire".into());
    let ops = service(&rams);
    let page = ops.log_search(&cx(Role::Developer), &query(Direction::Forward, 10)).await.unwrap();
    assert_eq!((page.logs.len(), page.warnings.len()), (1, 1));
    assert!(page.warnings[0].detail.contains("on fire"));
    *rams[1].broken.lock().unwrap() = Some("too".into());
    let error = ops.log_search(&cx(Role::Developer), &query(Direction::Forward, 10)).await.unwrap_err();
    assert_eq!(error.problem().status, 502);
}

#[tokio::test]
async fn context_is_of_the_same_stream_with_the_line_in_between() {
    let ram = Ram::shared();
    let (web, db) = (stream("web"), stream("db"));
    for at in 0..20 {
        ram.push(line(&web, at, 0));
        ram.push(line(&web, at, 1));
        ram.push(line(&db, at, 0));
    }
    let ops = service(&[ram]);
    let wanted = line(&web, 10, 1).id;
    let page = ops.log_context(&cx(Role::Developer), wanted, 3, 2).await.unwrap();
    let places: Vec<_> = page.logs.iter().map(|entry| (entry.id.at.0, entry.id.ordinal)).collect();
    assert_eq!(places, [(9, 0), (9, 1), (10, 0), (10, 1), (11, 0), (11, 1)]);
    let gone = EntryId { at: Timestamp(99), ..wanted };
    assert!(matches!(ops.log_context(&cx(Role::Developer), gone, 3, 2).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_histogram_counts_every_line_once() {
    let ram = Ram::shared();
    let web = stream("web");
    for at in 0..100 {
        ram.push(line(&web, at * 1_000_000 + at % 5, 0));
    }
    let ops = service(&[ram]);
    let ask = LogAsk { start_time: Some("0".into()), end_time: Some("0.1".into()), ..LogAsk::default() };
    let cx = OpCtx { now: Timestamp::from_secs(10), ..cx(Role::Developer) };
    let histogram = ops.log_histogram(&cx, &LogQuery::parse(&ask, cx.now).unwrap(), Some(10)).await.unwrap();
    assert_eq!(histogram.steps.len(), 10);
    let sum = |level: &str| histogram.steps.iter().map(|step| step.counts.get(level).copied().unwrap_or_default()).sum::<u64>();
    assert_eq!((sum("error"), sum("info")), (20, 80));
}

#[tokio::test]
async fn each_use_case_asks_for_its_right() {
    let ops = service(&[Ram::shared()]);
    let viewer = cx(Role::Viewer);
    let forward = query(Direction::Forward, 10);
    assert!(matches!(ops.log_search(&viewer, &forward).await, Err(Error::Forbidden { .. })));
    assert!(matches!(ops.log_export_page(&viewer, &forward).await, Err(Error::Forbidden { .. })));
    assert!(matches!(ops.log_histogram(&viewer, &forward, None).await, Err(Error::Forbidden { .. })));
    assert!(matches!(ops.services_list(&viewer), Err(Error::Forbidden { .. })));
    assert!(matches!(ops.log_tail(&viewer, &LogAsk::default(), TailFrom::Newest(1)).await, Err(Error::Forbidden { .. })));
    let anonymous = OpCtx { actor: Actor::Anonymous, ..viewer };
    assert!(matches!(ops.log_search(&anonymous, &forward).await, Err(Error::NoSession)));
}

fn received(message: &[u8]) -> (Vec<EntryId>, u64) {
    match serde_json::from_slice(message).unwrap() {
        ServerMsg::Logs { entries } => (entries.iter().map(|entry| entry.id).collect(), 0),
        ServerMsg::Gap { dropped, .. } => (Vec::new(), dropped),
        _ => (Vec::new(), 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Lines written before, while and after a view opens arrive once each, also when the hub is late with some that
    /// the search already found.
    #[test]
    fn a_view_that_opens_under_load_loses_and_doubles_nothing(before in 0i64..400, late in 0i64..50, after in 0i64..400, pause in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let ram = Ram::shared();
            let web = stream("web");
            let ops = service(std::slice::from_ref(&ram));
            for at in 0..before {
                ram.push(line(&web, at, 0));
            }
            ram.push(line(&web, before, 0)); // at least one line, so that the service is known
            let mut tail = ops.log_tail(&cx(Role::Developer), &LogAsk::default(), TailFrom::Newest(5_000)).await.unwrap();
            // The collector is behind: it publishes lines that the search has already seen.
            for at in (before - late).max(0)..=before {
                ops.hub.publish(&[Arc::new(line(&web, at, 0))], Timestamp(at));
            }
            let mut ids = Vec::new();
            let mut dropped = 0;
            if pause {
                tail.pause();
            }
            for at in before + 1..before + 1 + after {
                let line = line(&web, at, 0);
                ram.push(line.clone());
                ops.hub.publish(&[Arc::new(line)], Timestamp(at));
            }
            if pause {
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                let last = line(&web, before, 0).id;
                tail.resume(Some(last)).await;
            }
            while let Ok(message) = tokio::time::timeout(std::time::Duration::from_secs(2), tail.next()).await {
                let (more, gap) = received(&message);
                ids.extend(more);
                dropped += gap;
            }
            let count = ids.len();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), count, "a line came twice");
            prop_assert_eq!(count as u64 + dropped, (before + 1 + after) as u64);
            Ok(())
        })?;
    }
}
