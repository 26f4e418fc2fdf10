//! A bounded queue and a thread that empties it into a file or standard error. Whoever logs never waits; what does not
//! fit, or cannot be written, is counted and the count written as soon as something can be.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Lines that wait. At a usual 300 bytes a line: 2.5 MB.
const QUEUE: usize = 8192;

/// Takes whole lines, each with its end.
pub(super) trait Output: Send + 'static {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()>;
}

enum Message {
    Line(String),
    /// Answered when everything queued before it is written.
    Flush(SyncSender<()>),
}

/// The near end of the queue. The thread ends with the last clone.
#[derive(Clone)]
pub(super) struct Sink {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Sink {
    /// `notice` makes the line that stands for lost ones; `on_trouble` hears of the first failure after a success.
    pub fn spawn(
        name: &str,
        output: impl Output,
        notice: impl Fn(u64) -> String + Send + 'static,
        on_trouble: impl Fn(&io::Error) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let drain = Drain { output, lost: lost.clone(), notice, on_trouble, troubled: false };
        thread::Builder::new().name(name.to_owned()).spawn(move || drain.run(&receiver))?;
        Ok(Self { sender, lost })
    }

    /// Queues a line without its end. Never waits: a full queue loses it.
    pub fn send(&self, line: String) {
        if self.sender.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until what is queued is written, at most `limit`. Whether it was.
    pub fn flush(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let (done, answer) = sync_channel(1);
        let mut message = Message::Flush(done);
        loop {
            message = match self.sender.try_send(message) {
                Ok(()) => break,
                Err(TrySendError::Full(message)) if Instant::now() < until => message,
                Err(_) => return false,
            };
            thread::park_timeout(Duration::from_millis(5));
        }
        answer.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
    }
}

struct Drain<O, N, T> {
    output: O,
    lost: Arc<AtomicU64>,
    notice: N,
    on_trouble: T,
    troubled: bool,
}

impl<O: Output, N: Fn(u64) -> String, T: Fn(&io::Error)> Drain<O, N, T> {
    fn run(mut self, receiver: &Receiver<Message>) {
        for message in receiver {
            self.tell_what_is_lost();
            match message {
                Message::Line(line) => {
                    if !self.write(line) {
                        self.lost.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Message::Flush(done) => {
                    done.try_send(()).ok(); // Nobody waits any more: the limit has passed.
                }
            }
        }
    }

    fn tell_what_is_lost(&mut self) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 && !self.write((self.notice)(lost)) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }

    fn write(&mut self, mut line: String) -> bool {
        line.push('\n');
        let result = self.output.write_line(line.as_bytes());
        if let Err(error) = &result
            && !self.troubled
        {
            (self.on_trouble)(error);
        }
        self.troubled = result.is_err();
        !self.troubled
    }
}

/// Standard error. That nobody reads it is no failure.
pub(super) struct StandardError;

impl Output for StandardError {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        io::stderr().write_all(line).ok();
        Ok(())
    }
}

/// A file that becomes `….1` when it is full, that one `….2`, and so on; the oldest goes. Each line looks whether the
/// name still leads to our file: someone may have moved, deleted or truncated it.
pub(super) struct RotatingFile {
    path: PathBuf,
    max_bytes: u64,
    kept: usize,
    file: Option<File>,
    /// The last write failed inside a line: the next begins with a line end.
    torn: bool,
}

impl RotatingFile {
    pub fn new(path: PathBuf, max_bytes: u64, kept: usize) -> Self {
        Self { path, max_bytes, kept, file: None, torn: false }
    }

    /// The file behind the name, and its length.
    fn current(&mut self) -> io::Result<(File, u64)> {
        if let (Some(file), Ok(named)) = (self.file.take(), fs::metadata(&self.path)) {
            let ours = file.metadata()?;
            if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) {
                return Ok((file, ours.len()));
            }
        }
        let file = open(&self.path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// A full file steps aside. Where it may not be renamed it is emptied: a bounded disk before old lines.
    fn rotate(&self, file: File) -> io::Result<File> {
        let numbered = |n: usize| {
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        for n in (1..self.kept).rev() {
            fs::rename(numbered(n), numbered(n + 1)).ok(); // There may be none yet.
        }
        if fs::rename(&self.path, numbered(1)).is_ok() {
            return open(&self.path);
        }
        file.set_len(0)?;
        Ok(file)
    }
}

impl Output for RotatingFile {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let (mut file, length) = self.current()?;
        if length > 0 && length + line.len() as u64 > self.max_bytes {
            file = self.rotate(file)?;
            self.torn = false;
        }
        if self.torn {
            file.write_all(b"\n")?;
            self.torn = false;
        }
        let mut written = 0;
        let result = loop {
            match file.write(&line[written..]) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(n) if written + n == line.len() => break Ok(()),
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.torn = result.is_err() && written > 0;
        self.file = Some(file);
        result
    }
}

/// Opens for appending, makes it where it is missing. Names of people and addresses are inside: not for everyone's eyes.
pub(super) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}
