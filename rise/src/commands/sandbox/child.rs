//! A service as a child process: the same executable, in a process group of its own, told by its standard input when
//! this process is gone.

use std::fs::File;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStderr, ChildStdin, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::exit::{Exit, Failure};

use super::folder::{Folder, Variables};
use super::story::Story;

/// A child says its address within this.
const ADDRESS_WITHIN: Duration = Duration::from_secs(20);
/// A child that is told to end has this long; its own limits are shorter.
const END_WITHIN: Duration = Duration::from_secs(12);
/// Between two questions whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Ghfe,
    Scheduler,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ghfe => "ghfe",
            Self::Scheduler => "scheduler",
        }
    }
}

/// A running service.
pub(super) struct Child {
    role: Role,
    process: tokio::process::Child,
    /// Closing it ends the child; the system closes it when this process is gone.
    stdin: Option<ChildStdin>,
    logs: JoinHandle<()>,
    address: String,
}

impl Child {
    /// Starts a service and waits until it says its address.
    pub(super) async fn start(
        role: Role,
        variables: &Variables,
        folder: &Folder,
        story: &Arc<Story>,
    ) -> Result<Self, Failure> {
        let mut process = command(role, variables)?
            .spawn()
            .map_err(|error| failed(role, &format!("could not be started: {error}")))?;
        let stdin = process.stdin.take();
        let Some(stderr) = process.stderr.take() else {
            return Err(failed(role, "has no standard error"));
        };
        let (say_address, address) = oneshot::channel();
        let log = folder.log(role.as_str())?;
        let logs = tokio::spawn(follow(role, stderr, log, Arc::clone(story), say_address));
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
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns when it ends by itself.
    pub(super) async fn died(&mut self) -> Failure {
        match self.process.wait().await {
            Ok(status) => failed(self.role, &format!("ended by itself: {status}")),
            Err(error) => failed(self.role, &format!("is lost: {error}")),
        }
    }

    /// Ends it, gently first.
    pub(super) async fn stop(mut self) {
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
pub(super) async fn answers(role: Role, url: &str, deadline: Instant) -> Result<(), Failure> {
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

fn command(role: Role, variables: &Variables) -> Result<Command, Failure> {
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
            "127.0.0.1:0",
            "--exit-with-stdin",
        ])
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| {
            ["PATH", "HOME", "TZ", "LANG", "RUST_BACKTRACE"]
                .iter()
                .any(|kept| name == *kept)
        }))
        .env("PROD", "false")
        .env("POSTGRES_URL", &variables.database)
        .env("RISE_CONFIG", &variables.config)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    match role {
        Role::Ghfe => command
            .env("GHAPP_WEBHOOK_SECRET", &variables.webhook_secret)
            .env("TRACE_API_SECRET", &variables.trace_secret),
        Role::Scheduler => command
            .env("GHAPP_ORG_PRIVATE_KEY", &variables.organization_key)
            .env("GHAPP_PERSONAL_PRIVATE_KEY", &variables.personal_key)
            .env("GITHUB_API_URL", &variables.github_api)
            .env("KUBECONFIG", &variables.kubeconfig),
    };
    Ok(command)
}

async fn follow(
    role: Role,
    stderr: ChildStderr,
    mut log: File,
    story: Arc<Story>,
    say_address: oneshot::Sender<String>,
) {
    let mut lines = BufReader::new(stderr).lines();
    let mut say_address = Some(say_address);
    while let Ok(Some(line)) = lines.next_line().await {
        // The log is a convenience; a full disk must not stop the story.
        let _ = writeln!(log, "{line}");
        match serde_json::from_str::<serde_json::Value>(&line) {
            Ok(event) => {
                if let Some(address) = event["http.address"].as_str()
                    && let Some(say) = say_address.take()
                {
                    // Nobody listens any more only when the sandbox is ending.
                    let _ = say.send(address.to_owned());
                }
                story.follow(role.as_str(), &event);
            }
            // What is no log line is an error message on the way out.
            Err(_) => story.tell(role.as_str(), &line),
        }
    }
}

fn failed(role: Role, what: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{} {what}", role.as_str()))
}
