//! `rise sandbox`: everything on one machine, with no set-up.
//!
//! A private PostgreSQL, a pretend GitHub and a pretend Kubernetes live in this process; webhook intake and scheduler
//! are children of the same executable and meet them over real sockets. Whatever ends this process, even `kill -9`, ends the
//! children and the database too.

mod chaos;
pub(super) mod child;
pub(super) mod folder;
mod report;
mod screen;
mod services;
mod speed;
mod story;
mod told;
mod world;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use ::services::store::{Store, migrate};
use chrono::{DateTime, Utc};
use rise_model::config::Caps;
use sandbox::doors::{Doors, SharedWorld};
use sandbox::pg::{self, Postgres};
use sandbox::world::github::AppKind;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::Context;
use crate::block_on;
use crate::cli::Sandbox as Options;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::output::{Format, Output};

use self::services::{Services, disturbed};
use chaos::Chaos;
use child::{ANY_ADDRESS, Child, Listener, Role};
use folder::{Folder, Variables};
use report::Report;
use story::Story;
use world::{Earlier, open_doors};

/// The sandbox is the staging environment, so that the replaced service's SQL recipes run as they are printed.
const SCHEMA: &str = "staging";
/// Traffic stops this long before the end, so that the last jobs can finish.
const CALM: Duration = Duration::from_secs(15);
/// What is under way when the end comes has this long to arrive: a delivery, a clean-up.
const SETTLE_WITHIN: Duration = Duration::from_secs(6);
/// Another scheduler leads within this.
const TAKEOVER: Duration = Duration::from_secs(10);
/// What was lost in chaos is found within this, as long as the world goes no faster: two looks for missed deliveries.
const RECOVERED_WITHIN: Duration = Duration::from_secs(12 * 60);
/// Between two looks whether all has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Runs the sandbox until its time is over or somebody ends it.
pub(super) fn run(context: &Context, options: Options) -> Outcome {
    let configuration = context.configuration()?;
    let screen = if opens_screen(&options) {
        super::tui::log_to_file(context)?;
        Some(screen::Parts::of(&configuration))
    } else {
        None
    };
    let parts = Parts {
        screen,
        overlay: speed::overlay(&configuration.file, options.speed)?,
        caps: configuration.file.caps.clone(),
        database: configuration.file.database,
        config: context.cli.choice().file,
    };
    block_on(async move { Box::pin(play(&options, parts)).await })
}

/// Whether the screen is opened once everything answers.
pub(super) fn opens_screen(options: &Options) -> bool {
    !options.no_tui && !options.json && super::tui::is_on_terminal()
}

/// What the sandbox takes from the configuration.
pub(super) struct Parts {
    /// What the screen is made of, where there is one.
    pub(super) screen: Option<screen::Parts>,
    pub(super) caps: Caps,
    /// What the services are told besides the configuration file.
    pub(super) overlay: String,
    pub(super) database: ::services::config::DatabaseSection,
    pub(super) config: Option<std::path::PathBuf>,
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
    mut parts: Parts,
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
    let caps = parts.caps.clone();
    let screen = parts.screen.take();
    let variables = Variables::new(folder, &doors, &secrets, &url, parts)?;
    let started = Cell::new(0_usize);
    let start = async |role: Role, listen: &str| {
        started.set(started.get() + 1);
        let log = match (role, started.get()) {
            // Each that chaos starts has a log of its own.
            (Role::Scheduler, number @ 3..) => folder.log(&format!("scheduler-{}", number - 1))?,
            (role, _) => folder.log(role.as_str())?,
        };
        let listener = Listener::Story(Arc::clone(story));
        Child::start_at(role, variables.of(role), log, listener, listen).await
    };
    let ghfe = start(Role::Ghfe, ANY_ADDRESS).await?;
    doors.webhooks().set_target(Some(&ghfe.url()));
    let mut schedulers = vec![start(Role::Scheduler, ANY_ADDRESS).await?];
    if options.chaos {
        schedulers.push(start(Role::Scheduler, ANY_ADDRESS).await?);
    }
    let mut services = Services { ghfe, schedulers };
    let ready = services.ready();
    tokio::select! {
        ready = ready => ready?,
        died = services.died() => return Err(died),
        () = interrupted.wait() => return finish(doors, services).await.map(|()| Exit::Cancelled),
    }
    let scheduler = services.scheduler_url();
    folder.write_env(&variables, &services.ghfe.url(), &scheduler)?;
    told::greet(story, folder, &doors, &services);
    let world = doors.world().clone();
    let chaos = options.chaos.then(|| Chaos::begin(&doors, options.speed));
    let kubeconfig = doors.kubernetes().kubeconfig();
    let ended = tokio::select! {
        ended = screen::show(screen, &store, kubeconfig, story) => ended,
        ended = wait_for_the_end(options, &world, story, interrupted, chaos.as_ref()) => Ok(ended),
        never = told::count(world.clone(), story) => match never {},
        died = disturbed(&mut services, chaos.as_ref(), story, async |listen: &str| {
            start(Role::Scheduler, listen).await
        }) => Err(died),
        task = doors.task_ended() => Err(Failure::new(Exit::Failed, task.to_string())),
    };
    story.be_silent(false);
    // The report is made while everything still runs: stopping is no part of what is judged.
    if matches!(ended, Ok(Ended::ByPerson)) {
        story.tell(
            "sandbox",
            "ending: no more jobs come; what is on its way arrives",
        );
    }
    if let Some(chaos) = &chaos {
        chaos.end();
    }
    let settle_within = settle_within(options);
    let report = match &ended {
        Ok(_) => Some(settled_report(&doors, &store, &caps, began, settle_within).await?),
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

/// After chaos there is more under way: deliveries that were lost are looked for, one leader must follow another.
fn settle_within(options: &Options) -> Duration {
    if options.chaos {
        SETTLE_WITHIN + TAKEOVER + RECOVERED_WITHIN / u32::from(options.speed)
    } else {
        SETTLE_WITHIN
    }
}

/// The report once what was under way has arrived. What never does is in it.
async fn settled_report(
    doors: &Doors,
    store: &Store,
    caps: &Caps,
    began: DateTime<Utc>,
    within: Duration,
) -> Result<Report, Failure> {
    doors.world().with(|world| world.github.stop_traffic());
    let deadline = Instant::now() + within;
    loop {
        let report = Report::make(doors, store, caps, began).await?;
        if report.is_clean() || Instant::now() >= deadline {
            return Ok(report);
        }
        sleep_until(Instant::now() + LOOK_EVERY).await;
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

async fn wait_for_the_end(
    options: &Options,
    world: &SharedWorld,
    story: &Story,
    interrupted: &mut Interrupted,
    chaos: Option<&Chaos>,
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
    if let Some(chaos) = chaos {
        chaos.end();
    }
    tokio::select! {
        () = sleep_until(end) => Ended::InTime,
        () = interrupted.wait() => Ended::ByPerson,
    }
}

async fn finish(doors: Doors, services: Services) -> Result<(), Failure> {
    services.stop().await;
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
        parts: Parts,
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
            config: folder.config(parts.config)?,
            overlay: parts.overlay,
        })
    }
}
