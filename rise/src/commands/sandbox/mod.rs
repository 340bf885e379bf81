//! `rise sandbox`: everything on one machine, with no set-up.
//!
//! A private PostgreSQL, a pretend GitHub and a pretend Kubernetes live in this process; webhook intake and scheduler
//! are children of the same executable and meet them over real sockets. Whatever ends this process, even `kill -9`, ends the
//! children and the database too.

pub(super) mod child;
pub(super) mod folder;
mod report;
mod story;
mod told;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rise_model::config::Caps;
use sandbox::doors::github::GitHubDoorConfig;
use sandbox::doors::webhooks::WebhooksConfig;
use sandbox::doors::{Doors, DoorsConfig, SharedWorld};
use sandbox::pg::{self, Postgres};
use sandbox::world::WorldConfig;
use sandbox::world::cluster::{ClusterConfig, NodeConfig};
use sandbox::world::github::{AppKind, GitHubConfig};
use services::store::{Store, migrate};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::Context;
use crate::block_on;
use crate::cli::Sandbox as Options;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::output::{Format, Output};

use child::{Child, Listener, Role};
use folder::{Folder, Variables};
use report::Report;
use story::Story;

/// The sandbox is the staging environment, so that the replaced service's SQL recipes run as they are printed.
const SCHEMA: &str = "staging";
/// Traffic stops this long before the end, so that the last jobs can finish.
const CALM: Duration = Duration::from_secs(15);
/// What is under way when the end comes has this long to arrive: a delivery, a clean-up.
const SETTLE_WITHIN: Duration = Duration::from_secs(6);
/// Between two looks whether all has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Everything must answer within this.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Runs the sandbox until its time is over or somebody ends it.
pub(super) fn run(context: &Context, options: Options) -> Outcome {
    let configuration = context.configuration()?;
    let parts = Parts {
        caps: configuration.file.caps.clone(),
        database: configuration.file.database,
        config: context.cli.choice().file,
    };
    block_on(async move { Box::pin(play(&options, parts)).await })
}

/// What the sandbox takes from the configuration.
struct Parts {
    caps: Caps,
    database: services::config::DatabaseSection,
    config: Option<std::path::PathBuf>,
}

/// What the parts of the sandbox know each other by; new every time.
pub(super) struct Secrets {
    pub(super) webhook: String,
    trace: String,
}

impl Secrets {
    pub(super) fn new() -> Self {
        let fresh = || Uuid::new_v4().to_string();
        Self {
            webhook: fresh(),
            trace: fresh(),
        }
    }
}

/// How it came to the end.
enum Ended {
    /// Its time was over.
    InTime,
    /// A person ended it.
    ByPerson,
}

async fn play(options: &Options, parts: Parts) -> Outcome {
    let mut interrupted = Interrupted::listen()?;
    let story = Arc::new(Story::new(if options.json {
        Format::Json
    } else {
        Format::Text
    }));
    let folder = Folder::open(options.data.as_deref())?;
    story.tell("sandbox", "starting a private PostgreSQL");
    let postgres = tokio::select! {
        started = start_postgres(options) => started?,
        () = interrupted.wait() => return Ok(Exit::Cancelled),
    };
    // An earlier sandbox's is not true any more. The folder is ours alone since its database runs.
    folder.remove_env();
    let ended = {
        let played = with_postgres(options, parts, &folder, &postgres, &story, &mut interrupted);
        tokio::select! {
            ended = Box::pin(played) => ended,
            log = postgres.ended() => {
                Err(Failure::new(Exit::Failed, format!("PostgreSQL ended by itself: {}", log.trim())))
            }
        }
    };
    folder.remove_env();
    let stopped = postgres.stop().await;
    drop(folder);
    let exit = ended?;
    stopped.map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
    Ok(exit)
}

async fn start_postgres(options: &Options) -> Result<Postgres, Failure> {
    let data = match &options.data {
        Some(folder) => pg::Data::Kept(folder.join("postgresql")),
        None => pg::Data::Temporary,
    };
    // It waits for the disk, as in production.
    private_postgres(pg::Options {
        data,
        ..pg::Options::default()
    })
    .await
}

