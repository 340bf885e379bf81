//! `rise bench turnaround`: from the end of a pod to the creation of the next one for a job that waits.

use std::time::Duration;

use chrono::TimeDelta;

use crate::cli::BenchTurnaround;
use crate::config::Configuration;
use crate::exit::{Exit, Outcome};
use crate::output;

use super::figures::Figures;
use super::report::Machine;
use super::stage::{Setting, Stage};
use super::with_postgres;

/// All are in use all the time.
const BOARDS: u32 = 8;
/// So many jobs for each board. All together stay below one account's cap at any time.
const JOBS_A_BOARD: u32 = 8;
/// How long a job runs: long enough that boards end at different times.
const RUNS_FOR: TimeDelta = TimeDelta::milliseconds(1_500);
const WITHIN: Duration = Duration::from_secs(180);

pub(super) async fn run(options: BenchTurnaround, configuration: &Configuration) -> Outcome {
    let measured = with_postgres(&[], async |folder, postgres| {
        let setting = Setting::quiet(BOARDS);
        let stage = Stage::open(setting, configuration, folder, postgres).await?;
        output::aside("jobs wait for every board");
        let jobs = BOARDS * JOBS_A_BOARD;
        for repository in ["sandbox-vectorworks/fft", "sandbox-openkernel/boot"] {
            stage.queue(repository, jobs / 2, RUNS_FOR)?;
        }
        let all = usize::try_from(jobs).unwrap_or(usize::MAX);
        let seen = stage.watch(|seen| seen.ended.len() >= all, WITHIN).await?;
        stage.close().await?;
        // The first pods found free boards. Each later one follows an end, in order.
        let first = usize::try_from(BOARDS).unwrap_or(usize::MAX);
        let next = seen.created.iter().skip(first);
        let times = next.zip(&seen.ended).map(|(made, end)| *made - *end);
        let circumstances = format!("{BOARDS} boards, {jobs} jobs of two accounts, no delays");
        let mut figures = Figures::new("Board turnaround", Machine::of(postgres), circumstances);
        figures.times(
            [
                "pod ended to next pod made, p50",
                "pod ended to next pod made, p95",
                "pod ended to next pod made, longest",
            ],
            times.collect(),
            ["", "", "at most 1000 ms"],
        );
        Ok(figures)
    });
    match measured.await? {
        Some(figures) => figures.show(options.show),
        None => Ok(Exit::Cancelled),
    }
}
