//! A Unix socket in front of Docker's, whose connections can be cut.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    net::{UnixListener, UnixStream},
    sync::broadcast,
};
use tokio_util::task::AbortOnDropHandle;

pub struct Proxy {
    folder: tempfile::TempDir,
    cut: broadcast::Sender<()>,
    refuse: Arc<AtomicBool>,
    _accept: AbortOnDropHandle<()>,
}

impl Proxy {
    pub fn start(target: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket");
        let (cut, _) = broadcast::channel(16);
        let refuse = Arc::new(AtomicBool::new(false));
        let (sender, refused) = (cut.clone(), refuse.clone());
        let accept = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                if refused.load(Ordering::SeqCst) {
                    continue;
                }
                let mut cut = sender.subscribe();
                tokio::spawn(async move {
                    let Ok(mut far) = UnixStream::connect(target).await else { return };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        Self { folder, cut, refuse, _accept: AbortOnDropHandle::new(accept) }
    }

    pub fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// Ends all connections.
    pub fn cut(&self) {
        let _ = self.cut.send(());
    }

    /// Whether new connections are turned away; doing so ends the present ones.
    pub fn refuse(&self, refuse: bool) {
        self.refuse.store(refuse, Ordering::SeqCst);
        if refuse {
            self.cut();
        }
    }
}
