//! `rise bench`: how fast, compared with a peer or a limit in the same run.
//!
//! Everything is measured on real parts: a private PostgreSQL that waits for the disk, the services as child processes,
//! the pretend GitHub and Kubernetes behind sockets. What is lost or never comes is a failure; a figure never is.

mod deliveries;
mod figures;
mod intake;
mod latency;
mod load;
mod pgbench;
mod report;
mod round;
mod stage;
mod turnaround;
mod usage;

use sandbox::pg::{Options, Postgres};

use super::Context;
use super::sandbox::folder::Folder;
use super::sandbox::{Interrupted, private_postgres};
use crate::block_on;
use crate::cli::Bench;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::output;

/// Measures.
pub(super) fn run(context: &Context, bench: Bench) -> Outcome {
    let configuration = context.configuration()?;
    block_on(async move {
        let measured = async {
            match bench {
                Bench::Intake(options) => intake::run(options, &configuration).await,
                Bench::Latency(options) => latency::run(options, &configuration).await,
                Bench::Turnaround(options) => turnaround::run(options, &configuration).await,
                Bench::Round(options) => round::run(options, &configuration).await,
            }
        };
        Box::pin(measured).await
    })
}

/// Measures with a private PostgreSQL and a folder that are gone afterwards. Nothing comes of it when a person ends it.
async fn with_postgres<T>(
    settings: &[(&str, &str)],
    measure: impl AsyncFnOnce(&Folder, &Postgres) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut interrupted = Interrupted::listen()?;
    let folder = Folder::open(None)?;
    output::aside("starting a private PostgreSQL");
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options = Options {
        settings: settings.iter().map(owned).collect(),
        ..Options::default()
    };
    let postgres = tokio::select! {
        started = private_postgres(options) => started?,
        () = interrupted.wait() => return Ok(None),
    };
    let measured = tokio::select! {
        measured = measure(&folder, &postgres) => measured.map(Some),
        () = interrupted.wait() => Ok(None),
        log = postgres.ended() => {
            Err(failed(format!("PostgreSQL ended by itself: {}", log.trim())))
        }
    };
    let stopped = postgres.stop().await;
    drop(folder);
    let measured = measured?;
    stopped.map_err(|error| failed(chain(&error)))?;
    Ok(measured)
}

fn failed(what: impl Into<String>) -> Failure {
    Failure::new(Exit::Failed, what)
}
