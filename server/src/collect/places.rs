//! How far each source was read and kept, on disk, so that a restart neither loses nor doubles a line. A place is
//! remembered after its lines are on disk, so after a crash it may lie before the last of them: what is read again is
//! recognised by its id.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// Places change with every line; they are written this often.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// A place that was not touched for this long is of a source that is gone.
const FORGET_AFTER_S: i64 = 30 * 24 * 3_600;

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
}

pub struct Places {
    path: PathBuf,
    state: Mutex<State>,
    clock: super::Clock,
}

struct State {
    kept: Kept,
    changed: bool,
    saved: Instant,
}

impl Places {
    /// What was remembered in `dir`; nothing where it cannot be read: then everything is read again and recognised.
    pub fn open(dir: &Path, clock: super::Clock) -> Self {
        let path = dir.join("places.json");
        let kept = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(kind = "database", operation = "places_read", %error, "it is not known how far logs were read: they are read again");
                Kept::default()
            }),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(kind = "database", operation = "places_read", %error, "it is not known how far logs were read: they are read again");
                }
                Kept::default()
            }
        };
        Self { path, state: Mutex::new(State { kept, changed: false, saved: Instant::now() }), clock }
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
        // A torn file would only cost reading again; renaming spares that.
        let next = self.path.with_extension("json.next");
        if let Err(error) = fs::write(&next, bytes).and_then(|()| fs::rename(&next, &self.path)) {
            self.lock().changed = true;
            tracing::warn!(kind = "database", operation = "places_write", %error, "it cannot be remembered how far logs were read");
        }
    }
}
