//! `rise job`, `rise worker`: one thing's whole story, as the screen tells it.

use rise_model::{JobId, PodName};
use serde_json::json;
use services::store::operator::RowFilter;

use super::Context;
use super::tui::{Parts, parts};
use crate::block_on;
use crate::cli::{Job, Worker};
use crate::config::nearest;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Format, Output};
use crate::tui::{Told, job_told, worker_told};

/// Columns where nobody says how many there are.
const COLUMNS: u16 = 160;
/// Names among which one is looked for that was meant.
const LATEST: u32 = 1_000;

/// Tells a job's story.
pub(super) fn job(context: &Context, command: &Job) -> Outcome {
    let id = command.id;
    let parts = parts(context)?;
    let story = block_on(async {
        let source = parts.source().await?;
        source.store.ping().await?;
        source.store.check_migrated().await?;
        let story = source.store.job_story(id).await?;
        source.store.close().await;
        Ok(story)
    })?;
    let Some(story) = story else {
        return Err(no_job(id));
    };
    let mut output = Output::stdout();
    match command.show.format() {
        Format::Json => output.json(&story)?,
        Format::Text => {
            let columns = output.columns().unwrap_or(COLUMNS);
            print(&mut output, job_told(&story, usize::from(columns)))?;
        }
    }
    Ok(Exit::Done)
}

fn no_job(id: JobId) -> Failure {
    Failure::new(Exit::Failed, format!("no row is about job {id}"))
        .hint(format!(
            "`rise events --job {id}` tells what was delivered of it"
        ))
        .hint("jobs that no route takes have no row: `rise config route` tells which do")
}

/// Tells a worker's story, with its pod where the cluster is known.
pub(super) fn worker(context: &Context, command: &Worker) -> Outcome {
    let name = &command.name;
    let parts: Parts = parts(context)?;
    let (story, pod) = block_on(async {
        let source = parts.source().await?;
        source.store.ping().await?;
        source.store.check_migrated().await?;
        let Some(story) = source.store.worker_story(name).await? else {
            let newest = RowFilter {
                limit: LATEST,
                ..RowFilter::default()
            };
            let known = source.store.list_workers(&newest).await?;
            let names = known.rows.iter().map(|worker| worker.pod_name.as_str());
            return Err(no_worker(name, nearest(name.as_str(), names)));
        };
        let pod = match &source.cluster {
            Some(cluster) => Some(cluster.diagnostics(name).await),
            None => None,
        };
        source.store.close().await;
        Ok((story, pod))
    })?;
    let mut output = Output::stdout();
    match command.show.format() {
        Format::Json => output.json(&json!({"story": story, "pod": pod}))?,
        Format::Text => {
            let columns = output.columns().unwrap_or(COLUMNS);
            print(
                &mut output,
                worker_told(&story, pod.as_ref(), usize::from(columns)),
            )?;
        }
    }
    Ok(Exit::Done)
}

fn no_worker(name: &PodName, nearest: Option<&str>) -> Failure {
    let failure = Failure::new(Exit::Failed, format!("no worker is called {name}"));
    match nearest {
        Some(nearest) => failure.hint(format!("did you mean {nearest}?")),
        None => failure.hint("`rise workers` lists them"),
    }
}

fn print(output: &mut Output, told: Vec<Told>) -> std::io::Result<()> {
    for line in told {
        match line {
            Told::Heading(text) => output.heading(&text)?,
            Told::Line(text) => output.line(text)?,
        }
    }
    Ok(())
}
