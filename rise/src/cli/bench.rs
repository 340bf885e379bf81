//! `rise bench …`.

use clap::{Args, Subcommand};
use rise_model::span::Span;

use super::Show;

/// What is measured.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Bench {
    /// Webhook intake, against its own statement run by pgbench
    #[command(after_long_help = "\
Starts a private PostgreSQL that waits for the disk and `rise serve ghfe`, sends
signed deliveries as fast as they are answered (or at --rate), and in the same
run lets pgbench do what intake asks of the database. Only the relation of the
two says something: absolute figures are this machine's. Build with --release.
Exits 1 when a delivery that was answered 200 is not in the tables.

Example:
  rise bench intake
  rise bench intake --rate 100 --time 60s --json")]
    Intake(BenchIntake),
    /// From a push to the pod's creation, one job and fifty at once
    #[command(after_long_help = "\
Both services run between a pretend GitHub and a pretend Kubernetes: first jobs
one by one without delays, then fifty at once while GitHub takes 150 ms for each
call and Kubernetes 20 ms. Build with --release.

Example:
  rise bench latency --json")]
    Latency(BenchLatency),
    /// From a pod's end to the next pod on its board
    #[command(after_long_help = "\
Eight boards and more jobs than boards: each pod that ends makes room for one
that waits. Build with --release.

Example:
  rise bench turnaround")]
    Turnaround(BenchTurnaround),
    /// What a round of the scheduler costs with a full fleet
    #[command(after_long_help = "\
Pushes the jobs, lets the scheduler fill every board (two slots each), then
wakes it again and again while nothing changes. Build with --release; with the
full size it takes some minutes to fill the boards.

Example:
  rise bench round
  rise bench round --jobs 1000 --boards 100 --entities 50")]
    Round(BenchRound),
}

/// `rise bench latency`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BenchLatency {
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise bench turnaround`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BenchTurnaround {
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise bench round`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BenchRound {
    /// Active jobs
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) jobs: u32,
    /// Boards, of two slots each
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(crate) boards: u32,
    /// Accounts that the jobs belong to
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) entities: u32,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise bench intake`.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct BenchIntake {
    /// Keep-alive connections, and clients of pgbench
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(crate) connections: u32,
    /// How long each part of each round takes
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(crate) time: Span,
    /// Deliveries a second, whether earlier ones were answered or not
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: Option<u32>,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// pgbench counts in whole seconds.
fn time(text: &str) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    let time = span.std();
    if time.is_zero() || time.subsec_nanos() > 0 || time.as_secs() > 3_600 {
        return Err("write whole seconds, from 1s to 1h".to_owned());
    }
    Ok(span)
}
