//! What can go wrong, by operation.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the logs in {dir} have format {found}, this program knows up to {known}: use a newer one")]
    Newer { dir: String, found: u32, known: u32 },
    #[error("the logs in {dir} are in use by another process")]
    InUse { dir: String },
    #[error("cannot open the logs at {path}")]
    Io {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Nothing of the batch is stored (or, after a crash, some of it may be: send it again, what is there counts as duplicate).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("no space left for logs")]
    Full,
    #[error("the disk of the logs is read-only")]
    ReadOnly,
    #[error("a batch of {bytes} bytes is too large: at most {max}")]
    TooLarge { bytes: usize, max: usize },
    #[error("cannot write logs: {0}")]
    Io(String),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Self::Full,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Io(error.to_string()),
        }
    }
}

/// Why one line is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Refused {
    #[error("time before 1970")]
    BeforeEpoch,
    #[error("older than what is kept")]
    TooOld,
    #[error("line too long")]
    TooLong,
    #[error("more than 64 KiB of structured metadata")]
    MetadataTooLong,
    #[error("more than 64 KiB of labels")]
    LabelsTooLong,
    #[error("65,536 lines of this stream have the same nanosecond")]
    NanosecondFull,
    #[error("too many streams")]
    TooManyStreams,
    #[error("another stream's labels have the same hash")]
    HashTaken,
}
