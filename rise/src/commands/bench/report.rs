//! What was measured, beside what it is compared with.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;
use std::time::Duration;

use sandbox::pg::Postgres;
use serde::Serialize;

use super::load::Load;
use crate::cli::BenchIntake;
use crate::exit::Failure;
use crate::output::Output;

const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// One part with deliveries, and what pgbench did next to it.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) sent: Load,
    /// Answered 200 and not in the tables.
    pub(super) lost: usize,
    /// ghfe's processor time.
    pub(super) cpu: Option<Duration>,
    pub(super) compared: Option<Compared>,
}

/// What pgbench did.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Compared {
    pub(super) transactions_per_second: f64,
    /// The mean.
    pub(super) latency_ms: f64,
}

/// What it was measured on.
#[derive(Debug, Default, Serialize)]
pub(super) struct Machine {
    cores: usize,
    postgresql: String,
    build: &'static str,
}

impl Machine {
    pub(super) fn of(postgres: &Postgres) -> Self {
        Self {
            cores: available_parallelism().map_or(1, usize::from),
            postgresql: postgres
                .tool("postgres")
                .and_then(|program| version(&program))
                .unwrap_or_else(|| "unknown".to_owned()),
            build: if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
        }
    }

    /// Its figures only say something beside each other.
    pub(super) fn is_debug(&self) -> bool {
        self.build == "debug"
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cores, postgresql, build) = (self.cores, &self.postgresql, self.build);
        write!(
            f,
            "{cores} cores, PostgreSQL {postgresql} with fsync, {build} build"
        )
    }
}

/// `postgres (PostgreSQL) 17.2 (…)`: the number.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.split_whitespace().nth(2).map(str::to_owned)
}

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
    p99: f64,
}

/// The report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: Machine,
    connections: u32,
    seconds: u64,
    rate: Option<u32>,
    payload_bytes: usize,
    rounds: Vec<Line>,
    deliveries: usize,
    deliveries_per_second: f64,
    latency_ms: Percentiles,
    cpu_ms_per_delivery: Option<f64>,
    memory_peak_mib: Option<f64>,
    pgbench: Option<Compared>,
    not_compared: Option<String>,
    /// Deliveries for 100 transactions.
    percent_of_pgbench: Option<f64>,
    /// How many times the statement alone the slowest hundredth takes.
    p99_to_statement: Option<f64>,
    lost: usize,
    not_taken: usize,
}

/// One round in the report.
#[derive(Debug, Serialize)]
struct Line {
    deliveries_per_second: f64,
    pgbench: Option<Compared>,
}

impl Report {
    pub(super) fn of(
        options: BenchIntake,
        machine: Machine,
        payload_bytes: usize,
        rounds: Vec<Round>,
        memory_peak: Option<u64>,
        not_compared: Option<String>,
    ) -> Self {
        let lines: Vec<Line> = rounds.iter().map(Line::of).collect();
        let pgbench = mean(rounds.iter().filter_map(|round| round.compared));
        let cpu: Option<Duration> = rounds.iter().map(|round| round.cpu).sum();
        let elapsed: Duration = rounds.iter().map(|round| round.sent.elapsed).sum();
        let lost = rounds.iter().map(|round| round.lost).sum();
        let refused = rounds.iter().flat_map(|round| round.sent.refused.values());
        let not_taken = refused.sum();
        let latencies: Vec<Duration> = rounds
            .into_iter()
            .flat_map(|round| round.sent.latencies)
            .collect();
        let deliveries = latencies.len();
        let deliveries_per_second = per_second(deliveries, elapsed);
        let latency_ms = percentiles(latencies);
        Self {
            machine,
            connections: options.connections,
            seconds: options.time.std().as_secs(),
            rate: options.rate,
            payload_bytes,
            rounds: lines,
            deliveries,
            deliveries_per_second,
            latency_ms,
            cpu_ms_per_delivery: cpu
                .filter(|_| deliveries > 0)
                .map(|cpu| rounded(millis(cpu) / float(deliveries))),
            memory_peak_mib: memory_peak.map(|bytes| rounded(bytes as f64 / MEBIBYTE)),
            percent_of_pgbench: pgbench
                .filter(|_| options.rate.is_none())
                .map(|it| rounded(100.0 * deliveries_per_second / it.transactions_per_second)),
            p99_to_statement: pgbench
                .filter(|_| options.rate.is_some())
                .map(|it| rounded(latency_ms.p99 / it.latency_ms)),
            pgbench,
            not_compared,
            lost,
            not_taken,
        }
    }

