//! The console as its own process, and its command line as another, on one data folder.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{PASSWORD, Person, eventually};

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `docaiche` with everything in `dir` and nothing of the environment in which the tests run.
pub fn docaiche(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_docaiche"));
    command.env_clear().env("PATH", PATH).args(arguments).arg("--data-dir").arg(dir.join("data")).arg("--log-dir").arg(dir.join("logs"));
    command
}

/// Runs a command of the console's to its end.
///
/// # Panics
/// Where it fails.
pub fn run(dir: &Path, arguments: &[&str], stdin: &str) {
    let mut child = docaiche(dir, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A console that runs until dropped.
pub struct Process {
    pub address: SocketAddr,
    dir: TempDir,
    child: Child,
}

impl Process {
    /// `folder`, where given, is looked into before all others for programs that the console runs.
    pub async fn start(arguments: &[&str], folder: Option<&Path>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let said = dir.path().join("stdout");
        let mut command = docaiche(dir.path(), &[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
        if let Some(folder) = folder {
            command.env("PATH", format!("{}:{PATH}", folder.display()));
        }
        let stdout = std::fs::File::create(&said).unwrap();
        let child = command.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::null()).spawn().unwrap();
        let port = eventually(|| async {
            let said = std::fs::read_to_string(&said).unwrap();
            let (_, rest) = said.split_once("DocAIche Console is at http://localhost:")?;
            rest.split_once('\n')?.0.parse::<u16>().ok()
        });
        Self { address: SocketAddr::from(([127, 0, 0, 1], port.await)), dir, child }
    }

    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// An administrator whom the command line has made.
    pub async fn admin(&self) -> Person {
        run(self.dir.path(), &["user", "add", "admin", "--role", "admin", "--password-stdin"], PASSWORD);
        let person = Person::new(self.address);
        person.sign_in("admin").await;
        person
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
