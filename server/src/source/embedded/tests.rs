//! Pages of the engine against the strictest source there is.

use std::sync::atomic::{AtomicI64, Ordering};

use model::{Direction, EntryId, Labels, Level, TimeRange, Timestamp};
use ops::{
    live::Hub,
    logs::{Filter, Selector, TextMatch},
    source::{Frontier, Line, LogPlan, Stream},
};
use proptest::prelude::*;

use super::*;
use crate::collect::{
    intake::{Intake, Show, Taken},
    places::Places,
};

const NOW: i64 = 1_795_365_360_000_000_000;

fn stream(number: u8) -> Arc<Stream> {
    let name = format!("svc-{number}");
    let labels =
        Labels::from([("service", &*name), ("service_name", &name), ("job", "dockerlogs"), ("host", "local"), ("stream", "stdout")]);
    Arc::new(Stream::new(key_of(&labels), labels))
}

/// Stream, milliseconds, ordinal, word.
fn lines() -> impl Strategy<Value = Vec<(u8, i64, u8)>> {
    proptest::collection::vec((0..3_u8, 0..40_i64, 0..4_u8), 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn pages_hold_what_was_kept_in_order_and_once(given in lines(), limit in 1..9_usize, forward in any::<bool>(), word in 0..4_u8, sealed in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let data = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(NOW));
        let clock: Clock = { let now = now.clone(); Arc::new(move || Timestamp(now.load(Ordering::SeqCst))) };
        let hub = Arc::new(Hub::default());
        let engine = Embedded::open(data.path(), &EngineConfig::default(), hub.clone(), clock.clone()).unwrap();
        let places = Arc::new(Places::open(data.path(), clock.clone()));
        let (intake, _) = Intake::start(engine.clone(), hub, places, clock);
        let mut all: Vec<Line> = Vec::new();
        for (which, ms, word) in given {
            let stream = stream(which);
            let at = Timestamp(NOW - 1_000_000_000 + ms * 1_000_000);
            let ordinal = all.iter().filter(|line| line.id.at == at && line.id.stream == stream.hash).count() as u16;
            let id = EntryId { at, stream: stream.hash, ordinal };
            all.push(Line { id, text: format!("INFO word-{word} here").into(), level: Level::Info, group: id, stream });
        }
        let half = all.len() / 2;
        for (index, part) in [&all[..half], &all[half..]].into_iter().enumerate() {
            let lines = part.iter().cloned().map(Arc::new).collect();
            // Twice: what is there is recognised.
            for _ in 0..2 {
                runtime.block_on(intake.take(Taken { lines: Vec::clone(&lines), show: Show::Kept, place: None }));
            }
            runtime.block_on(intake.kept());
            if sealed && index == 0 {
                engine.store.seal_all(NOW).unwrap();
            }
        }
        let direction = if forward { Direction::Forward } else { Direction::Backward };
        let filter = Filter { text: Some(TextMatch::new(&format!("WORD-{word}").to_lowercase(), false, true).unwrap()), ..Filter::default() };
        let mut expect: Vec<EntryId> = all.iter().filter(|line| line.text.contains(&format!("word-{word}"))).map(|line| line.id).collect();
        expect.sort();
        if !forward { expect.reverse(); }
        let logs = EmbeddedLogs(engine);
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let plan = LogPlan { selector: Selector::All, stream: None, range: TimeRange::ALL, cursor, direction, limit, filter: Arc::new(filter.clone()), scope: None };
            let batch = runtime.block_on(logs.search(&plan)).unwrap();
            prop_assert!(batch.lines.len() <= limit);
            found.extend(batch.lines.iter().map(|line| line.id));
            match batch.frontier {
                Frontier::Exhausted => break,
                Frontier::Upto(id) => { prop_assert!(cursor != Some(id)); cursor = Some(id); }
            }
        }
        prop_assert_eq!(found, expect);
    }
}
