use model::log::Fields;
use proptest::prelude::*;

use super::*;

const METRICS: Metrics = Metrics { line: 20, gap: 32, columns: None };

fn id(at: i64) -> EntryId {
    EntryId { at: Timestamp(at), stream: StreamHash(7), ordinal: 0 }
}

fn line(at: i64) -> Entry {
    Entry {
        id: id(at),
        timestamp: Timestamp(at),
        service: "web".into(),
        level: Level::Info,
        message: format!("line {at}"),
        fields: Fields::default(),
        labels: Arc::new(Labels::from([("service", "web")])),
        group: id(at),
        cut: None,
    }
}

fn lines(range: Range<i64>) -> Vec<Entry> {
    range.map(line).collect()
}

fn none(_: &Entry) -> bool {
    false
}

impl LogBuffer {
    fn rows(&self) -> &[Row] {
        &self.rows
    }
}

fn buffer() -> LogBuffer {
    LogBuffer::new(METRICS)
}

/// The rows as `1 2 [3+4-7] 8`: lines by their time, gaps by count and ends.
fn shown(buffer: &LogBuffer) -> String {
    let row = |row: &Row| match &row.content {
        Content::Line(entry) => entry.id.at.0.to_string(),
        Content::Gap(gap) => format!("[{}+{}-{}]", gap.dropped, gap.from.at.0, gap.to.at.0),
    };
    buffer.rows().iter().map(row).collect::<Vec<_>>().join(" ")
}

#[test]
fn lines_stand_in_the_order_of_their_ids_and_once() {
    let mut buffer = buffer();
    assert_eq!(buffer.merge(vec![line(5), line(3), line(9)], &none), 3);
    assert_eq!(buffer.merge(vec![line(1), line(5), line(7), line(9), line(11)], &none), 3);
    assert_eq!(buffer.merge(vec![], &none), 0);
    assert_eq!(shown(&buffer), "1 3 5 7 9 11");
    assert_eq!((buffer.oldest(), buffer.newest(), buffer.last_seen()), (Some(id(1)), Some(id(11)), Some(id(11))));
}

#[test]
fn a_gap_stands_where_its_lines_are_missing_and_is_filled_exactly() {
    let mut buffer = buffer();
    buffer.merge(lines(1..3), &none);
    buffer.push_gap(4, Some(id(3)), Some(id(6)));
    buffer.merge(lines(7..9), &none);
    assert_eq!(shown(&buffer), "1 2 [4+3-6] 7 8");
    let key = Key { id: id(3), gap: true };
    let rest = buffer.fill_gap(key, lines(2..5), Some(id(4)), &none);
    assert_eq!((shown(&buffer).as_str(), rest.is_some()), ("1 2 3 4 [2+4-6] 7 8", true));
    assert_eq!(buffer.fill_gap(rest.unwrap(), lines(5..10), None, &none), None);
    assert_eq!(shown(&buffer), "1 2 3 4 5 6 7 8");
}

#[test]
fn neighbouring_gaps_become_one_and_open_ends_close_at_what_was_seen() {
    let mut buffer = buffer();
    buffer.merge(lines(1..2), &none);
    buffer.push_gap(2, None, Some(id(3)));
    buffer.push_gap(3, Some(id(4)), Some(id(6)));
    assert_eq!(shown(&buffer), "1 [5+1-6]");
    assert_eq!(buffer.last_seen(), Some(id(6)));
    assert_eq!(buffer.unseen(), 5);
}

#[test]
fn while_the_reader_looks_elsewhere_nothing_goes_and_a_flood_is_counted() {
    let mut buffer = buffer();
    buffer.merge(lines(0..100), &none);
    buffer.look_away();
    let mut at = 100;
    for _ in 0..25 {
        buffer.push_live(lines(at..at + 1_000), false, &none);
        at += 1_000;
    }
    assert_eq!(buffer.oldest(), Some(id(0)));
    assert_eq!(buffer.len(), 100 + NEW_LINES + 1);
    assert_eq!(buffer.unseen(), 25_000);
    assert!(shown(&buffer).ends_with("20099 [5000+20100-25099]"));
    // Live again: the gap stays where it is, the oldest lines go.
    buffer.push_live(lines(at..at + 2_000), true, &none);
    assert!(buffer.trim());
    assert_eq!(buffer.len(), FOLLOW_LINES);
    assert_eq!(buffer.newest(), Some(id(at + 1_999)));
    assert!(!buffer.trim());
}

#[test]
fn the_place_under_the_readers_eye_stays_when_rows_come_go_and_grow() {
    let mut buffer = buffer();
    buffer.merge(lines(100..200), &none);
    let anchor = buffer.anchor(1_007).unwrap();
    buffer.merge(lines(0..50), &none);
    assert_eq!(buffer.scroll_to(anchor), 1_007 + 50 * 20);
    buffer.measured(10, 60);
    assert_eq!(buffer.scroll_to(anchor), 1_007 + 50 * 20 + 40);
    assert_eq!(buffer.anchor(0).unwrap().key, Key::line(id(0)));
    assert_eq!(super::tests::buffer().anchor(0), None);
}