    /// Whether every delivery was answered 200 and is in the tables.
    pub(super) fn all_taken(&self) -> bool {
        self.lost == 0 && self.not_taken == 0
    }

    /// For people.
    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.heading("Webhook intake")?;
        output.line(self.circumstances())?;
        let rows = self.rows();
        output.table(
            ["what", "figure", "target"],
            rows.into_iter()
                .map(|(what, figure, target)| [what.to_owned(), figure, target.to_owned()]),
        )?;
        if self.machine.is_debug() {
            output.line("This is a debug build: only its relations to itself say anything.")?;
        }
        Ok(())
    }

    fn circumstances(&self) -> String {
        let pace = match self.rate {
            None => format!("{} rounds of", self.rounds.len()),
            Some(rate) => format!("{rate} deliveries a second for"),
        };
        format!(
            "{}; {} connections, payloads of {} bytes, {pace} {} s",
            self.machine, self.connections, self.payload_bytes, self.seconds
        )
    }

    fn rows(&self) -> Vec<(&'static str, String, &'static str)> {
        let latency = self.latency_ms;
        let known = |figure: Option<f64>, unit: &str| match figure {
            Some(figure) => format!("{figure} {unit}"),
            None => "unknown".to_owned(),
        };
        let mut rows = vec![
            ("deliveries a second", self.each_round(), ""),
            (
                "latency p50, p95, p99",
                format!("{}, {}, {} ms", latency.p50, latency.p95, latency.p99),
                "",
            ),
            (
                "ghfe's processor time a delivery",
                known(self.cpu_ms_per_delivery, "ms"),
                "",
            ),
            (
                "ghfe's memory at most",
                known(self.memory_peak_mib, "MiB"),
                "",
            ),
        ];
        match (self.pgbench, &self.not_compared) {
            (Some(pgbench), _) => rows.extend(self.comparison(pgbench)),
            (None, Some(why)) => rows.push(("not compared with pgbench", why.clone(), "")),
            (None, None) => {}
        }
        rows.push((
            "answered otherwise than 200",
            self.not_taken.to_string(),
            "0",
        ));
        rows.push(("answered 200 and lost", self.lost.to_string(), "0"));
        rows
    }

    fn comparison(&self, pgbench: Compared) -> Vec<(&'static str, String, &'static str)> {
        let mut rows = Vec::new();
        if let Some(percent) = self.percent_of_pgbench {
            let transactions = self.rounds.iter().filter_map(|line| line.pgbench);
            rows.push((
                "pgbench's transactions a second",
                figures(transactions.map(|it| it.transactions_per_second)),
                "",
            ));
            rows.push((
                "deliveries for 100 transactions",
                format!("{percent}"),
                "at least 50, aim 100",
            ));
        }
        if let Some(times) = self.p99_to_statement {
            rows.push((
                "the statement alone, one client",
                format!("{} ms", pgbench.latency_ms),
                "",
            ));
            rows.push(("p99 in times of that", format!("{times}"), "at most 10"));
        }
        rows
    }

    fn each_round(&self) -> String {
        let rounds = self.rounds.iter().map(|line| line.deliveries_per_second);
        figures(rounds)
    }
}

impl Line {
    fn of(round: &Round) -> Self {
        let sent = &round.sent;
        Self {
            deliveries_per_second: per_second(sent.latencies.len(), sent.elapsed),
            pgbench: round.compared,
        }
    }
}

fn figures(figures: impl Iterator<Item = f64>) -> String {
    let figures: Vec<String> = figures.map(|figure| format!("{figure:.0}")).collect();
    figures.join(", ")
}

