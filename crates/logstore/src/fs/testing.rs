//! A disk in memory that is stricter than a real one: what was not synced is gone after [`TestFs::lose_power`], content and
//! names alike. It can run full, turn read-only, fail at a chosen operation and stay failed, as a machine that is dying.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Append, Fs, ReadAt};

#[derive(Clone, Default)]
pub struct TestFs {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    files: HashMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    next_file: u64,
    /// Operations that change something or make it durable.
    ops: u64,
    /// From this operation on, all fail, writes half done.
    dies_at: Option<u64>,
    /// This one fails with this error, later ones do not.
    fails_at: Option<(u64, io::ErrorKind)>,
    read_only: bool,
    capacity: Option<u64>,
    boots: u64,
    locked: bool,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

impl Disk {
    fn step(&mut self) -> io::Result<()> {
        self.ops += 1;
        if self.dies_at.is_some_and(|at| self.ops >= at) {
            return Err(io::Error::other("the power is gone"));
        }
        if let Some((at, kind)) = self.fails_at
            && self.ops == at
        {
            return Err(kind.into());
        }
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    fn used(&self) -> u64 {
        self.names.values().filter_map(|id| self.files.get(id)).map(|content| content.bytes.len() as u64).sum()
    }
}

impl TestFs {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything un-synced vanishes; all faults end. `keep` says for each file with un-synced bytes at its end how many of
    /// them happened to reach the disk.
    pub fn lose_power(&self, mut keep: impl FnMut(usize) -> usize) {
        let mut disk = self.disk();
        let disk = &mut *disk;
        disk.names = disk.durable_names.clone();
        let names = &disk.names;
        disk.files.retain(|id, _| names.values().any(|named| named == id));
        for content in disk.files.values_mut() {
            let rest = content.bytes.get(content.synced.len()..).unwrap_or_default();
            let kept = keep(rest.len()).min(rest.len());
            content.synced.extend_from_slice(&rest[..kept]);
            content.bytes.clone_from(&content.synced);
        }
        (disk.dies_at, disk.fails_at, disk.read_only, disk.capacity, disk.locked) = (None, None, false, None, false);
        disk.boots += 1;
    }

    pub fn ops(&self) -> u64 {
        self.disk().ops
    }

    /// From the `op`-th operation on (counted from the beginning, see [`TestFs::ops`]) all fail.
    pub fn die_at(&self, op: u64) {
        self.disk().dies_at = Some(op);
    }

    pub fn fail_at(&self, op: u64, kind: io::ErrorKind) {
        self.disk().fails_at = Some((op, kind));
    }

    pub fn set_read_only(&self, read_only: bool) {
        self.disk().read_only = read_only;
    }

    /// Bytes that all files together may take.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.disk().capacity = capacity;
    }

    pub fn used(&self) -> u64 {
        self.disk().used()
    }

    pub fn files(&self) -> Vec<PathBuf> {
        self.disk().names.keys().cloned().collect()
    }

    pub fn file_len(&self, path: &Path) -> usize {
        let disk = self.disk();
        disk.names.get(path).and_then(|id| disk.files.get(id)).map_or(0, |content| content.bytes.len())
    }

    /// Changes a file's bytes where it lies, durably.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut disk = self.disk();
        if let Some(id) = disk.names.get(path).copied()
            && let Some(content) = disk.files.get_mut(&id)
        {
            change(&mut content.bytes);
            content.synced.clone_from(&content.bytes);
        }
    }
}

struct Handle {
    fs: TestFs,
    file: u64,
    boot: u64,
}

impl Append for Handle {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.fs.disk();
        if disk.boots != self.boot {
            return Err(io::Error::other("a handle from before the power went"));
        }
        let outcome = disk.step();
        let room = disk.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(disk.used()));
        let fits = match &outcome {
            Ok(()) => bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX)),
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => 0,
            Err(_) => bytes.len() / 2,
        };
        if let Some(content) = disk.files.get_mut(&self.file) {
            content.bytes.extend_from_slice(&bytes[..fits]);
        }
        outcome?;
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut disk = self.fs.disk();
        if disk.boots != self.boot {
            return Err(io::Error::other("a handle from before the power went"));
        }
        disk.step()?;
        if let Some(content) = disk.files.get_mut(&self.file) {
            content.synced.clone_from(&content.bytes);
        }
        Ok(())
    }
}

impl ReadAt for Handle {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let disk = self.fs.disk();
        let bytes = disk.files.get(&self.file).map(|content| content.bytes.as_slice()).unwrap_or_default();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let wanted = start.checked_add(buf.len()).and_then(|end| bytes.get(start..end)).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(wanted);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.fs.disk().files.get(&self.file).map_or(0, |content| content.bytes.len() as u64))
    }
}

struct Lock(TestFs);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.disk().locked = false;
    }
}

impl Fs for TestFs {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Append>> {
        let mut disk = self.disk();
        disk.step()?;
        disk.next_file += 1;
        let file = disk.next_file;
        disk.files.insert(file, Content::default());
        disk.names.insert(path.to_owned(), file);
        Ok(Box::new(Handle { fs: self.clone(), file, boot: disk.boots }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn ReadAt>> {
        let disk = self.disk();
        let file = *disk.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Handle { fs: self.clone(), file, boot: disk.boots }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let disk = self.disk();
        let inside = disk.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn make_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        let file = disk.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        disk.names.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        disk.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.step()?;
        let disk = &mut *disk;
        disk.durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside = disk.names.iter().filter(|(path, _)| path.parent() == Some(dir));
        disk.durable_names.extend(inside.map(|(path, file)| (path.clone(), *file)));
        Ok(())
    }

    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut disk = self.disk();
        if std::mem::replace(&mut disk.locked, true) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock(self.clone())))
    }
}
