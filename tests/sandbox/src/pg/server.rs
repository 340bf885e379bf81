//! The server process and its watchdog.
//!
//! The watchdog is a small shell that starts the server and reads a pipe that only we hold open. When the pipe closes,
//! because we say so or because we are dead, it stops the server (SIGINT: at once but in order) and removes a temporary
//! folder. Both have their own process group, so that Ctrl-C reaches us alone. The server's log comes to us through
//! another pipe: it tells when the server takes connections and, by ending, when the server is gone.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::timeout;

use super::binaries::Binaries;
use super::error::Error;
use super::user::ServerUser;
use super::{Durability, blocking};

/// `$1` is the folder to remove afterwards or nothing, the rest is the server's command.
const WATCHDOG: &str = r#"
remove=$1
shift
"$@" </dev/null >&2 &
server=$!
echo "$server"
exec >/dev/null 2>&1
read -r order
kill -INT "$server"
wait "$server"
[ -z "$remove" ] || [ "$order" = keep ] || rm -rf -- "$remove"
"#;
/// What makes the watchdog leave a temporary folder alone.
const KEEP: &[u8] = b"keep\n";

/// A healthy watchdog passes the order on at once.
const WATCHDOG_LIMIT: Duration = Duration::from_secs(2);
/// The last checkpoint writes what is dirty to the disk.
const STOP_LIMIT: Duration = Duration::from_secs(20);
const KILL_LIMIT: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_millis(10);
/// Enough of the log to explain a failed start.
const LOG_LINES: usize = 30;

/// All that is needed to start a server, again and again.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) binaries: Binaries,
    pub(super) user: ServerUser,
    pub(super) data: PathBuf,
    pub(super) remove_afterwards: Option<PathBuf>,
    pub(super) durability: Durability,
    pub(super) settings: Vec<(String, String)>,
    pub(super) port: u16,
}

/// Why a server did not start.
#[derive(Debug)]
pub(super) enum StartFailure {
    PortTaken,
    Other(Error),
}

/// What becomes of a temporary folder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Afterwards {
    Keep,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Starting,
    Ready,
    /// The server and all its processes ended.
    Gone,
    /// The watchdog ended too.
    Reaped,
}

