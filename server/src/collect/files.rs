//! Follows every `*.log` file of one folder, and the console's own log wherever it is. The folder is looked at by `stat`
//! on each turn; appended bytes are read by position and handed on. Renamed, truncated and deleted files are told apart by their inode
//! and size; one that was renamed or deleted is read until its writer has left it. What is learnt of a file is kept in a sidecar (see [`index`](crate::source::files::index)), so that lines
//! keep their ids across restarts.

mod tracked;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use model::{Labels, ServiceKind, ServiceStatus, StreamState, Timestamp};
use ops::{
    live::Hub,
    source::{Line, Stream},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::tracked::Tracked;
use super::{
    Clock,
    docker_logs::CollectorStats,
    intake::{Intake, Show, Taken},
    places::{Place, Places},
};
use crate::{
    config::Pattern,
    source::files::{FileLogs, Followed, key, lock},
};

/// Lines handed on at once.
const BATCH: usize = 256;
/// How far back lines count when a file is seen for the first time.
const LOOK_BACK_NS: i64 = 300 * model::time::NANOS_PER_SEC;
/// For how long nothing must be written to a file that has left its path until it is done: whoever rotates it tells its writer
/// only then.
const STILL_NS: i64 = 60 * model::time::NANOS_PER_SEC;
/// Files that have left one path and are followed still; beyond it the oldest is done.
const OLD_FILES: usize = 4;

/// Which files are followed, and where what is learnt of them is kept.
#[derive(Clone, Debug)]
pub struct FilesSettings {
    /// May be absent, and may come later.
    pub folder: PathBuf,
    /// The console's own log; `None`: it writes none.
    pub console_log: Option<PathBuf>,
    /// For sidecars; made where it does not exist.
    pub sidecars: PathBuf,
    pub poll: Duration,
    pub exclude: Vec<Pattern>,
}

/// Starts to collect from files.
pub struct FilesCollector;

impl FilesCollector {
    /// Follows files until `cancel`. The first turn is over within moments unless files are large.
    pub fn spawn(
        settings: FilesSettings,
        handed: (Arc<Hub>, Intake, Arc<Places>),
        clock: Clock,
        cancel: CancellationToken,
    ) -> (Arc<FileLogs>, JoinHandle<()>, Arc<CollectorStats>) {
        let stats = Arc::new(CollectorStats::default());
        let poll = settings.poll;
        let mut folder = Folder::new(settings, handed, clock, stats.clone());
        let logs = folder.logs.clone();
        let task = tokio::spawn(async move {
            loop {
                let turn = tokio::task::spawn_blocking(move || {
                    let more = folder.turn();
                    (folder, more)
                });
                let more;
                (folder, more) = match turn.await {
                    Ok(turned) => turned,
                    Err(error) => {
                        tracing::error!(error = %error, "files are no longer followed");
                        return;
                    }
                };
                let wait = if more { Duration::ZERO } else { poll };
                tokio::select! {
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        });
        (logs, task, stats)
    }
}

/// The followed files, turn by turn. Blocking.
struct Folder {
    settings: FilesSettings,
    hub: Arc<Hub>,
    intake: Intake,
    places: Arc<Places>,
    clock: Clock,
    stats: Arc<CollectorStats>,
    logs: Arc<FileLogs>,
    files: BTreeMap<PathBuf, File>,
}

impl Drop for Folder {
    fn drop(&mut self) {
        for tracked in self.files.values_mut().filter_map(|file| file.tracked.as_mut()) {
            // As after a crash: its lines are read again, if the file is there still.
            let _ = tracked.close();
        }
    }
}

/// A file that is or was there.
struct File {
    stream: Arc<Stream>,
    kind: ServiceKind,
    tracked: Option<Tracked>,
    /// Those that were there before, the oldest first.
    old: VecDeque<OldFile>,
    /// How many have left.
    left: u16,
    /// The time of the last line of the one that left last.
    behind: Timestamp,
    /// Whether its end was reached once. What is appended after that is news, whatever time its lines carry.
    caught_up: bool,
}

/// A file that was renamed or deleted, and may be written to still.
struct OldFile {
    tracked: Tracked,
    /// When something of it was last taken.
    moved: Timestamp,
}

impl Folder {
    fn new(
        settings: FilesSettings,
        (hub, intake, places): (Arc<Hub>, Intake, Arc<Places>),
        clock: Clock,
        stats: Arc<CollectorStats>,
    ) -> Self {
        let logs = Arc::new(FileLogs::new(settings.folder.clone()));
        Self { settings, hub, intake, places, clock, stats, logs, files: BTreeMap::new() }
    }

    /// Looks at every file once and takes what is new; says whether there is more to take at once.
    fn turn(&mut self) -> bool {
        for path in self.list() {
            if !self.files.contains_key(&path)
                && let Some(file) = self.meet(&path)
            {
                self.files.insert(path, file);
            }
        }
        let paths: Vec<PathBuf> = self.files.keys().cloned().collect();
        let mut more = false;
        for path in paths {
            let mut file = self.files.remove(&path).expect("listed above");
            match self.look(&path, &mut file) {
                Ok(unfinished) => more |= unfinished,
                Err(error) => self.tell(&path, &file, ServiceStatus::Unreachable, Some(error.to_string())),
            }
            self.files.insert(path, file);
        }
        more
    }

    fn list(&self) -> Vec<PathBuf> {
        let mut paths: Vec<PathBuf> = Vec::new();
        match std::fs::read_dir(&self.settings.folder) {
            Ok(entries) => {
                self.logs.set_trouble(String::new());
                paths.extend(
                    entries
                        .filter_map(Result::ok)
                        .map(|entry| entry.path())
                        .filter(|path| path.extension().is_some_and(|ext| ext == "log")),
                );
            }
            Err(error) => self.logs.set_trouble(format!("{} cannot be listed: {error}", self.settings.folder.display())),
        }
        paths.extend(self.settings.console_log.clone());
        paths
    }

    /// A file seen for the first time; `None` for what is not to be followed.
    fn meet(&self, path: &Path) -> Option<File> {
        let console = self.settings.console_log.as_deref() == Some(path);
        let name = if console { "console" } else { path.file_stem()?.to_str()? };
        let named = !name.is_empty() && name.len() <= 128 && !name.chars().any(char::is_control);
        if !named || self.settings.exclude.iter().any(|pattern| pattern.matches(name)) || self.found(path).ok()?.is_none() {
            return None;
        }
        let job = if console { "console" } else { "files" };
        let labels = Labels::from([("service", name), ("service_name", name), ("stream", "stdout"), ("job", job), ("host", "local")]);
        let kind = if console { ServiceKind::Console } else { ServiceKind::File };
        Some(File {
            stream: Arc::new(Stream::new(key(name), labels)),
            kind,
            tracked: None,
            old: VecDeque::new(),
            left: 0,
            behind: Timestamp::default(),
            caught_up: false,
        })
    }

    /// What is at a path, if it is a regular file that does not lead out of the folder.
    fn found(&self, path: &Path) -> io::Result<Option<std::fs::Metadata>> {
        let mut metadata = match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if metadata.is_symlink() {
            let target = match path.canonicalize() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                other => other?,
            };
            if !target.starts_with(self.settings.folder.canonicalize()?) {
                return Ok(None);
            }
            metadata = target.metadata()?;
        }
        Ok(metadata.is_file().then_some(metadata))
    }

    fn look(&mut self, path: &Path, file: &mut File) -> io::Result<bool> {
        let now = (self.clock)();
        let since = if file.caught_up { Timestamp::MIN } else { Timestamp(now.0 - LOOK_BACK_NS) };
        let old_more = self.look_at_old(file, now, since);
        let found = self.found(path)?;
        if let Some(tracked) = &mut file.tracked
            && found.as_ref().is_none_or(|found| !tracked.is(found))
        {
            // Renamed or deleted: first what is in it by now, a turn's worth at a time.
            match self.take(tracked, &file.stream, (now, since), false) {
                (_, Ok(true)) => return Ok(true),
                (_, Ok(false)) => {}
                (_, Err(error)) => tracing::warn!(path = %path.display(), %error, "a file that was renamed cannot be read to its end"),
            }
            self.retire(path, file, now, since);
        }
        let Some(found) = found else {
            self.tell(path, file, ServiceStatus::Removed, None);
            return Ok(old_more);
        };
        if file.tracked.as_ref().is_none_or(|tracked| tracked.is_truncated(&found)) {
            self.open(path, file, since)?;
            // It is back: it is not followed twice.
            file.old.retain(|old| !old.tracked.is(&found));
        }
        let tracked = file.tracked.as_mut().expect("opened above");
        let (some, more) = self.take(tracked, &file.stream, (now, since), false);
        if some {
            let place = (path.to_string_lossy().into_owned(), tracked.place());
            self.hand_on(Vec::new(), since, Some(place));
        }
        let more = more?;
        file.caught_up |= !more;
        self.tell(path, file, ServiceStatus::Running, None);
        Ok(more || old_more)
    }

    /// Hands on a turn's worth of what was written to a file; says whether there was anything, and whether there is more.
    fn take(
        &self,
        tracked: &mut Tracked,
        stream: &Arc<Stream>,
        (now, since): (Timestamp, Timestamp),
        last: bool,
    ) -> (bool, io::Result<bool>) {
        let mut lines = Vec::new();
        let more = tracked.take(stream, now, last, &mut lines);
        let some = !lines.is_empty();
        // With an error too: reading goes on behind them.
        self.hand_on(lines, since, None);
        (some, more)
    }

    /// Opens what is at a path now, and hands on once more what of it may not be kept.
    fn open(&self, path: &Path, file: &mut File, since: Timestamp) -> io::Result<()> {
        let name = path.to_string_lossy();
        let truncated = file.tracked.as_ref().map(Tracked::last);
        let behind = truncated.unwrap_or(file.behind);
        let tracked = Tracked::open(path, &self.sidecar(path), truncated.is_some(), behind)?;
        // What an earlier console had read and not kept: its ids are known, its lines are read again.
        let kept = self.places.get(&name).map_or(0, |place| tracked.place_in(place));
        if kept > 0 && lock(&tracked.blocks).is_empty() {
            // It begins anew: of what comes now nothing is kept, however far reading had come before.
            self.hand_on(Vec::new(), since, Some((name.into_owned(), tracked.place())));
        }
        tracked.again(kept, &file.stream, &mut |lines| self.hand_on(lines, since, None))?;
        file.tracked = Some(tracked);
        Ok(())
    }

    /// The file is at its path no more.
    fn retire(&self, path: &Path, file: &mut File, now: Timestamp, since: Timestamp) {
        let Some(mut tracked) = file.tracked.take() else { return };
        let _ = std::fs::remove_file(self.sidecar(path));
        file.left = file.left.wrapping_add(1).max(1);
        file.behind = tracked.last();
        tracked.retire(file.left);
        file.old.push_back(OldFile { tracked, moved: now });
        if file.old.len() > OLD_FILES
            && let Some(mut old) = file.old.pop_front()
        {
            let _ = self.take(&mut old.tracked, &file.stream, (now, since), true);
        }
    }

    /// Takes what is still written to files that have left their path; says whether there is more.
    fn look_at_old(&self, file: &mut File, now: Timestamp, since: Timestamp) -> bool {
        let mut any_more = false;
        let File { old, stream, .. } = file;
        old.retain_mut(|old| {
            let (some, more) = self.take(&mut old.tracked, stream, (now, since), false);
            any_more |= matches!(more, Ok(true));
            if some {
                old.moved = now;
            }
            if now.0 - old.moved.0 < STILL_NS {
                return true;
            }
            // A line without an end does not get one any more.
            let _ = self.take(&mut old.tracked, stream, (now, since), true);
            false
        });
        any_more
    }

    /// Lines before `since` are only kept; the others count, and are shown.
    fn hand_on(&self, lines: Vec<Arc<Line>>, since: Timestamp, place: Option<(String, Place)>) {
        let (older, recent): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.id.at < since);
        self.stats.lines.fetch_add(recent.len() as u64, Ordering::Relaxed);
        self.stats.bytes.fetch_add(recent.iter().map(|line| line.text.len() as u64).sum(), Ordering::Relaxed);
        for (lines, show) in [(older, Show::Kept), (recent, Show::Live)] {
            for batch in lines.chunks(BATCH) {
                self.intake.take_blocking(Taken { lines: batch.to_vec(), show, place: None });
            }
        }
        if place.is_some() {
            self.intake.take_blocking(Taken { lines: Vec::new(), show: Show::Kept, place });
        }
    }

    fn tell(&self, path: &Path, file: &File, status: ServiceStatus, trouble: Option<String>) {
        let state = if status == ServiceStatus::Removed { StreamState::Ended } else { StreamState::Live };
        self.hub.set_state(&file.stream.key, state);
        self.logs.put(Followed {
            path: path.to_owned(),
            stream: file.stream.clone(),
            kind: file.kind,
            status,
            trouble,
            file: file.tracked.as_ref().map(|tracked| tracked.file.clone()),
            blocks: file.tracked.as_ref().map(|tracked| tracked.blocks.clone()).unwrap_or_default(),
        });
    }

    /// A sidecar's name is a hash of the path: a file's name may be as long as the file system allows.
    fn sidecar(&self, path: &Path) -> PathBuf {
        let text = path.to_string_lossy();
        let hash = Labels::from([("path", &*text)]).hash64();
        self.settings.sidecars.join(format!("{:016x}.idx", hash.0))
    }
}

#[cfg(test)]
mod tests;
