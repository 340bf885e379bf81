//! `/metrics`, in Prometheus' text format. What the leader counts is told by the leader; what the tables hold, by every
//! scheduler. Labels are words of ours: pools, codes, states; never an account, a repository or a worker.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Pages;
use super::lists::ListFailed;
use crate::exposition::{Distribution, Families};
use crate::scheduler::metrics::float;
use crate::scheduler::status::{Reachability, SchedulerStatus};
use crate::store::pages::usage::{Queue, Written};
use crate::store::stats::{LATENCY_BOUNDS, Tally};

/// Different values of a label, at most; a table with strange rows must not make strange series without end.
const VALUES: usize = 60;

pub(super) async fn metrics(State(pages): State<Pages>) -> Result<Response, ListFailed> {
    let written = pages.store.all_written().await?;
    let queues = pages.store.queues().await?;
    let tally = pages.store.ghfe_tally().await?;
    let alerts = pages.store.open_alerts().await?.len();
    let status = pages.status.borrow().clone();
    let mut families = Families::default();
    families.gauge(
        "rise_build_info",
        "The program that answers.",
        [(vec![("version", env!("CARGO_PKG_VERSION"))], 1.0)],
    );
    leading(&mut families, &status, &written);
    boards(&mut families, &written);
    queue(&mut families, &queues, &pages.pools, written.now);
    pages.counters.tell(&mut families);
    github(&mut families, &pages);
    webhooks(&mut families, &tally);
    families.gauge(
        "rise_alerts_open",
        "Alerts that are open.",
        [(Vec::new(), size(alerts))],
    );
    Ok(match families.encode() {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    })
}

fn leading(families: &mut Families, status: &SchedulerStatus, written: &Written) {
    let yes = |yes| if yes { 1.0 } else { 0.0 };
    let age = |at: DateTime<Utc>, now: DateTime<Utc>| (now - at).as_seconds_f64().max(0.0);
    let mut one = |name, help, value: Option<f64>| {
        families.gauge(name, help, value.map(|value| (Vec::new(), value)));
    };
    one(
        "rise_leader",
        "1 when this process leads.",
        Some(yes(status.leads)),
    );
    one(
        "rise_leader_known",
        "1 when this process knows who leads.",
        Some(yes(status.leader.is_some())),
    );
    one(
        "rise_actions_in_flight",
        "Actions of this process that were begun and not answered yet.",
        Some(size(status.in_flight)),
    );
    one(
        "rise_last_good_round_age_seconds",
        "How long ago this process’s last good round was.",
        status.last_good_round_at.map(|at| age(at, Utc::now())),
    );
    one(
        "rise_scheduler_state_age_seconds",
        "How long ago the leader, whoever it is, last wrote what it knows.",
        written.at.map(|at| age(at, written.now)),
    );
    one(
        "rise_cluster_reachable",
        "1 when the cluster answers this process.",
        match status.cluster {
            Reachability::Unknown => None,
            Reachability::Reachable => Some(1.0),
            Reachability::Unreachable { .. } => Some(0.0),
        },
    );
}

/// A board has one slot today.
fn boards(families: &mut Families, written: &Written) {
    let state = written.state.as_ref();
    let boards = state.and_then(|state| state.get("boards"));
    let boards = boards.and_then(Value::as_array).into_iter().flatten();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for board in boards {
        let text = |key| board.get(key).and_then(Value::as_str);
        if let (Some(pool), Some(state)) = (text("pool"), text("state")) {
            *counts.entry((pool, state)).or_default() += 1;
        }
    }
    families.gauge(
        "rise_slots",
        "Slots by pool and by what their board does, as the leader last wrote.",
        counts
            .into_iter()
            .take(VALUES * 8)
            .map(|((pool, state), count)| (vec![("pool", pool), ("state", state)], size(count))),
    );
}

fn queue(families: &mut Families, queues: &[Queue], pools: &[String], now: DateTime<Utc>) {
    let mut kept: BTreeMap<(&str, &str), (f64, f64)> = BTreeMap::new();
    for queue in queues {
        let reason = match queue.reason.as_str() {
            "" => "not_planned",
            code if is_word(code) => code,
            _ => "other",
        };
        let known = pools.iter().find(|pool| **pool == queue.k8s_pool);
        let pool = known.map_or("other", String::as_str);
        let age = (now - queue.oldest).as_seconds_f64().max(0.0);
        let entry = kept.entry((pool, reason)).or_default();
        *entry = (
            entry.0 + float(u64::try_from(queue.jobs).unwrap_or(0)),
            entry.1.max(age),
        );
    }
    let labels = |(pool, reason)| vec![("pool", pool), ("reason", reason)];
    families.gauge(
        "rise_queue_jobs",
        "Jobs that wait, by pool and reason.",
        kept.iter().map(|(key, (jobs, _))| (labels(*key), *jobs)),
    );
    families.gauge(
        "rise_queue_oldest_age_seconds",
        "How long the oldest job of those has waited.",
        kept.iter().map(|(key, (_, age))| (labels(*key), *age)),
    );
}

/// A code of ours: anything else in a row is somebody else's.
fn is_word(code: &str) -> bool {
    code.len() <= 40
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn github(families: &mut Families, pages: &Pages) {
    let usage = &pages.github;
    let calls = usage.calls();
    families.counter(
        "rise_github_calls_total",
        "Calls of GitHub’s API by this process, by operation and answer.",
        calls.iter().map(|((operation, answer), count)| {
            let labels = vec![
                ("operation", operation.as_str()),
                ("answer", answer.as_str()),
            ];
            (labels, float(*count))
        }),
    );
    let now = Utc::now();
    // One whose hour is over has all its calls again.
    let known = usage.budgets().into_iter().map(|(_, budget)| budget);
    let current: Vec<_> = known.filter(|budget| budget.resets_at > now).collect();
    families.gauge(
        "rise_github_installations",
        "Installations that GitHub said a budget of in this hour.",
        [(Vec::new(), size(current.len()))],
    );
    let share =
        |budget: &rise_model::budget::Budget| float(budget.remaining) / float(budget.limit.max(1));
    let lowest = current
        .iter()
        .min_by(|a, b| share(a).total_cmp(&share(b)))
        .copied();
    let mut one = |name, help, value: Option<f64>| {
        families.gauge(name, help, value.map(|value| (Vec::new(), value)));
    };
    one(
        "rise_github_budget_remaining_calls",
        "Hourly calls left to the installation that has the smallest part of its own left.",
        lowest.map(|budget| float(budget.remaining)),
    );
    one(
        "rise_github_budget_remaining_ratio",
        "The same as a part of its limit, 0 to 1.",
        lowest.as_ref().map(share),
    );
}

fn webhooks(families: &mut Families, tally: &Tally) {
    families.counter(
        "rise_webhook_deliveries_total",
        "Deliveries by outcome, of all instances of webhook intake; each writes once a minute.",
        tally
            .outcomes
            .iter()
            .take(VALUES)
            .map(|(outcome, count)| (vec![("outcome", outcome.as_str())], float(*count))),
    );
    let mut seconds = Distribution::new(&LATENCY_BOUNDS);
    for (place, count) in &tally.buckets {
        seconds.add(*place, *count);
    }
    seconds.add_sum(tally.seconds);
    families.histogram(
        "rise_webhook_duration_seconds",
        "From a delivery’s head to its answer, for those that were taken.",
        [(Vec::new(), &seconds)],
    );
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a length, which a float holds exactly up to 2^53"
)]
fn size(length: usize) -> f64 {
    length as f64
}
