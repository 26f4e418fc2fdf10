use std::{fs, io::Write, sync::atomic::AtomicI64};

use model::{Direction, EntryId, TimeRange};
use ops::{
    logs::{Filter, Selector},
    source::{Frontier, LogPlan, LogSource},
};
use proptest::prelude::*;

use super::*;
use crate::{
    config::EngineConfig,
    source::{
        embedded::{Embedded, EmbeddedLogs},
        files::index::Sidecar,
    },
};

/// A folder whose turns the test makes, and a clock it sets.
struct Desk {
    folder: tempfile::TempDir,
    data: tempfile::TempDir,
    clock: Arc<AtomicI64>,
    kept: Kept,
    files: Folder,
}

/// What stays when the collector starts anew.
struct Kept {
    hub: Arc<Hub>,
    engine: Arc<Embedded>,
    intake: Intake,
    places: Arc<Places>,
}

impl Kept {
    fn new(data: &Path, clock: &Arc<AtomicI64>) -> Self {
        let clock = clock.clone();
        let clock: Clock = Arc::new(move || Timestamp(clock.load(Ordering::SeqCst)));
        let hub = Arc::new(Hub::default());
        let engine = Embedded::open(&data.join("logs"), &EngineConfig::default(), hub.clone(), clock.clone()).unwrap();
        let places = Arc::new(Places::open(data, clock.clone()));
        let (intake, _) = Intake::start(engine.clone(), hub.clone(), places.clone(), clock);
        Self { hub, engine, intake, places }
    }
}

const NOW: i64 = 1_795_365_360_000_000_000;

