//! Results kept by what they were made of: a key is a hash of every input, so a hit needs no comparison of times and a second
//! build of an unchanged checkout runs nothing. What this run did not use is thrown away at its end.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use sha2::{Digest, Sha256};

/// A folder of results, one file each.
pub struct Cache {
    dir: PathBuf,
    used: RefCell<BTreeSet<String>>,
}

impl Cache {
    /// Opens or creates the folder.
    pub fn open(dir: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(Self { dir, used: RefCell::default() })
    }

    /// The bytes kept under `key`, or those that `make` returns, kept from now on.
    pub fn get_or(&self, key: &str, make: impl FnOnce() -> anyhow::Result<Vec<u8>>) -> anyhow::Result<Vec<u8>> {
        self.used.borrow_mut().insert(key.to_owned());
        let path = self.dir.join(key);
        if let Ok(bytes) = fs::read(&path) {
            return Ok(bytes);
        }
        let bytes = make()?;
        // By rename, so that a run cut short leaves no half result behind.
        let partial = self.dir.join(format!("{key}.partial"));
        fs::write(&partial, &bytes).with_context(|| format!("cannot write {}", partial.display()))?;
        fs::rename(&partial, &path)?;
        Ok(bytes)
    }

    /// Removes what this run did not ask for.
    pub fn sweep(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if !self.used.borrow().contains(&*entry.file_name().to_string_lossy()) && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// SHA-256 of the parts, each preceded by its length, in hex.
pub fn hash(parts: &[&[u8]]) -> String {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part);
    }
    hex::encode(sha.finalize())
}

/// SHA-256 over the names and contents of `files` below `dir`.
pub fn hash_files(dir: &Path, files: &[String]) -> anyhow::Result<String> {
    let mut sha = Sha256::new();
    for file in files {
        let path = dir.join(file);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        sha.update(hash(&[file.as_bytes(), &bytes]));
    }
    Ok(hex::encode(sha.finalize()))
}