/// A private PostgreSQL.
pub(super) async fn private_postgres(options: pg::Options) -> Result<Postgres, Failure> {
    Postgres::start(options).await.map_err(|error| {
        let failure = Failure::new(Exit::Failed, chain(&error));
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

async fn with_postgres(
    options: &Options,
    parts: Parts,
    folder: &Folder,
    postgres: &Postgres,
    story: &Arc<Story>,
    interrupted: &mut Interrupted,
) -> Outcome {
    let url = postgres.url();
    migrate::migrate(&url, SCHEMA).await?;
    let store = Store::new(&url, SCHEMA, &parts.database)?;
    story.tell(
        "sandbox",
        "opening the pretend GitHub and the pretend Kubernetes",
    );
    let began: DateTime<Utc> = std::time::SystemTime::now().into();
    let secrets = Secrets::new();
    let earlier = Earlier::of(&store).await?;
    let mut doors = open_doors(options, &secrets.webhook, &earlier).await?;
    let variables = Variables::new(folder, &doors, &secrets, &url, parts.config)?;
    let start = |role: Role| {
        let log = folder.log(role.as_str());
        let (environment, listener) = (variables.of(role), Listener::Story(Arc::clone(story)));
        async move { Child::start(role, environment, log?, listener).await }
    };
    let ghfe = start(Role::Ghfe).await?;
    doors.webhooks().set_target(Some(&ghfe.url()));
    let scheduler = start(Role::Scheduler).await?;
    let mut services = Services { ghfe, scheduler };
    let ready = services.ready();
    tokio::select! {
        ready = ready => ready?,
        died = services.died() => return Err(died),
        () = interrupted.wait() => return finish(doors, services).await.map(|()| Exit::Cancelled),
    }
    folder.write_env(&variables, &services.ghfe.url(), &services.scheduler.url())?;
    told::greet(story, folder, &doors, &services);
    let world = doors.world().clone();
    let ended = tokio::select! {
        ended = wait_for_the_end(options, &world, story, interrupted) => Ok(ended),
        never = told::count(world.clone(), story) => match never {},
        died = services.died() => Err(died),
        task = doors.task_ended() => Err(Failure::new(Exit::Failed, task.to_string())),
    };
    // The report is made while everything still runs: stopping is no part of what is judged.
    if matches!(ended, Ok(Ended::ByPerson)) {
        story.tell(
            "sandbox",
            "ending: no more jobs come; what is on its way arrives",
        );
    }
    let report = match &ended {
        Ok(_) => Some(settled_report(&doors, &store, &parts.caps, began).await?),
        Err(_) => None,
    };
    store.close().await;
    finish(doors, services).await?;
    let exit = match ended? {
        Ended::InTime => Exit::Done,
        Ended::ByPerson => Exit::Cancelled,
    };
    conclude(options, report, exit)
}

/// The report once what was under way has arrived. What never does is in it.
async fn settled_report(
    doors: &Doors,
    store: &Store,
    caps: &Caps,
    began: DateTime<Utc>,
) -> Result<Report, Failure> {
    doors.world().with(|world| world.github.stop_traffic());
    let deadline = Instant::now() + SETTLE_WITHIN;
    loop {
        let report = Report::make(doors, store, caps, began).await?;
        if report.is_clean() || Instant::now() >= deadline {
            return Ok(report);
        }
        sleep_until(Instant::now() + LOOK_EVERY).await;
    }
}

/// What a kept folder holds of the worlds before this one, so that nothing new gets an old number.
struct Earlier {
    jobs: usize,
    last_job: Option<i64>,
}

impl Earlier {
    async fn of(store: &Store) -> Result<Self, Failure> {
        let jobs = store.job_standings().await?;
        Ok(Self {
            jobs: jobs.len(),
            last_job: jobs.keys().map(|job| job.0).max(),
        })
    }

    /// The seed of this world: the given one, but another one each time that a folder is gone on with.
    fn seed(&self, given: u64) -> u64 {
        given.wrapping_add(self.jobs as u64)
    }
}

fn conclude(options: &Options, report: Option<Report>, exit: Exit) -> Outcome {
    let Some(report) = report else {
        return Ok(exit);
    };
    let mut output = Output::stdout();
    if options.json {
        output.json_line(&report)?;
    } else {
        report.print(&mut output)?;
    }
    if exit == Exit::Done && !report.is_clean() {
        return Ok(Exit::Failed);
    }
    // Without a set time, Ctrl-C is how the sandbox is meant to end.
    Ok(if options.exit_after.is_none() && report.is_clean() {
        Exit::Done
    } else {
        exit
    })
}

async fn open_doors(
    options: &Options,
    webhook_secret: &str,
    earlier: &Earlier,
) -> Result<Doors, Failure> {
    let mut github = GitHubConfig::default();
    if options.no_traffic {
        github.traffic = None;
    }
    github.jobs_after = earlier.last_job.unwrap_or(github.jobs_after);
    let mut cluster = ClusterConfig::default();
    let pool = "scw-em-rv1";
    cluster.nodes.retain(|node| node.pool != pool);
    cluster
        .nodes
        .extend((1..=options.boards).map(|n| NodeConfig::new(&format!("riscv-runner-{n}"), pool)));
    let world = WorldConfig {
        github,
        cluster,
        seed: earlier.seed(options.seed),
    };
    let config = DoorsConfig {
        github: GitHubDoorConfig::default(),
        webhooks: WebhooksConfig {
            secret: webhook_secret.to_owned(),
            ..WebhooksConfig::default()
        },
        ..DoorsConfig::new(world)
    };
    Doors::start(config)
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))
}

async fn wait_for_the_end(
    options: &Options,
    world: &SharedWorld,
    story: &Story,
    interrupted: &mut Interrupted,
) -> Ended {
    let Some(after) = options.exit_after else {
        interrupted.wait().await;
        return Ended::ByPerson;
    };
    let began = Instant::now();
    let end = began + after.std();
    let calm = began + after.std().saturating_sub(CALM);
    tokio::select! {
        () = sleep_until(calm) => {}
        () = interrupted.wait() => return Ended::ByPerson,
    }
    story.tell("sandbox", "no more jobs come; the last ones finish");
    world.with(|world| world.github.stop_traffic());
    tokio::select! {
        () = sleep_until(end) => Ended::InTime,
        () = interrupted.wait() => Ended::ByPerson,
    }
}

/// The two services.
struct Services {
    ghfe: Child,
    scheduler: Child,
}

impl Services {
    /// Returns when both are ready. Borrows nothing, so that their deaths can be waited for meanwhile.
    fn ready(&self) -> impl Future<Output = Result<(), Failure>> + use<> {
        let (ghfe, scheduler) = (self.ghfe.url(), self.scheduler.url());
        async move {
            let deadline = Instant::now() + READY_WITHIN;
            child::answers(Role::Ghfe, &format!("{ghfe}/ready"), deadline).await?;
            child::answers(Role::Scheduler, &format!("{scheduler}/ready"), deadline).await
        }
    }

    async fn died(&mut self) -> Failure {
        tokio::select! {
            failure = self.ghfe.died() => failure,
            failure = self.scheduler.died() => failure,
        }
    }
}

async fn finish(doors: Doors, services: Services) -> Result<(), Failure> {
    tokio::join!(services.scheduler.stop(), services.ghfe.stop());
    doors
        .shutdown()
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))
}

/// Ctrl-C or SIGTERM.
pub(super) struct Interrupted {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Interrupted {
    pub(super) fn listen() -> Result<Self, Failure> {
        let refused =
            |error| Failure::new(Exit::Failed, format!("signals cannot be received: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(refused)?,
            terminate: signal(SignalKind::terminate()).map_err(refused)?,
        })
    }

    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

impl Variables {
    pub(super) fn new(
        folder: &Folder,
        doors: &Doors,
        secrets: &Secrets,
        database: &str,
        config: Option<std::path::PathBuf>,
    ) -> Result<Self, Failure> {
        let keys = doors.github().keys();
        Ok(Self {
            database: database.to_owned(),
            github_api: doors.github_url().to_owned(),
            webhook_secret: secrets.webhook.clone(),
            trace_secret: secrets.trace.clone(),
            organization_key: keys.private_pem(AppKind::Organization).to_owned(),
            personal_key: keys.private_pem(AppKind::Personal).to_owned(),
            kubeconfig: folder.write_kubeconfig(&doors.kubernetes().kubeconfig())?,
            config: folder.config(config)?,
        })
    }
}
