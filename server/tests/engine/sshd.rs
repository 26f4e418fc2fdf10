//! A real sshd on a port of 127.0.0.1 with keys of its own, and an `ssh` that knows only what a test lets it know.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Ends when dropped.
pub struct Sshd {
    pub port: u16,
    folder: tempfile::TempDir,
    child: Child,
}

impl Sshd {
    /// Lets in who has `client` of its folder, as the user who runs the test. `None` on a machine without an sshd: where
    /// installing one would also start it as a service, `scripts/setup.sh` leaves it out.
    pub fn start() -> Option<Self> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "client"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(at(key)));
        }
        // Free a moment ago: sshd takes no listening socket from us.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n",
            at("host").display(),
            at("client.pub").display(),
        );
        fs::write(at("sshd_config"), config).expect("a file");
        // Where it runs as root it wants this folder, which a service would have made.
        drop(fs::create_dir_all("/run/sshd"));
        let log = fs::File::create(at("log")).expect("a file");
        let mut sshd = Command::new(program);
        sshd.args(["-D", "-e", "-f"]).arg(at("sshd_config")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = sshd.spawn().expect("sshd starts");
        Some(Self { port, folder, child })
    }

    /// The address of the Engine behind it.
    pub fn address(&self) -> String {
        let output = Command::new("id").arg("-un").output().expect("id runs");
        format!("ssh://{}@127.0.0.1:{}", String::from_utf8_lossy(&output.stdout).trim(), self.port)
    }

    /// A folder with an `ssh` whose user has the key named and knows the hosts given.
    pub fn client(&self, name: &str, key: &str, known_hosts: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir(&folder).expect("a new name");
        fs::write(folder.join("known_hosts"), known_hosts).expect("a file");
        let config = format!(
            "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  GlobalKnownHostsFile /dev/null\n",
            self.folder.path().join(key).display(),
            folder.join("known_hosts").display()
        );
        fs::write(folder.join("config"), config).expect("a file");
        let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n", folder.join("config").display());
        fs::write(folder.join("ssh"), script).expect("a file");
        fs::set_permissions(folder.join("ssh"), fs::Permissions::from_mode(0o755)).expect("our own file");
        folder
    }

    /// The line by which a client knows this host, or takes `key` for its.
    pub fn known_as(&self, key: &str) -> String {
        let public = fs::read_to_string(self.folder.path().join(format!("{key}.pub"))).expect("ssh-keygen made it");
        format!("[127.0.0.1]:{} {public}", self.port)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("ssh-keygen runs");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
