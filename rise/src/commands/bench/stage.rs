//! A stage for measurements: the pretend GitHub and Kubernetes and both services between them, as in the sandbox but
//! without traffic. What happens on it is seen in the world itself, at the moment at which it happens.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sandbox::doors::github::GitHubDoorConfig;
use sandbox::doors::webhooks::WebhooksConfig;
use sandbox::doors::{Doors, DoorsConfig, SharedWorld};
use sandbox::pg::Postgres;
use sandbox::world::WorldConfig;
use sandbox::world::cluster::{ClusterConfig, NodeConfig, Span, Timings};
use sandbox::world::github::GitHubConfig;
use serde_json::Value;
use services::store::{Store, migrate};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::commands::sandbox::child::{self, Child, Listener, Role};
use crate::commands::sandbox::folder::{Folder, Variables};
use crate::commands::sandbox::{Parts, Secrets};
use crate::config::Configuration;
use crate::exit::{Failure, chain};

use super::failed;

/// Both services must be ready within this.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Between two questions to the scheduler.
const ASK_EVERY: Duration = Duration::from_millis(2);
/// The pool that jobs of everybody go to.
const POOL: &str = "scw-em-rv1";
/// The labels that ask for it.
pub(super) const LABELS: [&str; 1] = ["ubuntu-24.04-riscv"];

/// What is on it.
pub(super) struct Setting {
    pub(super) github: GitHubConfig,
    pub(super) boards: u32,
    pub(super) slots: u32,
    /// How long GitHub takes for each answer.
    pub(super) github_delay: Duration,
    /// The same of the API server.
    pub(super) kubernetes_delay: Duration,
}

impl Setting {
    /// A quiet GitHub with the sandbox's accounts, and so many boards that never fail.
    pub(super) fn quiet(boards: u32) -> Self {
        Self {
            github: GitHubConfig::quiet(),
            boards,
            slots: 1,
            github_delay: Duration::ZERO,
            kubernetes_delay: Duration::ZERO,
        }
    }

    fn doors(self, secrets: &Secrets) -> DoorsConfig {
        let nodes = (1..=self.boards).map(|number| NodeConfig {
            slots: self.slots,
            ..NodeConfig::new(&format!("riscv-runner-{number}"), POOL)
        });
        let quick = Timings {
            pull: Span::millis(5, 10),
            start: Span::millis(20, 40),
            connect: Span::millis(5, 10),
            exit: Span::millis(5, 10),
            poll: TimeDelta::milliseconds(50),
            ..Timings::default()
        };
        let cluster = ClusterConfig {
            nodes: nodes.collect(),
            timings: quick,
            fail_before_job: 0.0,
            // A watch must be able to follow whatever a whole fleet does at once.
            history: 100_000,
            ..ClusterConfig::default()
        };
        let world = WorldConfig {
            github: self.github,
            cluster,
            seed: 1,
        };
        DoorsConfig {
            github: GitHubDoorConfig {
                delay: Some(self.github_delay..=self.github_delay),
                ..GitHubDoorConfig::default()
            },
            webhooks: WebhooksConfig {
                secret: secrets.webhook.clone(),
                parallel: 50,
                ..WebhooksConfig::default()
            },
            kubernetes_delay: self.kubernetes_delay,
            ..DoorsConfig::new(world)
        }
    }
}

/// Everything that runs.
pub(super) struct Stage {
    doors: Doors,
    store: Store,
    ghfe: Child,
    scheduler: Child,
    client: reqwest::Client,
}

