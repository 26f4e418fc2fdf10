//! A Postgres of the test's own: a fresh cluster in a temporary directory, gone with the guard.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use sqlx::any::AnyPoolOptions;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);

pub struct Postgres {
    server: Child,
    url: String,
    _dir: TempDir,
}

impl Postgres {
    pub fn start() -> Self {
        let bin = binaries().expect("there is no Postgres to test with: run `make setup`, which installs it");
        let dir = TempDir::new().unwrap();
        // Postgres refuses to run as root.
        let owner = (id(&["-u"]) == Some(0)).then(|| {
            let ids = (id(&["-u", "postgres"]).expect("a user `postgres` comes with it"), id(&["-g", "postgres"]).unwrap());
            chown(dir.path(), Some(ids.0), Some(ids.1)).unwrap();
            ids
        });
        let command = |name: &str| {
            let mut command = Command::new(bin.join(name));
            if let Some((user, group)) = owner {
                command.uid(user).gid(group);
            }
            command.current_dir(dir.path()).env("LC_ALL", "C").stdin(Stdio::null());
            command
        };
        let (data, password) = (dir.path().join("data"), dir.path().join("password"));
        fs::write(&password, "pass").unwrap();
        if let Some((user, group)) = owner {
            chown(&password, Some(user), Some(group)).unwrap();
        }
        let init = command("initdb")
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=password", "--username=console", "--pwfile"])
            .arg(&password)
            .arg(&data)
            .output()
            .unwrap();
        assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = command("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path())
            .args(["-h", "127.0.0.1", "-c", "fsync=off", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(server.stderr.take().unwrap());
        let (ready, wait) = mpsc::channel();
        // Reads to the end: a full pipe would stop the server.
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if line.contains("ready to accept connections") {
                    let _ = ready.send(());
                }
            }
        });
        let this = Self { server, url: format!("postgres://console:pass@127.0.0.1:{port}"), _dir: dir };
        wait.recv_timeout(LIMIT).expect("Postgres starts");
        this
    }

    /// The URL of a new, empty database.
    pub async fn database(&self, name: &str) -> String {
        sqlx::any::install_default_drivers();
        let pool = AnyPoolOptions::new().max_connections(1).connect(&format!("{}/postgres", self.url)).await.unwrap();
        sqlx::raw_sql(&format!("CREATE DATABASE {name}")).execute(&pool).await.unwrap();
        pool.close().await;
        format!("{}/{name}?sslmode=disable", self.url)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT: at once, its children with it.
        let asked = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.server.kill();
        }
        let _ = self.server.wait();
    }
}

/// Where Debian puts them, the newest first; else where the search path says.
fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect();
    versions.sort_by_key(|bin| bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok()));
    versions.reverse();
    let initdb = Command::new("sh").args(["-c", "command -v initdb"]).output().ok()?;
    let found = PathBuf::from(String::from_utf8_lossy(&initdb.stdout).trim().to_owned());
    versions.extend(found.parent().map(Path::to_owned));
    versions.into_iter().find(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
}

fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
