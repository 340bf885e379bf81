//! `rise bench round`: what a round costs when there is very much to look at and nothing to do.
//!
//! The fleet is made by the scheduler itself: as many jobs as wanted are pushed to the pretend GitHub, and pods are made
//! until every slot has one. Then rounds are caused one by one.

use std::time::Duration;

use chrono::TimeDelta;
use rise_model::Time;
use rise_model::machine::{Machine as Model, Observation};
use sandbox::pg::Postgres;
use sandbox::world::github::{AccountConfig, GitHubConfig};
use serde_json::Value;
use services::kubernetes::{KubeSource, Kubernetes};
use services::store::Newcomers;
use services::store::bench::Statements;
use tokio::time::{Instant, sleep_until};

use crate::cli::BenchRound;
use crate::commands::sandbox::folder::Folder;
use crate::config::Configuration;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::output;

use super::figures::Figures;
use super::report::Machine;
use super::stage::{Setting, Stage};
use super::usage::{self, Usage};
use super::{failed, with_postgres};

/// So many rounds are measured.
const ROUNDS: u32 = 20;
/// Rounds are coalesced to five a second; a wake-up that comes later than this begins one at once.
const PAUSE: Duration = Duration::from_millis(400);
/// The fleet must stand within this, and a round must come within this.
const FLEET_WITHIN: Duration = Duration::from_secs(900);
const ROUND_WITHIN: Duration = Duration::from_secs(30);
/// Two runner slots a board.
const SLOTS: u32 = 2;
const MEBIBYTE: f64 = 1024.0 * 1024.0;
const FIRST_ACCOUNT: i64 = 500_000_000;

pub(super) async fn run(options: BenchRound, configuration: &Configuration) -> Outcome {
    let counting = [("shared_preload_libraries", "pg_stat_statements")];
    let measured = with_postgres(&counting, async |folder, postgres| {
        Box::pin(measure(options, configuration, folder, postgres)).await
    });
    match measured.await? {
        Some(figures) => figures.show(options.show),
        None => Ok(Exit::Cancelled),
    }
}

async fn measure(
    options: BenchRound,
    configuration: &Configuration,
    folder: &Folder,
    postgres: &Postgres,
) -> Result<Figures, Failure> {
    let statements = Statements::count(&postgres.url()).await?;
    let setting = Setting {
        github: github(options.entities),
        slots: SLOTS,
        ..Setting::quiet(options.boards)
    };
    let stage = Stage::open(setting, configuration, folder, postgres).await?;
    output::aside("the fleet comes up");
    fleet(&stage, options).await?;
    let workers = stage.world().read(|world| world.cluster.pods().len());
    let mut figures = Figures::new(
        "A round",
        Machine::of(postgres),
        format!(
            "{} active jobs of {} accounts, {workers} workers on {} boards, nothing changes",
            options.jobs, options.entities, options.boards
        ),
    );
    output::aside("rounds without anything to do");
    rounds(&stage, &statements, &mut figures).await?;
    model(&stage, configuration, &mut figures).await?;
    statements.close().await;
    stage.close().await?;
    Ok(figures)
}

/// So many organisations with one repository each, and limits that nobody meets.
fn github(entities: u32) -> GitHubConfig {
    let mut github = GitHubConfig::quiet();
    github.accounts = (0..entities)
        .map(|number| {
            let id = FIRST_ACCOUNT + i64::from(number);
            AccountConfig::organization(id, &format!("account-{number}"), &["code"])
        })
        .collect();
    github.rules.request_limit = 10_000_000;
    github.rules.points_limit = None;
    github
}

/// Pushes the jobs and waits until every slot that can be used is.
async fn fleet(stage: &Stage, options: BenchRound) -> Result<(), Failure> {
    for number in 0..options.entities {
        let even = options.jobs / options.entities;
        let more = u32::from(number < options.jobs % options.entities);
        let repository = format!("account-{number}/code");
        stage.queue(&repository, even + more, TimeDelta::hours(20))?;
    }
    let slots = options.jobs.min(options.boards * SLOTS);
    let slots = usize::try_from(slots).unwrap_or(usize::MAX);
    stage
        .watch(|seen| seen.created.len() >= slots, FLEET_WITHIN)
        .await?;
    let busy = |world: &sandbox::world::World| {
        let pods = world.cluster.pods();
        pods.iter().filter(|pod| pod.job.is_some()).count() >= slots
    };
    let deadline = Instant::now() + FLEET_WITHIN;
    tokio::time::timeout_at(deadline, stage.world().until(busy))
        .await
        .map_err(|_| failed("not every runner got a job in time"))?;
    at_rest(stage, deadline).await.map(drop)
}

