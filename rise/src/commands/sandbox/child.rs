//! A service as a child process: the same executable, in a process group of its own, told by its standard input when
//! this process is gone.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::exit::{Exit, Failure};

use super::folder::Variables;
use super::story::Story;

/// A child says its address within this.
const ADDRESS_WITHIN: Duration = Duration::from_secs(20);
/// A child that is told to end has this long; its own limits are shorter.
const END_WITHIN: Duration = Duration::from_secs(12);
/// Any free port.
pub(super) const ANY_ADDRESS: &str = "127.0.0.1:0";
/// Between two questions whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Role {
    Ghfe,
    Scheduler,
}

impl Role {
    pub(in crate::commands) fn as_str(self) -> &'static str {
        match self {
            Self::Ghfe => "ghfe",
            Self::Scheduler => "scheduler",
        }
    }
}

/// What a service's log is read for, besides the address in its first line.
#[derive(Clone)]
pub(in crate::commands) enum Listener {
    /// It is told.
    Story(Arc<Story>),
    /// Nothing: it is kept and costs as little as can be.
    Nobody,
}

/// A running service.
pub(in crate::commands) struct Child {
    role: Role,
    process: tokio::process::Child,
    /// Closing it ends the child; the system closes it when this process is gone.
    stdin: Option<ChildStdin>,
    logs: JoinHandle<()>,
    address: String,
}

impl Child {
    /// Starts a service and waits until it says its address.
    pub(in crate::commands) async fn start(
        role: Role,
        environment: Environment,
        log: File,
        listener: Listener,
    ) -> Result<Self, Failure> {
        Self::start_at(role, environment, log, listener, ANY_ADDRESS).await
    }

    /// The same at an address.
    pub(super) async fn start_at(
        role: Role,
        environment: Environment,
        log: File,
        listener: Listener,
        listen: &str,
    ) -> Result<Self, Failure> {
        let mut process = command(role, environment, listen)?
            .spawn()
            .map_err(|error| failed(role, &format!("could not be started: {error}")))?;
        let stdin = process.stdin.take();
        let Some(stderr) = process.stderr.take() else {
            return Err(failed(role, "has no standard error"));
        };
        let (say_address, address) = oneshot::channel();
        let logs = tokio::spawn(follow(role, stderr, log, listener, say_address));
        let mut child = Self {
            role,
            process,
            stdin,
            logs,
            address: String::new(),
        };
        match timeout(ADDRESS_WITHIN, address).await {
            Ok(Ok(address)) => child.address = address,
            Ok(Err(_)) => return Err(child.died().await),
            Err(_) => return Err(failed(role, "did not say its address in time")),
        }
        Ok(child)
    }

    /// Where it answers.
    pub(in crate::commands) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The same without the scheme.
    pub(in crate::commands) fn address(&self) -> &str {
        &self.address
    }

    /// The process's id, while it runs.
    pub(in crate::commands) fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// Returns when it ends by itself.
    pub(in crate::commands) async fn died(&mut self) -> Failure {
        match self.process.wait().await {
            Ok(status) => failed(self.role, &format!("ended by itself: {status}")),
            Err(error) => failed(self.role, &format!("is lost: {error}")),
        }
    }

    /// Ends it as `kill -9` does.
    pub(super) async fn kill(mut self) {
        // One that is gone already is as dead.
        let _ = self.process.kill().await;
        let _ = timeout(Duration::from_secs(1), self.logs).await;
    }

    /// Ends it, gently first.
    pub(in crate::commands) async fn stop(mut self) {
        drop(self.stdin.take());
        if timeout(END_WITHIN, self.process.wait()).await.is_err() {
            // Its own limits are over: nothing that it could still do counts.
            let _ = self.process.kill().await;
        }
        // Its last lines are read before its log is closed.
        let _ = timeout(Duration::from_secs(1), self.logs).await;
    }
}

/// Waits until a service's page answers well.
pub(in crate::commands) async fn answers(
    role: Role,
    url: &str,
    deadline: Instant,
) -> Result<(), Failure> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5))
        .build()
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let mut last = String::new();
    while Instant::now() < deadline {
        match timeout_at(deadline, client.get(url).send()).await {
            Ok(Ok(answer)) if answer.status().is_success() => return Ok(()),
            Ok(Ok(answer)) => last = answer.text().await.unwrap_or_default(),
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => break,
        }
        sleep_until(Instant::now() + ASK_EVERY).await;
    }
    Err(failed(role, &format!("did not become ready: {last}")))
}

fn command(role: Role, environment: Environment, listen: &str) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        failed(
            role,
            &format!("this program's own file is unknown: {error}"),
        )
    })?;
    let mut command = Command::new(program);
    command
        .args([
            "serve",
            role.as_str(),
            "--listen",
            listen,
            "--exit-with-stdin",
        ])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            ["PATH", "HOME", "TZ", "LANG", "RUST_BACKTRACE"]
                .iter()
                .any(|kept| name == *kept)
        }))
        .env("PROD", "false")
        .envs(environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

/// The variables of one service.
pub(in crate::commands) type Environment = Vec<(&'static str, OsString)>;

impl Variables {
    /// What a service needs of them, and no more.
    pub(in crate::commands) fn of(&self, role: Role) -> Environment {
        let mut environment: Environment = vec![
            ("POSTGRES_URL", (&self.database).into()),
            ("RISE_CONFIG", (&self.config).into()),
            ("RISE_CONFIG_TOML", (&self.overlay).into()),
        ];
        environment.extend([
            ("GHAPP_ORG_PRIVATE_KEY", (&self.organization_key).into()),
            ("GHAPP_PERSONAL_PRIVATE_KEY", (&self.personal_key).into()),
            ("GITHUB_API_URL", (&self.github_api).into()),
        ]);
        environment.extend(match role {
            Role::Ghfe => vec![
                ("GHAPP_WEBHOOK_SECRET", (&self.webhook_secret).into()),
                ("TRACE_API_SECRET", (&self.trace_secret).into()),
            ],
            Role::Scheduler => vec![("KUBECONFIG", (&self.kubeconfig).into())],
        });
        environment
    }
}

async fn follow(
    role: Role,
    stderr: ChildStderr,
    mut log: File,
    listener: Listener,
    say_address: oneshot::Sender<String>,
) {
    let mut lines = BufReader::new(stderr);
    let mut say_address = Some(say_address);
    let mut line = String::new();
    while lines.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        // The log is a convenience; a full disk must not stop the story.
        let _ = log.write_all(line.as_bytes());
        let event = serde_json::from_str::<serde_json::Value>(&line).ok();
        if let Some(address) = event
            .as_ref()
            .and_then(|event| event["http.address"].as_str())
            && let Some(say) = say_address.take()
        {
            // Nobody listens any more only when the sandbox is ending.
            let _ = say.send(address.to_owned());
        }
        match (&listener, event) {
            (Listener::Story(story), Some(event)) => story.follow(role.as_str(), &event),
            // What is no log line is an error message on the way out.
            (Listener::Story(story), None) => story.tell(role.as_str(), line.trim_end()),
            (Listener::Nobody, _) if say_address.is_none() => return keep(lines, log).await,
            (Listener::Nobody, _) => {}
        }
        line.clear();
    }
}

/// Writes the rest of a log to its file, unread.
async fn keep(mut from: BufReader<ChildStderr>, mut log: File) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let _ = log.write_all(bytes.get(..read).unwrap_or_default());
    }
}

fn failed(role: Role, what: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{} {what}", role.as_str()))
}
