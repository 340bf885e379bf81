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