/// The scheduler once it has nothing to do and has heard of every job.
async fn at_rest(stage: &Stage, deadline: Instant) -> Result<u64, Failure> {
    let told = stage
        .scheduler_is(|told| told["quiet"] == true, deadline)
        .await?;
    Ok(round_of(&told))
}

fn round_of(told: &Value) -> u64 {
    told["round"].as_u64().unwrap_or_default()
}

/// Wakes the scheduler again and again.
async fn rounds(
    stage: &Stage,
    statements: &Statements,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let first = at_rest(stage, Instant::now() + FLEET_WITHIN).await?;
    let before = statements.so_far().await?;
    let processor = stage.scheduler().and_then(usage::of);
    let mut times = Vec::new();
    let mut last = first;
    for _ in 0..ROUNDS {
        sleep_until(Instant::now() + PAUSE).await;
        let woken = Instant::now();
        stage.store().wake_scheduler().await?;
        let told = stage
            .scheduler_is(|told| round_of(told) > last, woken + ROUND_WITHIN)
            .await?;
        times.push(woken.elapsed());
        last = round_of(&told);
    }
    let processor = Usage::between(processor, stage.scheduler().and_then(usage::of));
    let after = statements.so_far().await?;
    let rounds = (last - first) as f64;
    figures.times(
        [
            "wake-up to round done, p50",
            "wake-up to round done, p95",
            "wake-up to round done, longest",
        ],
        times,
        ["at most 150 ms", "", ""],
    );
    if let Some(used) = processor {
        let each = used.as_secs_f64() * 1_000.0 / rounds;
        figures.add("scheduler's processor time a round", each, "ms", "");
    }
    if let (Some(before), Some(after)) = (before, after) {
        // The bench's own wake-up is one of them.
        let each = (after - before) as f64 / rounds - 1.0;
        figures.add(
            "SQL calls a round, the lease's and all others inside",
            each,
            "",
            "at most 12",
        );
    }
    if let Some(memory) = stage.scheduler().and_then(usage::peak_memory) {
        let mebibytes = memory as f64 / MEBIBYTE;
        figures.add("scheduler's memory at most", mebibytes, "MiB", "");
    }
    Ok(())
}

/// The decisions alone, on what was really read.
async fn model(
    stage: &Stage,
    configuration: &Configuration,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let file = &configuration.file;
    let source = KubeSource::Text(stage.kubeconfig().into());
    let namespace = &file.environment.staging.namespace;
    let cluster = Kubernetes::new(&source, namespace, file.kubernetes)
        .await
        .map_err(|error| failed(chain(&error)))?;
    let told = |error| failed(chain(&error));
    let nodes = cluster.list_nodes().await.map_err(told)?.items;
    let pods = cluster.list_pods().await.map_err(told)?.items;
    let names: Vec<String> = pods.iter().map(|pod| pod.name.to_string()).collect();
    let begun: Time = std::time::SystemTime::now().into();
    let asked = Instant::now();
    let rows = stage
        .store()
        .read_rows(
            &names,
            file.rules.deregister_within,
            Newcomers::of(&file.sharing),
        )
        .await?;
    figures.time("read of all rows", asked.elapsed(), "");
    let mut model = Model::new(configuration.machine());
    let (jobs, workers) = (rows.jobs, rows.workers);
    model.observe(Observation::Nodes { nodes, begun });
    model.observe(Observation::Pods { pods, begun });
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (jobs, workers) = (jobs.clone(), workers.clone());
        let now = Instant::now();
        model.observe(Observation::Rows {
            jobs,
            workers,
            begun,
        });
        drop(model.decide(begun));
        times.push(now.elapsed());
    }
    figures.times(
        [
            "the decisions alone, p50",
            "the decisions alone, p95",
            "the decisions alone, longest",
        ],
        times,
        ["at most 20 ms", "", ""],
    );
    Ok(())
}
