//! Everything together.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use sandbox::doors::faults::{Fault, FaultHandle};
use sandbox::doors::github::GitHubDoorConfig;
use sandbox::doors::{Doors, DoorsConfig};
use sandbox::pg::TestDatabase;
use sandbox::world::cluster::{ClusterConfig, NodeConfig, PodView, Timings};
use sandbox::world::github::{AppKind, Conclusion, GitHubConfig, JobId, JobState, Runner};
use sandbox::world::{World, WorldConfig};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;

use super::rows::{self, Job, Worker};
use super::{RISCV, Service, holds};
use crate::rise::run;

/// How long a test waits for anything. Much more than it takes on an idle machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Lines of each log that a failed wait shows.
const LOG_SHOWN: usize = 60;

/// Rules with shorter times, so that a test sees what follows them.
const SHORT: &str = r#"
[rules]
pod_recheck = "1s"
log_retry = "500ms"
back_off_from = "500ms"
retry_after = "300ms"
breaker_probe_every = "1s"
limit_waits_at_least = "1s"
suspended_asked_every = "1s"
installation_missing_for = "2s"
[scheduler]
lease_renew_every = "500ms"
lease_stop_after = "2s"
lease_lasts = "3s"
"#;

/// What a test begins with.
pub(crate) struct Given {
    pub(crate) github: GitHubConfig,
    pub(crate) cluster: ClusterConfig,
    /// Laid over the default configuration and [`SHORT`].
    pub(crate) config: String,
    /// A database that is not to be made for the test.
    pub(crate) database: Option<String>,
}

impl Given {
    /// A quiet GitHub, and so many quick boards of `scw-em-rv1` that never fail.
    pub(crate) fn boards(count: usize) -> Self {
        let cluster = ClusterConfig::with_boards(&[("scw-em-rv1", count)]);
        Self {
            github: GitHubConfig::quiet(),
            cluster: ClusterConfig {
                fail_before_job: 0.0,
                timings: Timings::default().divided_by(4),
                ..cluster
            },
            config: String::new(),
            database: None,
        }
    }

    pub(crate) fn config(self, config: &str) -> Self {
        let config = config.to_owned();
        Self { config, ..self }
    }
}

/// GitHub, the cluster, the tables and the services.
pub(crate) struct Rig {
    schedulers: Vec<Service>,
    ghfe: Service,
    pub(crate) doors: Doors,
    pub(crate) sql: PgPool,
    variables: Vec<(&'static str, String)>,
    _database: Option<TestDatabase>,
    _folder: TempDir,
}

impl Rig {
    /// Everything but a scheduler.
    pub(crate) async fn without_scheduler(given: Given) -> Self {
        let (database, url) = match given.database {
            Some(url) => (None, url),
            None => {
                let database = TestDatabase::create().await.unwrap();
                let url = database.url().to_owned();
                (Some(database), url)
            }
        };
        let migrated = run("db migrate", &[("POSTGRES_URL", &url)]);
        assert_eq!(migrated.status, 0, "{}", migrated.err);
        let doors = open(given.github, given.cluster).await;
        let folder = tempfile::tempdir().unwrap();
        let variables = variables(&folder, &doors, &url, given.config);
        let ghfe = Service::start("ghfe", &variables);
        doors.webhooks().set_target(Some(&ghfe.url()));
        let sql = PgPoolOptions::new()
            .max_connections(2)
            .connect_lazy(&format!("{url}?options=-csearch_path%3Dstaging"))
            .unwrap();
        Self {
            schedulers: Vec::new(),
            ghfe,
            doors,
            sql,
            variables,
            _database: database,
            _folder: folder,
        }
    }

    /// Everything, the scheduler leading.
    pub(crate) async fn start(given: Given) -> Self {
        let mut rig = Self::without_scheduler(given).await;
        rig.start_scheduler();
        rig.until("the scheduler leads", async || {
            let ready = rig.scheduler().ready().await.unwrap_or_default();
            let reachable = ready["cluster"]["state"] == "reachable";
            holds(ready["leads"] == true && reachable, ready)
        })
        .await;
        rig
    }

    /// One more scheduler.
    pub(crate) fn start_scheduler(&mut self) {
        self.schedulers
            .push(Service::start("scheduler", &self.variables));
    }

    /// The only scheduler, or the oldest.
    pub(crate) fn scheduler(&self) -> &Service {
        &self.schedulers[0]
    }

    pub(crate) fn schedulers(&self) -> &[Service] {
        &self.schedulers
    }

    /// Where the tables are.
    pub(crate) fn database(&self) -> &str {
        let mut variables = self.variables.iter();
        let found = variables.find(|(name, _)| *name == "POSTGRES_URL");
        &found.unwrap().1
    }

