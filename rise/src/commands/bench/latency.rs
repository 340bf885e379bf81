//! `rise bench latency`: from a push to the pod's creation. The clock starts before the delivery leaves the pretend GitHub,
//! so what that one needs to send it is inside.

use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;

use crate::cli::BenchLatency;
use crate::config::Configuration;
use crate::exit::{Exit, Failure, Outcome};
use crate::output;

use super::figures::Figures;
use super::report::Machine;
use super::stage::{Setting, Stage};
use super::with_postgres;

/// One after another, so many of each account's, after a first one that fetches its token and runner group.
const ONE_BY_ONE: u32 = 19;
/// At once.
const AT_ONCE: u32 = 50;
/// Whose they are: none reaches its cap, nor what GitHub registers at once for an installation or an App.
const PUSHES: [(&str, u32); 4] = [
    ("sandbox-vectorworks/fft", 12),
    ("sandbox-openkernel/boot", 12),
    ("sandbox-ada/rv-notes", 13),
    ("sandbox-tomas/zig-rv", 13),
];
/// What GitHub and the API server take in life.
const GITHUB_TAKES: Duration = Duration::from_millis(150);
const KUBERNETES_TAKES: Duration = Duration::from_millis(20);
/// No single wait is longer.
const WITHIN: Duration = Duration::from_secs(60);
/// Longer than any measurement: boards are not given back.
const RUNS_FOR: TimeDelta = TimeDelta::hours(1);

pub(super) async fn run(options: BenchLatency, configuration: &Configuration) -> Outcome {
    let alone = with_postgres(&[], async |folder, postgres| {
        output::aside("jobs one by one, nothing takes time");
        let setting = Setting::quiet(ONE_BY_ONE * 2 + 2);
        let stage = Stage::open(setting, configuration, folder, postgres).await?;
        let mut times = Vec::new();
        let mut pods = 0;
        for repository in ["sandbox-vectorworks/fft", "sandbox-openkernel/boot"] {
            for number in 0..=ONE_BY_ONE {
                pods += 1;
                let time = next_pod(&stage, repository, pods).await?;
                if number > 0 {
                    times.push(time);
                }
            }
        }
        stage.close().await?;
        let circumstances = format!("{} jobs one by one without delays", times.len());
        let mut figures = Figures::new("Push to pod", Machine::of(postgres), circumstances);
        figures.times(
            [
                "one job: push to pod, p50",
                "one job: push to pod, p95",
                "one job: push to pod, longest",
            ],
            times,
            ["at most 50 ms", "", ""],
        );
        Ok(figures)
    });
    let Some(mut figures) = alone.await? else {
        return Ok(Exit::Cancelled);
    };
    let together = with_postgres(&[], async |folder, postgres| {
        output::aside("fifty jobs at once, with GitHub's and Kubernetes' delays");
        let setting = Setting {
            github_delay: GITHUB_TAKES,
            kubernetes_delay: KUBERNETES_TAKES,
            ..Setting::quiet(AT_ONCE)
        };
        let stage = Stage::open(setting, configuration, folder, postgres).await?;
        let times = burst(&stage).await?;
        stage.close().await?;
        let circumstances = format!(
            "{AT_ONCE} jobs of four accounts at once, GitHub takes {} ms a call, Kubernetes {} ms",
            GITHUB_TAKES.as_millis(),
            KUBERNETES_TAKES.as_millis()
        );
        let mut figures = Figures::new("", Machine::of(postgres), circumstances);
        figures.times(
            [
                "fifty at once: push to pod, p50",
                "fifty at once: push to pod, p95",
                "fifty at once: push to the last pod",
            ],
            times,
            ["", "", "at most 1500 ms"],
        );
        Ok(figures)
    });
    let Some(more) = together.await? else {
        return Ok(Exit::Cancelled);
    };
    figures.join(more);
    figures.show(options.show)
}

/// The time from a push until there are so many pods.
async fn next_pod(stage: &Stage, repository: &str, pods: usize) -> Result<Duration, Failure> {
    let pushed = Instant::now();
    stage.queue(repository, 1, RUNS_FOR)?;
    let seen = stage
        .watch(|seen| seen.created.len() >= pods, WITHIN)
        .await?;
    Ok(seen
        .created
        .last()
        .map_or(Duration::ZERO, |made| *made - pushed))
}

/// Everybody pushes; tokens and runner groups have to be fetched, too.
async fn burst(stage: &Stage) -> Result<Vec<Duration>, Failure> {
    let pushed = Instant::now();
    for (repository, jobs) in PUSHES {
        stage.queue(repository, jobs, RUNS_FOR)?;
    }
    let all = usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
    let seen = stage
        .watch(|seen| seen.created.len() >= all, WITHIN)
        .await?;
    Ok(seen.created.iter().map(|made| *made - pushed).collect())
}
