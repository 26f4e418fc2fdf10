//! An Engine of its own, stopped and started under load: no line that it still has is lost or doubled. Takes root and a
//! minute, so it runs only where `DOCAICHE_SOAK=1`.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod engine;

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use engine::{Console, Running, import};
use model::{Direction, StreamState};
use ops::logs::Filter;

/// A dockerd without a bridge, in a temporary folder. Dropping it ends it.
struct Daemon {
    folder: tempfile::TempDir,
    process: Option<Child>,
}

impl Daemon {
    fn address(&self) -> String {
        format!("unix://{}/docker.sock", self.folder.path().display())
    }

    fn start(&mut self) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let process = Command::new("dockerd")
            .args(["--bridge=none", "--iptables=false", "--ip-masq=false", "--storage-driver=vfs"])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid"), "-H", &self.address()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dockerd starts");
        self.process = Some(process);
        let ready = (0..300).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            Command::new("docker").args(["-H", &self.address(), "info"]).output().is_ok_and(|output| output.status.success())
        });
        assert!(ready, "dockerd does not answer within 30 s");
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
            let _ = process.wait();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_restarted_under_load_loses_and_doubles_nothing() {
    #[allow(clippy::disallowed_methods, reason = "a test's own switch")]
    if std::env::var_os("DOCAICHE_SOAK").is_none_or(|value| value != "1") {
        return;
    }
    let mut daemon = Daemon { folder: tempfile::tempdir().expect("a temporary folder"), process: None };
    daemon.start();
    let address = daemon.address();
    import(Some(&address));
    let console = Console::start(&address);
    let mut view = console.watch("soak");
    // Starting and stopping the Engine holds up the viewer, which then gets gaps; they count.
    view.may_miss = true;
    let script = "i=0; while true; do seq $((i*20+1)) $((i*20+20)); usleep 20000; i=$((i+1)); done";
    let container = Running::start_at(Some(&address), "soak", &["--restart=always"], script);
    for round in 1..=3 {
        view.until(round * 2_000).await;
        daemon.stop();
        view.until_state(StreamState::Reconnecting).await;
        daemon.start();
        view.until_state(StreamState::Live).await;
    }
    view.until(8_000).await;
    container.docker(&["update", "--restart=no"]);
    container.docker(&["kill"]);
    let lines = view.more(usize::MAX / 2, Duration::from_secs(5)).await;
    let mut live: Vec<_> = lines.iter().map(|line| line.id).collect();
    live.sort();
    let mut kept = Vec::new();
    let mut cursor = None;
    loop {
        let (page, frontier) = console.search("soak", Direction::Forward, 5_000, cursor, Filter::default()).await;
        kept.extend(page.into_iter().map(|line| line.id));
        match frontier {
            ops::source::Frontier::Exhausted => break,
            ops::source::Frontier::Upto(id) => cursor = Some(id),
        }
    }
    assert_eq!(live.len() + view.missed, kept.len());
    assert!(live.windows(2).all(|pair| pair[0] < pair[1]), "no line twice");
    assert!(live.iter().all(|id| kept.binary_search(id).is_ok()), "every live line is found again");
}
