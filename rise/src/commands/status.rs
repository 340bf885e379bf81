//! `rise status`: one screen of everything, from the tables alone. What is wrong stands first, and decides the exit status.

pub(crate) mod state;
pub(crate) mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use services::store::operator::{FailureKind, LiveKind, Overview, WaitingJob};

use self::state::State;
use super::Context;
use super::lists::labels;
use super::settings::{Line, lines};
use crate::block_on;
use crate::cli::Show;
use crate::exit::{Exit, Outcome};
use crate::output::{Format, Output};
use crate::when;

/// Shows it.
pub(super) fn run(context: &Context, show: Show) -> Outcome {
    let configuration = context.configuration()?;
    let database = configuration.database(&context.variables)?;
    let (overview, set) = block_on(async {
        let store = database.store()?;
        store.ping().await?;
        store.check_migrated().await?;
        let overview = store.overview().await?;
        let (now, mut settings) = store.read_settings().await?;
        settings.retain(|setting| setting.is_in_force(now));
        let set = lines(&store, settings, now).await?;
        store.close().await;
        Ok((overview, set))
    })?;
    let state = overview
        .scheduler
        .as_ref()
        .map(|row| State::read(&row.state))
        .unwrap_or_default();
    let configured: Vec<String> = configuration
        .file
        .pools
        .iter()
        .map(|pool| pool.name.to_string())
        .collect();
    let pools = pools(&configured, &overview, &state);
    let report = Report {
        environment: configuration.name.as_str(),
        unhealthy: verdict::unhealthy(&overview, &state, &pools),
        pools,
        settings: set,
        breakers: &state.breakers,
        overview: &overview,
    };
    let mut output = Output::stdout();
    match show.format() {
        Format::Json => output.json(&report)?,
        Format::Text => print(&mut output, &report, &state)?,
    }
    Ok(if report.unhealthy.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

#[derive(Serialize)]
struct Report<'a> {
    environment: &'static str,
    /// Why it is unhealthy; empty when it is not.
    unhealthy: Vec<String>,
    pools: Vec<PoolLine>,
    /// What operators set.
    settings: Vec<Line>,
    /// What the scheduler does not call at present.
    breakers: &'a [state::Breaker],
    #[serde(flatten)]
    overview: &'a Overview,
}

/// One pool: its boards by state, and what the tables hold for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PoolLine {
    pub(crate) name: String,
    pub(crate) boards: BTreeMap<String, usize>,
    pub(crate) jobs_waiting: i64,
    pub(crate) jobs_running: i64,
    pub(crate) workers_starting: i64,
    pub(crate) workers_running: i64,
}

/// The order in which states of boards are shown; others follow.
pub(crate) const BOARD_STATES: [&str; 7] = [
    "free",
    "starting",
    "busy",
    "idle",
    "quarantined",
    "cordoned",
    "lost",
];

/// Every pool that is configured or that anything is in.
pub(crate) fn pools(configured: &[String], overview: &Overview, state: &State) -> Vec<PoolLine> {
    let configured = configured.iter().cloned();
    let names: BTreeSet<String> = configured
        .chain(overview.live.iter().map(|count| count.pool.clone()))
        .chain(state.boards.iter().map(|board| board.pool.clone()))
        .collect();
    let line = |name: String| {
        let live = |kind: LiveKind, status: &str| {
            let counts = overview.live.iter();
            counts
                .filter(|c| c.kind == kind && c.pool == name && c.status == status)
                .map(|c| c.count)
                .sum()
        };
        let mut boards = BTreeMap::new();
        for board in state.boards.iter().filter(|board| board.pool == name) {
            *boards.entry(board.state.clone()).or_insert(0) += 1;
        }
        PoolLine {
            boards,
            jobs_waiting: live(LiveKind::Job, "pending"),
            jobs_running: live(LiveKind::Job, "running"),
            workers_starting: live(LiveKind::Worker, "pending"),
            workers_running: live(LiveKind::Worker, "running"),
            name,
        }
    };
    names.into_iter().map(line).collect()
}

fn print(output: &mut Output, report: &Report<'_>, state: &State) -> std::io::Result<()> {
    let overview = report.overview;
    let verdict = if report.unhealthy.is_empty() {
        "healthy"
    } else {
        "unhealthy"
    };
    output.heading(&format!("{}: {verdict}", report.environment))?;
    for reason in &report.unhealthy {
        output.line(format!("  ! {reason}"))?;
    }
    output.line(scheduler_line(overview, state))?;
    output.line("")?;
    print_pools(output, &report.pools)?;
    print_queue(output, overview, state)?;
    print_settings(output, report)?;
    print_failures(output, overview)?;
    print_breakers(output, overview, state)?;
    if !overview.alerts.is_empty() {
        output.line("")?;
        output.heading("Alerts")?;
        output.table(
            ["ALERT", "SUBJECT", "SINCE", "TEXT"],
            overview.alerts.iter().map(|alert| {
                [
                    alert.name.clone(),
                    alert.subject.clone(),
                    when::ago(alert.opened_at, overview.now),
                    alert.text.clone(),
                ]
            }),
        )?;
    }
    Ok(())
}

