//! The store against a naive twin, over random appends, seals, merges and restarts.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Put, Twin, append, contains, everything, open, read, tiny};
use logql::{
    ast::{MatchOp, Matcher, Span},
    matcher::LabelMatcher,
    read::Ask,
};
use logstore::fs::testing::TestFs;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<Put>),
    Maintain,
    SealAll,
    Compact,
    Reopen,
    PowerLoss,
    Ask { start: i64, end: i64, needle: String, any_case: bool, stream: Option<&'static str> },
}

fn put() -> impl Strategy<Value = Put> {
    let line = prop_oneof![3 => "[a-cA-C ]{0,8}", 2 => "user=[0-9]{1,3} (ok|ERROR)", 1 => "\\PC{0,30}", 1 => "[ab]{100,200}"];
    let at = prop_oneof![4 => 0..30_i64, 1 => 1000..1010_i64];
    let meta = prop_oneof![3 => Just(None), 1 => Just(Some("x")), 1 => Just(Some("y"))];
    (prop_oneof![Just("web"), Just("db"), Just("job")], at, line, meta).prop_map(|(stream, at, line, meta)| Put { stream, at, line, meta })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => proptest::collection::vec(put(), 1..12).prop_map(Op::Append),
        1 => Just(Op::Maintain),
        2 => Just(Op::SealAll),
        2 => Just(Op::Compact),
        1 => Just(Op::Reopen),
        2 => Just(Op::PowerLoss),
        6 => (0..1010_i64, 0..1010_i64, prop_oneof![Just(String::new()), "[a-cA-C]{1,5}", Just("error".to_owned()), Just("user=1".to_owned())], any::<bool>(),
              prop_oneof![Just(None), Just(Some("web")), Just(Some("db"))])
            .prop_map(|(a, b, needle, any_case, stream)| Op::Ask { start: a.min(b), end: a.max(b), needle, any_case, stream }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn it_holds_what_its_twin_holds(ops in proptest::collection::vec(op(), 1..60)) {
        let fs = TestFs::default();
        let mut store = open(&fs, tiny()).0;
        let mut twin = Twin::default();
        let mut now = 0;
        for op in ops {
            now += common::SECOND;
            match op {
                Op::Append(puts) => prop_assert_eq!(append(&store, &puts, now).unwrap(), twin.append(&puts)),
                Op::Maintain => prop_assert_eq!(store.maintain(now).trouble, Vec::<String>::new()),
                Op::SealAll => drop(store.seal_all(now).unwrap()),
                Op::Compact => while store.compact(now, u64::MAX).unwrap() > 0 {},
                Op::Reopen => {
                    drop(store);
                    store = open(&fs, tiny()).0;
                }
                Op::PowerLoss => {
                    drop(store);
                    fs.lose_power(|_| 0);
                    let (reopened, recovery) = open(&fs, tiny());
                    prop_assert_eq!(recovery.damaged, Vec::<String>::new());
                    store = reopened;
                }
                Op::Ask { start, end, needle, any_case, stream } => {
                    let holds = |line: &str| if any_case { line.to_ascii_lowercase().contains(&needle.to_ascii_lowercase()) } else { line.contains(&needle) };
                    let matcher = |name: &str| Matcher { span: Span::default(), name: "app".into(), op: MatchOp::Equal, value: name.into() };
                    let matchers = stream.iter().map(|name| LabelMatcher::new(&matcher(name)).unwrap()).collect();
                    let ask = Ask { matchers, start, end, prefilter: contains(&needle, any_case), ..Ask::default() };
                    let mut found = read(&store, &ask);
                    found.retain(|line| holds(&line.3));
                    let mut expect = twin.read(start, end, holds);
                    expect.retain(|line| stream.is_none_or(|name| line.0 == name));
                    prop_assert_eq!(found, expect);
                    let volumes = store.volumes(&[], start, end).unwrap();
                    let lines = twin.read(start, end, |_| true);
                    prop_assert_eq!(volumes.iter().map(|volume| volume.lines).sum::<u64>(), lines.len() as u64);
                    prop_assert_eq!(volumes.iter().map(|volume| volume.bytes).sum::<u64>(), lines.iter().map(|line| line.3.len() as u64).sum::<u64>());
                }
            }
        }
        prop_assert_eq!(read(&store, &everything()), twin.read(0, i64::MAX, |_| true));
        let status = store.status();
        prop_assert_eq!(status.lines, twin.read(0, i64::MAX, |_| true).len() as u64);
    }
}