fn group(range: Range<i64>) -> Vec<Entry> {
    let head = range.start;
    let mut group = lines(range);
    for entry in &mut group {
        entry.group = id(head);
    }
    group[0].level = Level::Error;
    group
}

#[test]
fn a_group_shows_its_level_and_folds_what_is_long() {
    let mut buffer = buffer();
    buffer.merge(group(0..31), &none);
    buffer.merge(lines(31..32), &none);
    assert_eq!(buffer.total(), 22 * 20, "the head, 20 followers and the line behind");
    assert_eq!(buffer.followers(buffer.row(0)), Some((30, 10)));
    assert_eq!(buffer.level(buffer.row(5)), Level::Error);
    assert_eq!(buffer.level(buffer.row(31)), Level::Info);
    buffer.toggle_fold(Key::line(id(3)));
    assert_eq!((buffer.total(), buffer.followers(buffer.row(0))), (32 * 20, Some((30, 0))));
    buffer.toggle_fold(Key::line(id(0)));
    assert_eq!((buffer.total(), buffer.followers(buffer.row(0))), (2 * 20, Some((30, 30))));
    let next = buffer.seek(Some(0), true, &|_, _| true);
    assert_eq!(next, Some(31), "folded lines are passed over");
}

#[test]
fn a_group_whose_head_comes_later_is_one_all_the_same() {
    let mut buffer = buffer();
    let mut all = group(0..4);
    let older: Vec<_> = all.drain(..2).collect();
    buffer.merge(all, &none);
    assert_eq!(buffer.row(0).place, 0, "it leads as long as the head is away");
    buffer.merge(older, &none);
    assert_eq!(buffer.rows().iter().map(|row| row.place).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(buffer.level(buffer.row(3)), Level::Error);
}

#[test]
fn hits_are_counted_through_insertion_trimming_and_a_new_search() {
    let odd = |entry: &Entry| entry.id.at.0 % 2 == 1;
    let mut buffer = buffer();
    buffer.merge(lines(0..30_000), &odd);
    assert_eq!(buffer.hits(), 15_000);
    buffer.trim();
    assert_eq!(buffer.hits(), 10_000);
    buffer.find_hits(&|entry| entry.id.at.0 == 29_999);
    assert_eq!((buffer.hits(), buffer.hit_number(buffer.len() - 1)), (1, 1));
    assert_eq!(buffer.seek(None, false, &|_, row| row.hit), Some(buffer.len() - 1));
}

#[test]
fn the_window_reaches_over_folded_rows() {
    let mut buffer = buffer();
    buffer.merge(group(0..100), &none);
    buffer.merge(lines(100..200), &none);
    buffer.toggle_fold(Key::line(id(0)));
    buffer.toggle_fold(Key::line(id(0)));
    let window = buffer.window(0, 40, 5);
    let shown = window.clone().filter(|at| buffer.is_shown(*at)).count();
    assert_eq!((window, shown), (0..106, 7), "two rows in view, five spare ones");
}

#[test]
fn ids_have_neighbours() {
    let top = EntryId { at: Timestamp(1), stream: StreamHash(u64::MAX), ordinal: u16::MAX };
    for one in [id(5), EntryId { ordinal: u16::MAX, ..id(5) }, top] {
        assert!(after(one) > one && before(after(one)) == one, "{one}");
    }
}

proptest! {
    #[test]
    fn any_order_of_arrival_gives_the_same_rows(mut ids in prop::collection::vec(0_i64..300, 1..200), cuts in prop::collection::vec(1_usize..20, 1..40)) {
        let mut buffer = buffer();
        let mut rest = ids.as_slice();
        for cut in cuts.into_iter().chain([usize::MAX]) {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            buffer.merge(head.iter().map(|at| line(*at)).collect(), &none);
            rest = tail;
        }
        ids.sort_unstable();
        ids.dedup();
        let found: Vec<i64> = buffer.rows().iter().filter_map(|row| row.entry().map(|entry| entry.id.at.0)).collect();
        prop_assert_eq!(found, ids);
    }

    #[test]
    fn the_window_covers_the_viewport(heights in prop::collection::vec(1_u32..90, 1..120), scroll in 0_u32..4_000, view in 1_u32..800, spare in 0_usize..10) {
        let mut buffer = buffer();
        buffer.merge(lines(0..heights.len() as i64), &none);
        for (at, height) in heights.iter().enumerate() {
            buffer.measured(at, *height);
        }
        let total: u32 = heights.iter().sum();
        prop_assert_eq!(buffer.total(), total);
        let scroll = scroll.min(total.saturating_sub(view));
        let window = buffer.window(scroll, view, spare);
        prop_assert!(buffer.top(window.start) <= scroll);
        prop_assert!(buffer.top(window.end) >= (scroll + view).min(total));
        let visible = buffer.visible(scroll, view);
        prop_assert!(window.start <= visible.start && visible.end <= window.end && window.len() <= visible.len() + 2 * spare);
        let anchor = buffer.anchor(scroll).unwrap();
        prop_assert_eq!(buffer.scroll_to(anchor), scroll);
    }
}
