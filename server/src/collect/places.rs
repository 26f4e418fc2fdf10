//! How far each source was read and kept, on disk, so that a restart neither loses nor doubles a line. A place is
//! remembered after its lines are on disk, so after a crash it may lie before the last of them: what is read again is
//! recognised by its id. An id is made from the stream's labels, so it is remembered too which labels of containers were
//! copied onto their streams until when.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Places change with every line; they are written this often.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// A place that was not touched for this long is of a source that is gone.
const FORGET_AFTER_S: i64 = 30 * 24 * 3_600;
/// Changes of the copied labels that are remembered. Lines from before the oldest, if they were read again at all, would count
/// twice.
const CHANGES: usize = 32;

/// Where reading stands in one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// The last line of a container's log.
    Container {
        at: i64,
        /// 0 stdout, 1 stderr.
        output: u8,
        ordinal: u16,
        /// A hash of its text.
        text: u64,
        messages: u64,
        /// The latest time of any line taken.
        max_at: i64,
    },
    /// Bytes of a file, and which file it was.
    File { device: u64, inode: u64, end: u64 },
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// By container id or path.
    places: BTreeMap<String, (i64, Place)>,
    /// Docker labels that are copied. Consoles before there were any wrote none.
    #[serde(default)]
    copied: Vec<String>,
    /// What was copied before, and until when, in nanoseconds; the oldest first.
    #[serde(default)]
    copied_before: Vec<CopiedBefore>,
}

/// Lines older than `until` have these labels of their containers, and no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedBefore {
    /// Nanoseconds, exclusive.
    pub until: i64,
    /// As Docker has them.
    pub labels: Vec<String>,
}

pub struct Places {
    path: PathBuf,
    state: Mutex<State>,
    clock: super::Clock,
}

struct State {
    kept: Kept,
    /// Nothing was remembered: nothing was read.
    is_first: bool,
    changed: bool,
    saved: Instant,
}

impl Places {
    /// What was remembered in `dir`; nothing where it cannot be read: then everything is read again and recognised.
    pub fn open(dir: &Path, clock: super::Clock) -> Self {
        let path = dir.join("places.json");
        let kept = match fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)) {
            Ok(kept) => Some(kept),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(kind = "database", operation = "places_read", %error, "it is not known how far logs were read: they are read again");
                }
                None
            }
        };
        let is_first = kept.is_none();
        let state = State { kept: kept.unwrap_or_default(), is_first, changed: false, saved: Instant::now() };
        Self { path, state: Mutex::new(state), clock }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while held")
    }

    pub fn get(&self, name: &str) -> Option<Place> {
        self.lock().kept.places.get(name).map(|(_, place)| *place)
    }

    pub fn set(&self, name: &str, place: Place) {
        let now = (self.clock)().secs();
        let mut state = self.lock();
        state.changed = true;
        match state.kept.places.get_mut(name) {
            Some(own) => *own = (now, place),
            None => {
                state.kept.places.insert(name.to_owned(), (now, place));
            }
        }
    }

    /// Remembers which Docker labels are copied from now on, and tells what was copied before. To be called before anything is
    /// read: a line of before now may be there already, under the labels of its time.
    pub fn copied_before(&self, labels: &[String]) -> Vec<CopiedBefore> {
        let until = (self.clock)().0;
        let (before, is_news) = {
            let mut state = self.lock();
            let is_first = std::mem::take(&mut state.is_first);
            let is_news = is_first || state.kept.copied != labels;
            let kept = &mut state.kept;
            if is_news {
                let labels_before = std::mem::replace(&mut kept.copied, labels.to_vec());
                if !is_first {
                    kept.copied_before.push(CopiedBefore { until, labels: labels_before });
                    let old = kept.copied_before.len().saturating_sub(CHANGES);
                    kept.copied_before.drain(..old);
                }
            }
            let before = kept.copied_before.clone();
            state.changed |= is_news;
            (before, is_news)
        };
        if is_news {
            // Not later: a crash before the next place would forget under which labels lines were taken.
            self.save();
        }
        before
    }

    /// At most once a second.
    pub fn save_now_and_then(&self) {
        if self.lock().saved.elapsed() >= SAVE_EVERY {
            self.save();
        }
    }

    pub fn save(&self) {
        let bytes = {
            let now = (self.clock)().secs();
            let mut state = self.lock();
            if !state.changed {
                return;
            }
            state.kept.places.retain(|_, (touched, _)| now - *touched < FORGET_AFTER_S);
            (state.changed, state.saved) = (false, Instant::now());
            serde_json::to_vec(&state.kept).expect("places serialise")
        };
        if let Err(error) = replace(&self.path, &bytes) {
            self.lock().changed = true;
            tracing::warn!(kind = "database", operation = "places_write", %error, "it cannot be remembered how far logs were read");
        }
    }
}

/// On disk, so that a power cut leaves the old or the new one: without places everything is read again. Affordable at once a
/// second: the lines before each of them were synced too.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("json.next");
    let mut file = File::create(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    let dir = path.parent().expect("a file in the data directory");
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    use super::*;

    #[test]
    fn it_is_remembered_which_labels_were_copied_until_when() {
        let dir = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(0));
        let start = |at: i64, labels: &[&str]| {
            now.store(at, Ordering::SeqCst);
            let clock = now.clone();
            let places = Places::open(dir.path(), Arc::new(move || model::Timestamp(clock.load(Ordering::SeqCst))));
            // Nothing more is written: as in a crash.
            let before = places.copied_before(&labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>());
            before.into_iter().map(|one| format!("{} {}", one.until, one.labels.join(","))).collect::<Vec<_>>().join("; ")
        };
        for (at, labels, expect) in [
            // The first of all: there is nothing that could come twice.
            (10, &["a"][..], ""),
            (20, &["a"], ""),
            (30, &["a", "b"], "30 a"),
            (40, &["a", "b"], "30 a"),
            (50, &[], "30 a; 50 a,b"),
            (60, &["a"], "30 a; 50 a,b; 60 "),
            (70, &["a"], "30 a; 50 a,b; 60 "),
        ] {
            assert_eq!(start(at, labels), expect, "{at}");
        }
        // Written by a console that copied nothing.
        fs::write(dir.path().join("places.json"), r#"{"places":{}}"#).unwrap();
        assert_eq!(start(80, &[]), "");
        assert_eq!(start(90, &["a"]), "90 ");
        // What cannot be read is as if nothing had been.
        fs::write(dir.path().join("places.json"), "{").unwrap();
        assert_eq!(start(100, &["b"]), "");
        for at in 101..=140 {
            start(at, if at % 2 == 0 { &["a"] } else { &["b", "c"] });
        }
        assert_eq!(start(140, &["a"]).split("; ").count(), CHANGES);
    }
}
