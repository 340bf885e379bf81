//! `rise jobs` and `rise workers`: rows, the newest first.

use rise_model::Time;
use serde_json::Value;
use services::store::operator::{JobRow, Listing, RowFilter, WorkerRow};

use super::Context;
use crate::block_on;
use crate::cli::{Filter, Jobs, Workers};
use crate::exit::{Exit, Outcome};
use crate::output::{self, Format, Output};
use crate::when::{self, Times};

/// Lists jobs.
pub(super) fn jobs(context: &Context, command: &Jobs) -> Outcome {
    let filter = RowFilter::from(&command.filter);
    let database = context.configuration()?.database(&context.variables)?;
    let listing: Listing<JobRow> = block_on(async {
        let store = database.store()?;
        let listing = store.list_jobs(&filter).await?;
        store.close().await;
        Ok(listing)
    })?;
    let mut output = Output::stdout();
    match command.show.format() {
        Format::Json => output.json(&listing)?,
        Format::Text => {
            let times = command.filter.times();
            output.list(
                [
                    "JOB",
                    "STATUS",
                    "REPOSITORY",
                    "LABELS",
                    "POOL",
                    "WORKER",
                    "MADE",
                    "WHY",
                ],
                &["LABELS", "WORKER", "POOL"],
                listing
                    .rows
                    .iter()
                    .map(|job| job_cells(job, times, listing.now)),
            )?;
            note_length(listing.rows.len(), &command.filter, "jobs");
        }
    }
    Ok(Exit::Done)
}

fn job_cells(job: &JobRow, times: Times, now: Time) -> [String; 8] {
    let why = match (&job.failure_info, &job.waiting_reason) {
        (Some(info), _) => failure(info),
        (None, Some(reason)) if job.status == "pending" => reason.clone(),
        (None, _) => job.conclusion.clone().unwrap_or_default(),
    };
    [
        job.job_id.to_string(),
        job.status.clone(),
        job.repo_full_name.clone(),
        labels(&job.job_labels),
        job.k8s_pool.clone(),
        job.k8s_pod.clone().unwrap_or_default(),
        times.show(job.created_at, now),
        why,
    ]
}

/// Lists workers.
pub(super) fn workers(context: &Context, command: &Workers) -> Outcome {
    let filter = RowFilter::from(&command.filter);
    let database = context.configuration()?.database(&context.variables)?;
    let listing: Listing<WorkerRow> = block_on(async {
        let store = database.store()?;
        let listing = store.list_workers(&filter).await?;
        store.close().await;
        Ok(listing)
    })?;
    let mut output = Output::stdout();
    match command.show.format() {
        Format::Json => output.json(&listing)?,
        Format::Text => {
            let times = command.filter.times();
            output.list(
                [
                    "WORKER", "STATUS", "FOR", "POOL", "BOARD", "MADE", "RAN", "WHY",
                ],
                &["POOL", "RAN", "MADE", "BOARD"],
                listing
                    .rows
                    .iter()
                    .map(|worker| worker_cells(worker, times, listing.now)),
            )?;
            note_length(listing.rows.len(), &command.filter, "workers");
        }
    }
    Ok(Exit::Done)
}

fn worker_cells(worker: &WorkerRow, times: Times, now: Time) -> [String; 8] {
    let ran = worker
        .running_at
        .map(|began| when::length(began, worker.completed_at.unwrap_or(now)));
    let why = match (&worker.failure_info, &worker.condemned_reason) {
        (Some(info), _) => failure(info),
        (None, Some(reason)) => reason.clone(),
        (None, None) => String::new(),
    };
    [
        worker.pod_name.clone(),
        worker.status.clone(),
        worker
            .repo_full_name
            .clone()
            .unwrap_or_else(|| worker.entity_name.clone()),
        worker.k8s_pool.clone(),
        worker.k8s_node.clone().unwrap_or_default(),
        times.show(worker.created_at, now),
        ran.unwrap_or_default(),
        why,
    ]
}

/// A full list may not be all there is.
fn note_length(shown: usize, filter: &Filter, what: &str) {
    if shown == 0 {
        output::warning(&format!("no {what} fit"));
    } else if u32::try_from(shown) == Ok(filter.limit) {
        output::warning(&format!("{shown} {what} are shown; --limit shows more"));
    }
}

/// The word for a failure in any of the shapes that were ever written.
fn failure(info: &Value) -> String {
    ["reason", "message", "pod_reason", "pod_message"]
        .into_iter()
        .find_map(|key| info.get(key)?.as_str())
        .unwrap_or("failed")
        .to_owned()
}

/// The labels as sent, in one word each.
pub(crate) fn labels(labels: &Value) -> String {
    let words = labels
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    words.collect::<Vec<_>>().join(",")
}
