//! Docker's socket behind TLS on 127.0.0.1, as `dockerd --tlsverify` offers it: a client must show a certificate.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rustls::{RootCertStore, ServerConfig, crypto::ring, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use server::config::{DockerHost, DockerTls};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// An authority with certificates in a folder, made by the `openssl` program. Each client has a folder of its own, laid
/// out as Docker's own programs want it.
pub struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        openssl(folder.path(), "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca-key.pem -out ca.pem");
        Self { folder }
    }

    /// A folder with `ca.pem`, `cert.pem` and `key.pem`. `names` is what the certificate is for: `IP:127.0.0.1`.
    pub fn issue(&self, who: &str, names: &str) -> PathBuf {
        let folder = self.folder.path().join(who);
        std::fs::create_dir(&folder).expect("a new name");
        std::fs::write(folder.join("names"), format!("subjectAltName={names}\n")).expect("a file");
        std::fs::copy(self.folder.path().join("ca.pem"), folder.join("ca.pem")).expect("a copy");
        openssl(&folder, &format!("req -newkey rsa:2048 -nodes -subj /CN={who} -keyout key.pem -out request.pem"));
        openssl(&folder, "x509 -req -in request.pem -CA ca.pem -CAkey ../ca-key.pem -CAcreateserial -days 2 -extfile names -out cert.pem");
        folder
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The engine's end. Ends when dropped.
pub struct Terminator {
    port: u16,
    _accept: AbortOnDropHandle<()>,
}

impl Terminator {
    /// Shows the certificate of `folder` and takes clients whose certificate the same authority has signed.
    pub async fn start(folder: &Path) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("ca.pem")).expect("a certificate")).expect("an authority");
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), ring::default_provider().into());
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("the provider has them")
            .with_client_cert_verifier(clients.build().expect("an authority"))
            .with_single_cert(vec![CertificateDer::from_pem_file(folder.join("cert.pem")).expect("a certificate")], key)
            .expect("a certificate with its key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut near) = acceptor.accept(stream).await else { return };
                    let Ok(mut far) = UnixStream::connect("/var/run/docker.sock").await else { return };
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                });
            }
        });
        Self { port, _accept: AbortOnDropHandle::new(accept) }
    }

    pub fn host(&self, tls: Option<DockerTls>) -> DockerHost {
        DockerHost::Tcp { host: "127.0.0.1".to_owned(), port: self.port, tls }
    }
}