/// A server that was started; dropping it closes the watchdog's pipe.
#[derive(Debug)]
pub(super) struct Running {
    orders: Option<ChildStdin>,
    watchdog: Option<Pid>,
    server: Option<Pid>,
    data: PathBuf,
    state: watch::Receiver<State>,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Start {
    fn settings(&self) -> Vec<(String, String)> {
        let mut settings: Vec<(String, String)> = [
            ("listen_addresses", "127.0.0.1"),
            // The default folder of the socket does not exist everywhere, and /tmp is everybody's.
            ("unix_socket_directories", ""),
            ("lc_messages", "C"),
            ("log_destination", "stderr"),
            ("logging_collector", "off"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            // Tests share a server, and each brings a pool or two.
            ("max_connections", "300"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        settings.push(("port".to_owned(), self.port.to_string()));
        match self.durability {
            Durability::Fsync => settings.push(("fsync".to_owned(), "on".to_owned())),
            Durability::Volatile => {
                for name in ["fsync", "synchronous_commit", "full_page_writes"] {
                    settings.push((name.to_owned(), "off".to_owned()));
                }
            }
        }
        settings.extend(self.settings.iter().cloned());
        settings
    }

    fn spawn(&self) -> Result<Running, Error> {
        let mut command = self.user.command("/bin/sh");
        command
            .args(["-c", WATCHDOG, "rise-postgresql-watchdog"])
            .arg(self.remove_afterwards.as_deref().unwrap_or(Path::new("")))
            .arg(self.binaries.postgres())
            .arg("-D")
            .arg(&self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for (name, value) in self.settings() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let mut child = command.spawn().map_err(Error::io("run /bin/sh"))?;
        let orders = child.stdin.take();
        let watchdog = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let mut first = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut first)
                .map_err(Error::io("learn the server's process id"))?;
        }
        let server = first.trim_end().parse().ok().and_then(Pid::from_raw);
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, state) = watch::channel(State::Starting);
        let tail = Arc::clone(&log);
        // It ends with the server, whose log it reads; Reaped tells.
        thread::Builder::new()
            .name("postgresql-log".to_owned())
            .spawn(move || follow(child, &tail, &sender))
            .map_err(Error::io("start a thread"))?;
        Ok(Running {
            orders,
            watchdog,
            server,
            data: self.data.clone(),
            state,
            log,
        })
    }

    /// Starts the server and waits until it takes connections.
    pub(super) async fn launch(&self, limit: Duration) -> Result<Running, StartFailure> {
        let start = self.clone();
        let mut running = blocking(move || start.spawn())
            .await
            .map_err(StartFailure::Other)?;
        if running.reached(State::Ready, limit).await && !running.is_gone() {
            return Ok(running);
        }
        running.stop(Afterwards::Keep).await;
        let log = running.log_tail();
        if log.contains("could not bind") || log.contains("could not create any TCP/IP sockets") {
            return Err(StartFailure::PortTaken);
        }
        Err(StartFailure::Other(Error::NotStarted { log }))
    }
}

impl Running {
    async fn reached(&self, wanted: State, limit: Duration) -> bool {
        let mut state = self.state.clone();
        timeout(limit, state.wait_for(|state| *state >= wanted))
            .await
            .is_ok_and(|result| result.is_ok())
    }

    fn is_gone(&self) -> bool {
        *self.state.borrow() >= State::Gone
    }

    /// Returns when the server has ended.
    pub(super) async fn gone(&self) {
        // An error means that the thread that tells is gone, which it never is before the server.
        let _ = self
            .state
            .clone()
            .wait_for(|state| *state >= State::Gone)
            .await;
    }

    pub(super) fn log_tail(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Returns when server and watchdog are gone.
    pub(super) async fn stop(&mut self, afterwards: Afterwards) {
        if let Some(mut orders) = self.orders.take() {
            match afterwards {
                // If this does not arrive the watchdog is dead and removes nothing anyway.
                Afterwards::Keep => drop(orders.write_all(KEEP)),
                Afterwards::Remove => {}
            }
        }
        if self.reached(State::Reaped, WATCHDOG_LIMIT).await {
            return;
        }
        // A slow checkpoint, or a watchdog that was killed. Being told twice does not hurt the server.
        self.signal_server(Signal::INT);
        if self.reached(State::Reaped, STOP_LIMIT).await {
            return;
        }
        self.signal_server(Signal::KILL);
        if let Some(watchdog) = self.watchdog {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(watchdog, Signal::KILL);
        }
        self.reached(State::Reaped, KILL_LIMIT).await;
    }

    fn signal_server(&self, signal: Signal) {
        if let Some(server) = self.server
            && is_server_of(server, &self.data)
        {
            // It may have ended in between.
            let _ = kill_process(server, signal);
        }
    }
}

/// Reads the log to its end, then waits for the watchdog.
fn follow(mut child: Child, tail: &Mutex<VecDeque<String>>, state: &watch::Sender<State>) {
    if let Some(stderr) = child.stderr.take() {
        read_log(stderr, tail, state);
    }
    state.send_replace(State::Gone);
    // Whatever its status: it is gone.
    let _ = child.wait();
    state.send_replace(State::Reaped);
}

fn read_log(log: impl Read, tail: &Mutex<VecDeque<String>>, state: &watch::Sender<State>) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    // A line need not be UTF-8; an error on a pipe is its end.
    while log.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if text.contains("database system is ready to accept connections") {
            state.send_replace(State::Ready);
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == LOG_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
        line.clear();
    }
}

/// Stops a server that an earlier start left on this data. The caller holds the folder's lock, so nobody uses it.
pub(super) fn stop_left_over(data: &Path) -> Result<(), Error> {
    let file = data.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&file) else {
        return Ok(());
    };
    let Some(pid) = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .and_then(Pid::from_raw)
    else {
        return Ok(());
    };
    if !is_server_of(pid, data) {
        return forget_stale(pid, &file);
    }
    tracing::info!(
        postgresql.pid = pid.as_raw_nonzero().get(),
        "stopping a PostgreSQL that an earlier start left in {}",
        data.display()
    );
    for (signal, limit) in [(Signal::INT, STOP_LIMIT), (Signal::KILL, KILL_LIMIT)] {
        // It may have ended in between, which the next look shows.
        let _ = kill_process(pid, signal);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if !is_server_of(pid, data) {
                return Ok(());
            }
            thread::sleep(LOOK_INTERVAL);
        }
    }
    Err(Error::LeftOver {
        pid: pid.as_raw_nonzero().get(),
        folder: data.to_path_buf(),
    })
}

/// After a crash of the machine the number may belong to another program, and the server would refuse to start.
fn forget_stale(pid: Pid, file: &Path) -> Result<(), Error> {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let readable = fs::read_link(process.join("cwd")).is_ok();
    if readable {
        fs::remove_file(file).map_err(Error::io(format!("remove {}", file.display())))?;
    }
    Ok(())
}

/// A server's first process works in its data folder; without `/proc` nobody is known to be one.
fn is_server_of(pid: Pid, data: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    name.trim_end() == "postgres"
        && fs::read_link(process.join("cwd")).is_ok_and(|folder| folder == data)
}
