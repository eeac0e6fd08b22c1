//! Databases and stores that tests start for themselves, where they are installed.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A process that is killed at the end, come what may.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    /// SIGKILL: no handler runs, nothing is written.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service on a port of its own, until it is dropped.
pub(crate) struct Service {
    pub(crate) url: String,
    _process: Process,
    _folder: TempDir,
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts `command`, and waits until its port answers. `None` where it is not installed.
fn start(mut command: Command, port: u16, url: String, folder: TempDir) -> Option<Service> {
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let process = Process(child);
    let until = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "{command:?} does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(Service {
        url,
        _process: process,
        _folder: folder,
    })
}

/// Redis; Debian: `apt-get install redis-server`.
pub(crate) fn redis() -> Option<Service> {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--dir"])
        .arg(folder.path());
    start(command, port, format!("redis://127.0.0.1:{port}/0"), folder)
}

/// PostgreSQL; Debian: `apt-get install postgresql`. It does not run as root, so that for root it
/// runs as the user `postgres`.
pub(crate) fn postgres() -> Option<Service> {
    let bin = postgres_folder()?;
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let is_root = output("id", &["-u"]) == "0";
    let as_user = |program: &str| {
        let program = bin.join(program);
        if !is_root {
            return Command::new(program);
        }
        // In its own place, so that killing it kills the server.
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
            .arg(program);
        command
    };
    if is_root {
        let owned = Command::new("chown")
            .arg("postgres")
            .arg(folder.path())
            .status();
        assert!(owned.unwrap().success(), "there is no user postgres");
    }
    let data = folder.path().join("data");
    let made = as_user("initdb")
        .args([
            "--auth=trust",
            "--username=glyph",
            "--encoding=UTF8",
            "--no-sync",
            "-D",
        ])
        .arg(&data)
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "initdb: {said}");
    let mut command = as_user("postgres");
    command
        .arg("-D")
        .arg(&data)
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"])
        .arg(folder.path())
        .current_dir("/");
    let url = format!("postgres://glyph@127.0.0.1:{port}/postgres");
    start(command, port, url, folder)
}

/// Debian keeps each version's programs in a folder of its own.
fn postgres_folder() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.flatten().map(|entry| entry.path().join("bin"));
    folders.filter(|bin| bin.join("initdb").exists()).max()
}

fn output(program: &str, args: &[&str]) -> String {
    let run = Command::new(program).args(args).output();
    run.map(|run| String::from_utf8_lossy(&run.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// A server that speaks S3; PyPI: `pip install "moto[server]"`.
pub(crate) fn s3() -> Option<Service> {
    let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
    let mut command = Command::new("moto_server");
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    start(command, port, format!("http://127.0.0.1:{port}"), folder)
}

/// A worker on a host of its own: it shares nothing with others but what `shared` names.
pub(crate) fn worker(data: &Path, i: usize, shared: &[String], env: &[(&str, &str)]) -> Process {
    let child = super::program(&data.join(format!("worker-{i}")))
        .args(shared)
        .args(["--workers", "2", "worker"])
        .envs(env.iter().copied())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    Process(child)
}