/// What the scheduler does not call at present.
fn print_breakers(output: &mut Output, overview: &Overview, state: &State) -> std::io::Result<()> {
    if state.breakers.is_empty() {
        return Ok(());
    }
    output.line("")?;
    output.heading("Out of reach")?;
    output.table(
        ["WHOM", "WHY", "SINCE", "TEXT"],
        state.breakers.iter().map(|breaker| {
            [
                breaker.party.clone(),
                breaker.trouble.clone(),
                when::ago(breaker.since, overview.now),
                breaker.message.clone(),
            ]
        }),
    )
}

fn scheduler_line(overview: &Overview, state: &State) -> String {
    let Some(row) = &overview.scheduler else {
        return "scheduler: none has led yet".to_owned();
    };
    let mut parts = vec![
        format!("epoch {}", row.epoch),
        format!("round {}", row.round),
    ];
    if let Some(version) = &state.version {
        parts.push(format!("version {version}"));
    }
    if let Some(effects) = state.effects_in_flight {
        parts.push(format!("{effects} effects in flight"));
    }
    if let Some(time) = state.last_good_round_at {
        parts.push(format!("last good round {}", when::ago(time, overview.now)));
    }
    parts.push(format!("written {}", when::ago(row.at, overview.now)));
    format!("scheduler: {}", parts.join(", "))
}

fn print_pools(output: &mut Output, pools: &[PoolLine]) -> std::io::Result<()> {
    output.heading("Pools")?;
    output.table(
        [
            "POOL",
            "BOARDS",
            "JOBS WAITING",
            "JOBS RUNNING",
            "WORKERS STARTING",
            "WORKERS RUNNING",
        ],
        pools.iter().map(|pool| {
            [
                pool.name.clone(),
                boards(&pool.boards),
                pool.jobs_waiting.to_string(),
                pool.jobs_running.to_string(),
                pool.workers_starting.to_string(),
                pool.workers_running.to_string(),
            ]
        }),
    )
}

fn boards(counts: &BTreeMap<String, usize>) -> String {
    let known = BOARD_STATES
        .iter()
        .copied()
        .filter(|state| counts.contains_key(*state));
    let others = counts
        .keys()
        .map(String::as_str)
        .filter(|state| !BOARD_STATES.contains(state));
    let words: Vec<String> = known
        .chain(others)
        .filter_map(|state| Some(format!("{} {state}", counts.get(state)?)))
        .collect();
    if words.is_empty() {
        "none known".to_owned()
    } else {
        words.join(", ")
    }
}

fn print_queue(output: &mut Output, overview: &Overview, state: &State) -> std::io::Result<()> {
    output.line("")?;
    output.heading("Queue")?;
    match &overview.oldest_waiting {
        None => output.line("no job waits")?,
        Some(job) => {
            output.line(oldest_line(job, overview))?;
            output.line(format!(
                "  asks for [{}], which is pool {}",
                labels(&job.labels),
                job.pool
            ))?;
        }
    }
    if state.queue.is_empty() {
        return Ok(());
    }
    output.table(
        ["REASON", "SUBJECT", "JOBS", "OLDEST"],
        state.queue.iter().map(|group| {
            let oldest = group.oldest.map(|time| when::length(time, overview.now));
            [
                group.reason.clone(),
                group.subject.clone().unwrap_or_default(),
                group.jobs.to_string(),
                oldest.unwrap_or_default(),
            ]
        }),
    )
}

/// Pauses, bans and all else that somebody set; nothing where nobody did.
fn print_settings(output: &mut Output, report: &Report<'_>) -> std::io::Result<()> {
    if report.settings.is_empty() {
        return Ok(());
    }
    let now = report.overview.now;
    output.line("")?;
    output.heading("Set by operators")?;
    output.list(
        ["WHAT", "KEY", "VALUE", "BY", "SET", "UNTIL", "REASON"],
        &["SET"],
        report
            .settings
            .iter()
            .map(|line| line.cells(when::Times::Relative, now)),
    )
}

fn oldest_line(job: &WaitingJob, overview: &Overview) -> String {
    let reason = match &job.waiting_reason {
        None => "no reason is known yet".to_owned(),
        Some(reason) => match reason.split_once(':') {
            Some((code, subject)) => format!("{code} ({subject})"),
            None => reason.clone(),
        },
    };
    format!(
        "the oldest has waited {}: job {} of {}: {reason}",
        when::length(job.since, overview.now),
        job.job_id,
        job.repo_full_name,
    )
}

fn print_failures(output: &mut Output, overview: &Overview) -> std::io::Result<()> {
    output.line("")?;
    output.heading("Failures of the last hour")?;
    if overview.failures.is_empty() {
        return output.line("none");
    }
    output.table(
        ["WHAT", "POOL", "REASON", "COUNT", "LAST"],
        overview.failures.iter().map(|group| {
            let what = match group.kind {
                FailureKind::Job => "jobs",
                FailureKind::Worker => "workers",
            };
            [
                what.to_owned(),
                group.pool.clone(),
                group.reason.clone(),
                group.count.to_string(),
                when::ago(group.last, overview.now),
            ]
        }),
    )
}