    pub(crate) fn ghfe(&self) -> &Service {
        &self.ghfe
    }

    /// Takes a scheduler out of the rig's care, to end it.
    pub(crate) fn take_scheduler(&mut self, index: usize) -> Service {
        self.schedulers.remove(index)
    }

    /// `kill -9` of the scheduler, and a new one, which must first wait for the dead one's lease to end.
    pub(crate) fn restart_scheduler(&mut self) {
        self.take_scheduler(0).kill();
        self.start_scheduler();
    }

    /// An operator types a command.
    pub(crate) fn rise(&self, line: &str) -> String {
        let mut variables: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.variables {
            variables.push((name, value));
        }
        variables.push(("RISE_OPERATOR", "ada"));
        let answer = run(line, &variables);
        assert_eq!(answer.status, 0, "rise {line}: {}", answer.err);
        answer.out
    }

    /// Ends webhook intake as a deployment does. The new one is not yet told to GitHub.
    pub(crate) fn restart_ghfe(&mut self) {
        let new = Service::start("ghfe", &self.variables);
        std::mem::replace(&mut self.ghfe, new).terminate();
    }

    // --- acting on the world ---

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.doors.world().with(act)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.doors.world().read(look)
    }

    /// Somebody pushes to a repository.
    pub(crate) fn queue(&self, repository: &str, runs_for: TimeDelta) -> JobId {
        self.with(|world| {
            let now = world.now();
            world
                .github
                .queue_job(repository, &[RISCV], runs_for, now)
                .unwrap()
        })
    }

    /// A push whose job is short.
    pub(crate) fn push(&self, repository: &str) -> JobId {
        self.queue(repository, TimeDelta::milliseconds(300))
    }

    /// A push whose job goes on until the test ends.
    pub(crate) fn push_long(&self, repository: &str) -> JobId {
        self.queue(repository, TimeDelta::hours(1))
    }

    pub(crate) fn cancel(&self, job: JobId) {
        self.with(|world| {
            let now = world.now();
            world.github.cancel_job(job, now).unwrap();
        });
    }

    pub(crate) fn arm_github(&self, operation: &str, fault: Fault, times: usize) -> FaultHandle {
        self.doors.github().faults().arm(operation, fault, times)
    }

    pub(crate) fn arm_kubernetes(
        &self,
        operation: &str,
        fault: Fault,
        times: usize,
    ) -> FaultHandle {
        self.doors
            .kubernetes()
            .faults()
            .arm(operation, fault, times)
    }

    // --- looking ---

    pub(crate) async fn workers(&self) -> Vec<Worker> {
        rows::workers(&self.sql).await
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        rows::jobs(&self.sql).await
    }

    pub(crate) async fn job(&self, id: JobId) -> Option<Job> {
        let jobs = self.jobs().await;
        jobs.into_iter().find(|job| job.job_id == id.0)
    }

    /// What the leader published in `scheduler_state`.
    pub(crate) async fn state(&self) -> Value {
        rows::state(&self.sql).await.unwrap_or_default()
    }

    pub(crate) fn pods(&self) -> Vec<PodView> {
        self.read(|world| world.cluster.pods())
    }

    pub(crate) fn runners(&self) -> Vec<Runner> {
        self.read(|world| world.github.runners().cloned().collect())
    }

    pub(crate) fn job_state(&self, id: JobId) -> JobState {
        self.read(|world| world.github.job(id).unwrap().state)
    }

    /// The name of the runner that took a job.
    pub(crate) fn taken_by(&self, id: JobId) -> Option<String> {
        self.read(|world| {
            let job = world.github.job(id).unwrap();
            job.runner.as_ref().map(|runner| runner.name.clone())
        })
    }

    // --- waiting ---