impl Stage {
    /// Returns when both services are ready.
    pub(super) async fn open(
        setting: Setting,
        configuration: &Configuration,
        folder: &Folder,
        postgres: &Postgres,
    ) -> Result<Self, Failure> {
        let (url, file) = (postgres.url(), &configuration.file);
        let schema = &file.environment.staging.schema;
        migrate::migrate(&url, schema).await?;
        let store = Store::new(&url, schema, &file.database)?;
        let secrets = Secrets::new();
        let doors = Doors::start(setting.doors(&secrets))
            .await
            .map_err(|error| failed(chain(&error)))?;
        let parts = Parts {
            screen: None,
            caps: file.caps.clone(),
            overlay: String::new(),
            database: file.database,
            config: configuration.path.clone(),
        };
        let variables = Variables::new(folder, &doors, &secrets, &url, parts)?;
        let start = |role: Role| {
            let (environment, log) = (variables.of(role), folder.log(role.as_str()));
            async move { Child::start(role, environment, log?, Listener::Nobody).await }
        };
        let stage = Self {
            ghfe: start(Role::Ghfe).await?,
            scheduler: start(Role::Scheduler).await?,
            client: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()
                .map_err(|error| failed(error.to_string()))?,
            doors,
            store,
        };
        let ready_by = Instant::now() + READY_WITHIN;
        for (role, child) in [
            (Role::Ghfe, &stage.ghfe),
            (Role::Scheduler, &stage.scheduler),
        ] {
            child::answers(role, &format!("{}/ready", child.url()), ready_by).await?;
        }
        stage.doors.webhooks().set_target(Some(&stage.ghfe.url()));
        Ok(stage)
    }

    pub(super) fn world(&self) -> &SharedWorld {
        self.doors.world()
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// A way to the pretend cluster.
    pub(super) fn kubeconfig(&self) -> String {
        self.doors.kubernetes().kubeconfig()
    }

    /// The scheduler's process.
    pub(super) fn scheduler(&self) -> Option<u32> {
        self.scheduler.id()
    }

    /// Somebody pushes to a repository: jobs that run so long.
    pub(super) fn queue(
        &self,
        repository: &str,
        jobs: u32,
        runs_for: TimeDelta,
    ) -> Result<(), Failure> {
        self.world().with(|world| {
            let now = world.now();
            for _ in 0..jobs {
                world
                    .github
                    .queue_job(repository, &LABELS, runs_for, now)
                    .map_err(|error| failed(error.to_string()))?;
            }
            Ok(())
        })
    }

    /// What the scheduler tells of itself, once it is as wanted.
    pub(super) async fn scheduler_is(
        &self,
        wanted: impl Fn(&Value) -> bool,
        deadline: Instant,
    ) -> Result<Value, Failure> {
        let url = format!("{}/ready", self.scheduler.url());
        let mut told = Value::Null;
        while Instant::now() < deadline {
            if let Ok(answer) = self.client.get(&url).send().await
                && let Ok(text) = answer.text().await
            {
                told = serde_json::from_str(&text).unwrap_or_default();
                if wanted(&told) {
                    return Ok(told);
                }
            }
            sleep_until(Instant::now() + ASK_EVERY).await;
        }
        Err(failed(format!(
            "the scheduler did not come to rest: {told}"
        )))
    }

    /// Notes when pods appear and end, until enough was seen.
    pub(super) async fn watch(
        &self,
        enough: impl Fn(&Seen) -> bool,
        within: Duration,
    ) -> Result<Seen, Failure> {
        let deadline = Instant::now() + within;
        let mut changes = self.world().changes();
        let mut seen = Seen::default();
        loop {
            changes.mark_unchanged();
            let pods = self.world().read(|world| world.cluster.pods());
            let now = Instant::now();
            for pod in pods {
                if pod.is_terminal() && seen.over.insert(pod.name.clone()) {
                    seen.ended.push(now);
                }
                if seen.known.insert(pod.name) {
                    seen.created.push(now);
                }
            }
            if enough(&seen) {
                return Ok(seen);
            }
            match timeout_at(deadline, changes.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => {
                    let (made, over) = (seen.created.len(), seen.ended.len());
                    return Err(failed(format!(
                        "not all pods came within {} s: {made} were made, {over} ended",
                        within.as_secs()
                    ))
                    .hint("the machine may be too busy; try it again when it is not"));
                }
            }
        }
    }

    /// Ends everything.
    pub(super) async fn close(self) -> Result<(), Failure> {
        tokio::join!(self.scheduler.stop(), self.ghfe.stop());
        self.store.close().await;
        self.doors
            .shutdown()
            .await
            .map_err(|error| failed(chain(&error)))
    }
}

/// What became of pods, in order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: BTreeSet<String>,
    over: BTreeSet<String>,
    pub(super) created: Vec<Instant>,
    pub(super) ended: Vec<Instant>,
}