fn mean(runs: impl Iterator<Item = Compared>) -> Option<Compared> {
    let runs: Vec<Compared> = runs.collect();
    let mean = |figure: fn(&Compared) -> f64| {
        let sum: f64 = runs.iter().map(figure).sum();
        rounded(sum / float(runs.len()))
    };
    (!runs.is_empty()).then(|| Compared {
        transactions_per_second: mean(|run| run.transactions_per_second),
        latency_ms: mean(|run| run.latency_ms),
    })
}

fn percentiles(mut latencies: Vec<Duration>) -> Percentiles {
    latencies.sort_unstable();
    let at = |percent: usize| {
        let index = (latencies.len() * percent).div_ceil(100).saturating_sub(1);
        latencies.get(index).map_or(0.0, |it| rounded(millis(*it)))
    };
    Percentiles {
        p50: at(50),
        p95: at(95),
        p99: at(99),
    }
}

fn per_second(count: usize, elapsed: Duration) -> f64 {
    if elapsed.is_zero() {
        return 0.0;
    }
    rounded(float(count) / elapsed.as_secs_f64())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Counts here are far below 2^52.
fn float(count: usize) -> f64 {
    count as f64
}

/// More than a thousandth would be noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rise_model::span::Span;

    use crate::cli::{Command as Typed, command};

    fn options(line: &str) -> BenchIntake {
        use clap::FromArgMatches;
        let words = format!("rise bench intake {line}");
        let matches = command().try_get_matches_from(words.split_whitespace());
        let cli = crate::cli::Cli::from_arg_matches(&matches.unwrap()).unwrap();
        match cli.command {
            Typed::Bench(crate::cli::Bench::Intake(options)) => options,
            other => panic!("{other:?}"),
        }
    }

    fn round(latencies: &[u64], compared: Option<Compared>) -> Round {
        Round {
            sent: Load {
                latencies: latencies
                    .iter()
                    .copied()
                    .map(Duration::from_millis)
                    .collect(),
                elapsed: Duration::from_secs(2),
                ..Load::default()
            },
            lost: 0,
            cpu: Some(Duration::from_millis(20)),
            compared,
        }
    }

    fn report(line: &str, compared: Option<Compared>) -> Report {
        let machine = Machine {
            cores: 2,
            postgresql: "17.2".to_owned(),
            build: "release",
        };
        let rounds = vec![round(&[4, 1, 2, 3], compared), round(&[5, 6], compared)];
        let why = compared.is_none().then(|| "no pgbench".to_owned());
        Report::of(options(line), machine, 7_000, rounds, Some(50 << 20), why)
    }

    const PGBENCH: Compared = Compared {
        transactions_per_second: 2.0,
        latency_ms: 0.5,
    };

    #[test]
    fn rounds_are_put_together() {
        assert_eq!(options("").time, Span::seconds(10));
        let report = report("", Some(PGBENCH));
        assert_eq!(report.deliveries, 6);
        assert_eq!(report.deliveries_per_second, 1.5);
        assert_eq!(report.latency_ms.p50, 3.0);
        assert_eq!(report.latency_ms.p99, 6.0);
        assert_eq!(report.cpu_ms_per_delivery, Some(6.667));
        assert_eq!(report.percent_of_pgbench, Some(75.0));
        assert_eq!(report.p99_to_statement, None);
        assert!(report.all_taken());
    }

    #[test]
    fn at_a_set_rate_the_latency_is_compared() {
        let report = report("--rate 100", Some(PGBENCH));
        assert_eq!(report.percent_of_pgbench, None);
        assert_eq!(report.p99_to_statement, Some(12.0));
    }

    #[test]
    fn without_pgbench_it_is_said_that_nothing_was_compared() {
        let rows = report("", None).rows();
        assert!(rows.contains(&("not compared with pgbench", "no pgbench".to_owned(), "")));
        assert!(rows.iter().all(|(what, ..)| !what.contains("transactions")));
    }

    #[test]
    fn a_delivery_that_is_lost_or_not_taken_is_a_failure() {
        let mut lost = report("", None);
        lost.lost = 1;
        assert!(!lost.all_taken());
        let mut refused = report("", None);
        refused.not_taken = 1;
        assert!(!refused.all_taken());
    }
}