impl Desk {
    fn new() -> Self {
        let (folder, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let clock = Arc::new(AtomicI64::new(NOW));
        let kept = Kept::new(data.path(), &clock);
        let files = start(folder.path(), data.path(), &clock, &kept);
        Self { folder, data, clock, kept, files }
    }

    fn restart(&mut self) {
        self.files = start(self.folder.path(), self.data.path(), &self.clock, &self.kept);
    }

    /// As [`Desk::restart`], but nothing is written at the end.
    fn crash(&mut self) {
        let files = start(self.folder.path(), self.data.path(), &self.clock, &self.kept);
        std::mem::forget(std::mem::replace(&mut self.files, files));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        fs::OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// A second passes, and everything new is taken.
    fn turn(&mut self) {
        self.clock.fetch_add(1_000_000_000, Ordering::SeqCst);
        while self.files.turn() {}
        block_on(self.kept.intake.kept());
    }

    fn read(&self, name: &str, direction: Direction, limit: usize) -> Vec<(EntryId, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut all = Vec::new();
        let mut cursor = None;
        loop {
            let plan = LogPlan {
                selector: Selector::parse([name]).unwrap(),
                stream: None,
                range: TimeRange::ALL,
                cursor,
                direction,
                limit,
                filter: Arc::new(Filter::default()),
                scope: None,
            };
            let batch = runtime.block_on(self.files.logs.search(&plan)).unwrap();
            assert!(batch.lines.len() <= limit);
            all.extend(batch.lines.into_iter().map(|line| (line.id, line.text.to_string())));
            match batch.frontier {
                Frontier::Exhausted => break,
                Frontier::Upto(id) => cursor = Some(id),
            }
        }
        if direction == Direction::Backward {
            all.reverse();
        }
        assert!(all.windows(2).all(|pair| pair[0].0 < pair[1].0), "ids grow");
        all
    }

    /// What the log engine holds of the service.
    fn held(&self, name: &str) -> Vec<(EntryId, String)> {
        let plan = LogPlan {
            selector: Selector::parse([name]).unwrap(),
            stream: None,
            range: TimeRange::ALL,
            cursor: None,
            direction: Direction::Forward,
            limit: 5_000,
            filter: Arc::new(Filter::default()),
            scope: None,
        };
        let batch = block_on(EmbeddedLogs(self.kept.engine.clone()).search(&plan)).unwrap();
        batch.lines.into_iter().map(|line| (line.id, line.text.to_string())).collect()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let forward = self.read(name, Direction::Forward, 3);
        assert_eq!(forward, self.read(name, Direction::Backward, 3));
        forward.into_iter().map(|(_, text)| text).collect()
    }

    fn taken(&self, name: &str) -> u64 {
        self.files.hub.tally(&key(name), Timestamp(self.clock.load(Ordering::SeqCst))).lines
    }

    fn status(&self, name: &str) -> Option<ServiceStatus> {
        self.files.logs.services().into_iter().find(|one| one.key.name == name).map(|one| one.status())
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn start(folder: &Path, data: &Path, clock: &Arc<AtomicI64>, kept: &Kept) -> Folder {
    let settings = FilesSettings {
        folder: folder.to_owned(),
        console_log: Some(data.join("console.log")),
        sidecars: data.join("files"),
        poll: Duration::from_millis(10),
        exclude: vec![Pattern::new("secret")],
    };
    let clock = clock.clone();
    let handed = (kept.hub.clone(), kept.intake.clone(), kept.places.clone());
    Folder::new(settings, handed, Arc::new(move || Timestamp(clock.load(Ordering::SeqCst))), Arc::default())
}

#[test]
fn appended_lines_are_taken_once_they_end() {
    let mut desk = Desk::new();
    desk.turn();
    desk.append("web.log", "one\ntw");
    desk.turn();
    assert_eq!(desk.texts("web"), ["one"]);
    desk.append("web.log", "o\n\nthree\r\n");
    desk.turn();
    assert_eq!(desk.texts("web"), ["one", "two", "", "three"]);
    desk.turn();
    assert_eq!(desk.texts("web").len(), 4);
}

#[test]
fn a_renamed_file_is_finished_before_the_new_one() {
    let mut desk = Desk::new();
    desk.append("web.log", "2026-11-22T16:36:00Z one\n");
    desk.turn();
    desk.append("web.log", "2026-11-22T16:36:01Z two\nno end");
    fs::rename(desk.path("web.log"), desk.path("web.log.1")).unwrap();
    desk.append("web.log", "2026-11-22T16:36:02Z three\n");
    desk.turn();
    assert_eq!(desk.taken("web"), 3);
    assert_eq!(desk.texts("web"), ["2026-11-22T16:36:02Z three"]);
    // Its writer goes on until it is told.
    desk.append("web.log.1", " yet\n2026-11-22T16:36:02Z late\nnever ended");
    desk.append("web.log", "2026-11-22T16:36:02Z four\n");
    desk.turn();
    assert_eq!(desk.taken("web"), 6);
    desk.clock.fetch_add(STILL_NS, Ordering::SeqCst);
    desk.turn();
    assert_eq!(desk.taken("web"), 7);
    desk.append("web.log.1", "unread\n");
    desk.turn();
    let mut held: Vec<String> = desk.held("web").into_iter().map(|(_, text)| text).collect();
    held.sort_unstable();
    let timed = ["00Z one", "01Z two", "02Z four", "02Z late", "02Z three"].map(|text| format!("2026-11-22T16:36:{text}"));
    assert_eq!(held, [&timed[..], &["never ended".to_owned(), "no end yet".to_owned()]].concat());
    assert!(desk.files.files.values().all(|file| file.old.is_empty()));
}

#[test]
fn a_deleted_file_is_read_until_its_writer_has_left_it() {
    let mut desk = Desk::new();
    desk.append("web.log", "one\n");
    desk.turn();
    let mut writer = fs::OpenOptions::new().append(true).open(desk.path("web.log")).unwrap();
    fs::remove_file(desk.path("web.log")).unwrap();
    desk.turn();
    writer.write_all(b"two\n").unwrap();
    desk.turn();
    assert_eq!((desk.status("web"), desk.held("web").len()), (Some(ServiceStatus::Removed), 2));
}

#[test]
fn lines_of_one_second_on_both_sides_of_a_rotation_are_all_kept() {
    let mut desk = Desk::new();
    let write = |desk: &mut Desk, how: &str, restarts: bool| {
        match how {
            "rename" => fs::rename(desk.path("web.log"), desk.path("web.log.1")).unwrap(),
            "truncate" => fs::write(desk.path("web.log"), "").unwrap(),
            _ => {}
        }
        if restarts {
            desk.restart();
        } else {
            desk.turn();
        }
        desk.append("web.log", &format!("2026-11-22T16:36:00Z {how}\n2026-11-22T16:36:00Z {restarts}\n"));
        desk.turn();
        let held = desk.held("web");
        desk.restart();
        desk.turn();
        assert_eq!(held, desk.held("web"), "read again, they are the same");
        held.len()
    };
    assert_eq!(write(&mut desk, "first", false), 2);
    assert_eq!(write(&mut desk, "rename", false), 4);
    assert_eq!(write(&mut desk, "truncate", false), 6);
    assert_eq!(write(&mut desk, "rename", true), 8);
    let last = desk.held("web").last().map(|(id, _)| id.at);
    assert_eq!(last, Timestamp::parse_rfc3339("2026-11-22T16:36:00.000000007Z"));
    // A copy is no continuation.
    let copy = "2026-11-22T16:35:00Z a\n2026-11-22T16:36:01Z b\n";
    for expect in [10, 10] {
        fs::write(desk.path("next"), copy).unwrap();
        fs::rename(desk.path("next"), desk.path("web.log")).unwrap();
        desk.turn();
        assert_eq!(desk.held("web").len(), expect);
    }
}

#[test]
fn lines_wait_for_a_disk_that_is_full() {
    let mut desk = Desk::new();
    desk.append("web.log", "one\n");
    desk.turn();
    let swap = |desk: &mut Desk, sidecar| {
        let file = desk.files.files.get_mut(&desk.folder.path().join("web.log")).unwrap();
        std::mem::replace(&mut file.tracked.as_mut().unwrap().sidecar, sidecar)
    };
    let sidecar = swap(&mut desk, Some(Sidecar::full()));
    desk.append("web.log", "two\n");
    desk.turn();
    assert_eq!((desk.held("web").len(), desk.status("web")), (1, Some(ServiceStatus::Unreachable)));
    swap(&mut desk, sidecar);
    desk.append("web.log", "three\n");
    desk.turn();
    assert_eq!(desk.texts("web"), ["one", "two", "three"]);
    let held = desk.held("web");
    assert_eq!(held, desk.read("web", Direction::Forward, 10));
    desk.restart();
    desk.turn();
    assert_eq!(held, desk.read("web", Direction::Forward, 10));
}

#[test]
fn a_file_that_begins_anew_takes_its_place_back() {
    let mut desk = Desk::new();
    desk.append("web.log", "one\ntwo\n");
    desk.turn();
    let end = |desk: &Desk| match desk.kept.places.get(&desk.path("web.log").to_string_lossy()) {
        Some(Place::File { end, .. }) => end,
        other => panic!("{other:?}"),
    };
    assert_eq!(end(&desk), 8);
    fs::write(desk.path("web.log"), "").unwrap();
    desk.turn();
    assert_eq!(end(&desk), 0);
    desk.append("web.log", "again\n");
    desk.turn();
    assert_eq!(end(&desk), 6);
    // And while no console looks.
    fs::write(desk.path("web.log"), "").unwrap();
    desk.restart();
    desk.turn();
    assert_eq!(end(&desk), 0);
}

#[test]
fn a_truncated_file_starts_over_and_a_deleted_one_is_gone() {
    let mut desk = Desk::new();
    desk.append("web.log", "one\ntwo\n");
    desk.turn();
    fs::write(desk.path("web.log"), "x\n").unwrap();
    desk.turn();
    assert_eq!(desk.texts("web"), ["x"]);
    fs::remove_file(desk.path("web.log")).unwrap();
    desk.turn();
    assert_eq!((desk.status("web"), desk.texts("web").len()), (Some(ServiceStatus::Removed), 0));
    desk.append("web.log", "again\n");
    desk.turn();
    assert_eq!((desk.status("web"), desk.texts("web")), (Some(ServiceStatus::Running), vec!["again".to_owned()]));
}

#[test]
fn only_regular_files_within_the_folder_are_followed() {
    let mut desk = Desk::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), desk.path("leak.log")).unwrap();
    desk.append("real.log", "here\n");
    std::os::unix::fs::symlink(desk.path("real.log"), desk.path("alias.log")).unwrap();
    fs::create_dir(desk.path("folder.log")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(desk.path("pipe.log")).status().unwrap().success());
    desk.append("secret.log", "hidden\n");
    desk.append("notes.txt", "hidden\n");
    fs::write(desk.data.path().join("console.log"), "mine\n").unwrap();
    desk.turn();
    let mut names: Vec<_> = desk.files.logs.services().into_iter().map(|one| (one.key.name, one.kind)).collect();
    names.sort_by(|a, b| a.0.cmp(&b.0));
    let expect = [("alias", ServiceKind::File), ("console", ServiceKind::Console), ("real", ServiceKind::File)];
    assert_eq!(names, expect.map(|(name, kind)| (name.to_owned(), kind)));
    assert_eq!(desk.texts("console"), ["mine"]);
}

#[test]
fn a_line_longer_than_any_block_is_one_line() {
    let mut desk = Desk::new();
    let long = "x".repeat(1_000_000);
    desk.append("web.log", &format!("a\n{long}\nb\n"));
    desk.turn();
    assert_eq!(desk.texts("web"), ["a".to_owned(), long, "b".to_owned()]);
}

#[derive(Clone, Debug)]
enum Step {
    Write(String),
    Turn,
    Restart,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let text = proptest::collection::vec(
        prop_oneof![
            Just("\n".to_owned()),
            Just("2026-11-22T16:36:00Z early\n".to_owned()),
            Just("2026-11-22T16:36:05.5Z late\n".to_owned()),
            Just("  at frame\n".to_owned()),
            Just("word ".to_owned()),
            Just("é\n".to_owned()),
            Just(format!("{}\n", "y".repeat(30_000))),
        ],
        1..6,
    );
    proptest::collection::vec(
        prop_oneof![3 => text.prop_map(|parts| Step::Write(parts.concat())), 2 => Just(Step::Turn), 1 => Just(Step::Restart), 1 => Just(Step::Crash)],
        1..14,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn no_line_is_lost_doubled_or_renamed_by_restarts(steps in steps()) {
        let mut desk = Desk::new();
        let mut written = String::new();
        let mut seen: Vec<(EntryId, String)> = Vec::new();
        for step in steps.into_iter().chain([Step::Turn, Step::Crash, Step::Turn]) {
            match step {
                Step::Write(text) => {
                    desk.append("web.log", &text);
                    written += &text;
                }
                Step::Restart => desk.restart(),
                Step::Crash => desk.crash(),
                Step::Turn => {
                    desk.turn();
                    if !written.is_empty() {
                        let now = desk.read("web", Direction::Forward, 40);
                        prop_assert_eq!(&now, &desk.read("web", Direction::Backward, 30));
                        prop_assert_eq!(&now, &desk.held("web"), "the log engine holds the same lines");
                        prop_assert_eq!(&now[..seen.len()], &seen[..], "what was seen keeps its ids");
                        let whole = written.rfind('\n').map_or("", |end| &written[..=end]);
                        let texts: Vec<&str> = now.iter().map(|(_, text)| text.as_str()).collect();
                        prop_assert_eq!(texts, whole.lines().collect::<Vec<_>>());
                        seen = now;
                    }
                }
            }
        }
    }
}
