//! The built binary as a child.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::rise::command;

/// A service says its address within this, on a machine with a lot to do.
const ADDRESS_WITHIN: Duration = Duration::from_secs(60);
/// One question.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A running service. Dropping it kills it.
pub(crate) struct Service {
    name: &'static str,
    child: Mutex<Child>,
    log: Arc<Mutex<Vec<String>>>,
    address: String,
    http: reqwest::Client,
}

impl Service {
    /// Starts `rise serve NAME` and waits until it says where it listens. It ends with this process.
    pub(crate) fn start(name: &'static str, variables: &[(&str, String)]) -> Self {
        let line = format!("serve {name} --listen 127.0.0.1:0 --exit-with-stdin");
        let mut child = command(&line)
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (say, said) = mpsc::channel();
        let lines = Arc::clone(&log);
        thread::spawn(move || follow(stderr, &lines, &say));
        let mut service = Self {
            name,
            child: Mutex::new(child),
            log,
            address: String::new(),
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(ANSWER_WITHIN)
                .build()
                .unwrap(),
        };
        match said.recv_timeout(ADDRESS_WITHIN) {
            Ok(address) => service.address = address,
            Err(_) => panic!("{name} did not say its address:\n{}", service.log()),
        }
        service
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        lock(&self.log).join("\n")
    }

    /// What `/ready` says, whatever the status, if it answers.
    pub(crate) async fn ready(&self) -> Option<Value> {
        let answer = self.http.get(format!("{}/ready", self.url())).send();
        answer.await.ok()?.json().await.ok()
    }

    /// Fails if it has ended.
    pub(crate) fn must_run(&self) {
        if let Some(status) = lock(&self.child).try_wait().unwrap() {
            panic!("{} ended by itself: {status}\n{}", self.name, self.log());
        }
    }

    /// As if the power went: `kill -9`, and waits until it is gone.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Stops it in place, like a machine that hangs.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on after [`Service::freeze`].
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, and waits for its end, which must be a good one.
    pub(crate) fn terminate(self) {
        self.signal(Signal::TERM);
        let status = lock(&self.child).wait().unwrap();
        assert!(status.success(), "{}: {status}\n{}", self.name, self.log());
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&lock(&self.child));
        kill_process(pid, signal).unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let mut child = lock(&self.child);
        // It may be gone already.
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn follow(stderr: ChildStderr, log: &Mutex<Vec<String>>, say: &mpsc::Sender<String>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        if let Ok(event) = serde_json::from_str::<Value>(&line)
            && let Some(address) = event["http.address"].as_str()
        {
            // Only the first is waited for.
            let _ = say.send(address.to_owned());
        }
        lock(log).push(line);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
