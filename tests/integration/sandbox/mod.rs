//! `rise sandbox` as a person meets it: the story, the report, other terminals, and what is left when it ends.

mod ending;
mod joining;
mod kubectl;
mod process;
mod recipes;
mod report;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::rise::{Answer, command};
use process::Process;

/// However slow the machine is, nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running sandbox, killed with this value if it has not ended.
struct Sandbox {
    child: Child,
    out: Said,
    err: Said,
    /// Its temporary folder, which it shares with nobody.
    temporary: TempDir,
}

/// What a process said so far.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl Said {
    fn follow(stream: impl Read + Send + 'static) -> Self {
        let said = Self::default();
        let text = Arc::clone(&said.0);
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                let mut text = text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        said
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

impl Sandbox {
    fn start(line: &str) -> Self {
        let temporary = open_folder();
        let mut child = sandbox(line)
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            out: Said::follow(child.stdout.take().unwrap()),
            err: Said::follow(child.stderr.take().unwrap()),
            child,
            temporary,
        }
    }

    /// Waits until everything answers, and returns the file to source.
    fn joined(&mut self) -> Terminal {
        let mut found = None;
        self.until("everything answers", |story| {
            let file = story.lines().find_map(|line| line.split_once("  . "))?.1;
            found = Some(PathBuf::from(file));
            found
                .as_ref()
                .is_some_and(|file| file.exists())
                .then_some(())
        });
        Terminal {
            env: found.unwrap(),
            home: open_folder(),
        }
    }

    /// Waits for something in the story.
    fn until<T>(&mut self, what: &str, mut seen: impl FnMut(&str) -> Option<T>) -> T {
        until(what, || {
            if let Some(found) = seen(&self.out.text()) {
                return Some(found);
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "ended too early: {ended:?}\n{}\n{}",
                self.out.text(),
                self.err.text()
            );
            None
        })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end; the status, if no signal killed it.
    fn ended(&mut self) -> Option<i32> {
        until("the sandbox ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Its services and its database see that and end by themselves.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Another terminal, which sourced what the sandbox wrote.
struct Terminal {
    env: PathBuf,
    home: TempDir,
}

impl Terminal {
    /// Runs a line of sh; `rise` is the built binary.
    fn sh(&self, line: &str) -> Answer {
        let script = format!(
            "rise() {{ \"$RISE_BINARY\" \"$@\"; }}; . '{}' && {line}",
            self.env.display()
        );
        let output = Command::new("sh")
            .args(["-euc", &script])
            .env_clear()
            .envs(path())
            .env("HOME", self.home.path())
            .env("RISE_BINARY", env!("CARGO_BIN_EXE_rise"))
            .stdin(Stdio::null())
            .output();
        Answer::from(output.unwrap())
    }

    /// The same for a line that must succeed; what it prints.
    fn out(&self, line: &str) -> String {
        let answer = self.sh(line);
        assert_eq!(answer.status, 0, "{line}: {}{}", answer.out, answer.err);
        answer.out
    }

    /// One of the variables.
    fn variable(&self, name: &str) -> String {
        self.out(&format!("printf %s \"${name}\""))
    }

    /// The rows of `rise jobs` or `rise workers`.
    fn rows(&self, line: &str) -> Vec<Value> {
        let listing: Value =
            serde_json::from_str(&self.out(&format!("rise {line} --json"))).unwrap();
        listing["rows"].as_array().unwrap().clone()
    }
}

/// The command `rise sandbox`, with nothing else of this process's environment than it needs to find PostgreSQL.
fn sandbox(line: &str) -> Command {
    let mut command = command(&format!("sandbox {line}"));
    command.envs(path());
    command
}

fn path() -> impl Iterator<Item = (&'static str, String)> {
    ["PATH", "RISE_PG_BIN"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
}

/// A folder that PostgreSQL's own user may pass too.
fn open_folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("rise-test-")
        .permissions(fs::Permissions::from_mode(0o711))
        .tempdir()
        .unwrap()
}

/// What is in a folder.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Waits until something is there.
fn until<T>(what: &str, mut seen: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = seen() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        thread::sleep(LOOK_EVERY);
    }
}

/// Waits until these processes are gone.
fn until_gone(processes: &[Process]) {
    until(&format!("the end of {processes:?}"), || {
        processes
            .iter()
            .all(|process| !process.lives())
            .then_some(())
    });
}