    /// Waits until `look` finds what it looks for. Fails when that takes too long, or when a service ends meanwhile.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        look: impl AsyncFn() -> Result<T, String>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.ghfe.must_run();
            self.schedulers.iter().for_each(Service::must_run);
            let why = match look().await {
                Ok(found) => return found,
                Err(why) => why,
            };
            if Instant::now() > deadline {
                panic!(
                    "waited in vain until {what}: {why}\n{}",
                    self.everything().await
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until a fault was met so often.
    pub(crate) async fn met(&self, fault: &mut FaultHandle, times: usize) {
        if tokio::time::timeout(PATIENCE, fault.met(times))
            .await
            .is_err()
        {
            panic!("a fault was not met\n{}", self.everything().await);
        }
    }

    /// Waits until a job has this state at GitHub.
    pub(crate) async fn in_progress(&self, id: JobId) -> String {
        self.until("the job runs", async || {
            let state = self.job_state(id);
            holds(state == JobState::InProgress, format!("{state:?}"))
        })
        .await;
        self.taken_by(id).unwrap()
    }

    /// Waits until jobs have succeeded, at GitHub and in the table.
    pub(crate) async fn done(&self, jobs: &[JobId]) {
        let succeeded = JobState::Completed(Conclusion::Success);
        self.until("jobs are done", async || {
            let rows = self.jobs().await;
            for id in jobs {
                let state = self.job_state(*id);
                holds(state == succeeded, format!("job {}: {state:?}", id.0))?;
                let row = rows.iter().find(|row| row.job_id == id.0);
                let done = row.is_some_and(|row| row.status == "completed");
                holds(done, format!("row of job {}: {row:?}", id.0))?;
            }
            Ok(())
        })
        .await;
    }

    /// Waits until nothing is left of finished jobs: no live row, no runner, no pod that goes on, nothing to clean up.
    /// What must never have happened is looked for too.
    pub(crate) async fn settled(&self) {
        self.until("nothing is left over", async || {
            let left = self.left_over().await;
            holds(left.is_empty(), left.join(", "))
        })
        .await;
        self.never_broken();
    }

    /// No job was killed, no board was given more than it takes.
    pub(crate) fn never_broken(&self) {
        self.read(|world| {
            assert_eq!(world.cluster.killed_while_busy(), []);
            assert_eq!(world.cluster.over_capacity(), 0);
        });
    }

    async fn left_over(&self) -> Vec<String> {
        let mut left = Vec::new();
        for row in self.workers().await {
            if row.is_live() {
                left.push(format!("row {} is {}", row.pod_name, row.status));
            } else if row.deregistered_at.is_none() {
                left.push(format!("row {} is not cleaned up", row.pod_name));
            }
        }
        let pods = self.pods().into_iter().filter(|pod| !pod.is_terminal());
        left.extend(pods.map(|pod| format!("pod {} goes on", pod.name)));
        let runners = self.runners();
        left.extend(
            runners
                .iter()
                .map(|it| format!("runner {} is registered", it.name)),
        );
        left
    }

    /// For a failed test: all that is known.
    async fn everything(&self) -> String {
        let mut told = vec!["--- jobs".to_owned()];
        told.extend(self.jobs().await.iter().map(|row| format!("{row:?}")));
        told.push("--- workers".to_owned());
        told.extend(self.workers().await.iter().map(|row| format!("{row:?}")));
        told.push("--- pods".to_owned());
        told.extend(self.pods().iter().map(|pod| format!("{pod:?}")));
        told.push("--- runners".to_owned());
        let runner = |it: &Runner| format!("{} {} {:?}", it.id.0, it.name, it.state);
        told.extend(self.runners().iter().map(runner));
        for service in self.schedulers.iter().chain([&self.ghfe]) {
            told.push("--- log".to_owned());
            let log = service.log();
            let lines: Vec<&str> = log.lines().collect();
            let shown = lines.len().saturating_sub(LOG_SHOWN);
            told.extend(lines[shown..].iter().map(ToString::to_string));
        }
        told.join("\n")
    }
}

async fn open(github: GitHubConfig, cluster: ClusterConfig) -> Doors {
    let world = WorldConfig {
        github,
        cluster,
        seed: 7,
    };
    let at_once = GitHubDoorConfig {
        delay: None,
        ..GitHubDoorConfig::default()
    };
    let config = DoorsConfig {
        github: at_once,
        ..DoorsConfig::new(world)
    };
    Doors::start(config).await.unwrap()
}

/// One more board of the pool that most jobs want.
pub(crate) fn board(name: &str) -> NodeConfig {
    NodeConfig::new(name, "scw-em-rv1")
}

/// What the services are told. Both are told everything: neither minds the other's.
fn variables(
    folder: &TempDir,
    doors: &Doors,
    url: &str,
    config: String,
) -> Vec<(&'static str, String)> {
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = doors.github().keys();
    let key = |app| keys.private_pem(app).to_owned();
    vec![
        ("POSTGRES_URL", url.to_owned()),
        ("GHAPP_WEBHOOK_SECRET", "sandbox-webhook-secret".to_owned()),
        ("TRACE_API_SECRET", "trace".to_owned()),
        ("GHAPP_ORG_PRIVATE_KEY", key(AppKind::Organization)),
        ("GHAPP_PERSONAL_PRIVATE_KEY", key(AppKind::Personal)),
        ("GITHUB_API_URL", doors.github_url().to_owned()),
        (
            "KUBECONFIG",
            file("kubeconfig", &doors.kubernetes().kubeconfig()),
        ),
        ("RISE_CONFIG", file("rise.toml", SHORT)),
        ("RISE_CONFIG_TOML", config),
    ]
}
