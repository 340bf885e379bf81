//! The peer: pgbench runs intake's own statement, prepared, with the values that ghfe binds, on the same tables.
//!
//! Ids of job and delivery are fresh each time; everything else is sent along each time as ghfe sends it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::available_parallelism;
use std::time::Duration;

use services::store::bench::{DELIVERY_ID, JOB_ID, JobStatement};
use tokio::process::Command;

use super::failed;
use super::report::Compared;
use crate::commands::sandbox::folder::Folder;
use crate::exit::Failure;

/// How pgbench runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clients {
    pub(super) count: u32,
    pub(super) time: Duration,
}

/// pgbench, ready to run.
pub(super) struct Pgbench {
    program: PathBuf,
    script: PathBuf,
    values: Vec<(String, String)>,
    server: Vec<(&'static str, String)>,
}

impl Pgbench {
    pub(super) fn new(
        program: PathBuf,
        url: &str,
        schema: &str,
        statement: &JobStatement,
        folder: &Folder,
    ) -> Result<Self, Failure> {
        let script = Script::of(statement);
        Ok(Self {
            program,
            script: folder.write("intake.pgbench", &script.text)?,
            values: script.values,
            server: server(url, schema)?,
        })
    }

    /// Runs the statement for jobs from `first` on.
    pub(super) async fn run(&self, clients: Clients, first: i64) -> Result<Compared, Failure> {
        let threads = available_parallelism().map_or(1, usize::from);
        let threads = u32::try_from(threads)
            .unwrap_or(u32::MAX)
            .min(clients.count);
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared"])
            .arg(format!("--client={}", clients.count))
            .arg(format!("--jobs={threads}"))
            .arg(format!("--time={}", clients.time.as_secs()))
            .arg(format!("--file={}", self.script.display()))
            .arg(format!("--define=clients={}", clients.count))
            .arg(format!("--define=first={first}"))
            .arg("--define=n=-1")
            .env_clear()
            .envs(
                std::env::vars_os().filter(|(name, _)| {
                    ["PATH", "LD_LIBRARY_PATH"].iter().any(|kept| name == *kept)
                }),
            )
            .env("LC_ALL", "C")
            .envs(self.server.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        for (name, value) in &self.values {
            command.arg(format!("--define={name}={value}"));
        }
        let output = command.output().await;
        let output = output.map_err(|error| failed(format!("cannot run pgbench: {error}")))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let compared = Compared::parse(&said).filter(|_| output.status.success());
        compared.ok_or_else(|| {
            let error = String::from_utf8_lossy(&output.stderr);
            let last = error.lines().next_back().unwrap_or_default();
            failed(format!("pgbench failed: {}: {last}", output.status))
        })
    }
}

/// The statement as pgbench reads it.
#[derive(Debug, PartialEq, Eq)]
struct Script {
    text: String,
    values: Vec<(String, String)>,
}

impl Script {
    fn of(statement: &JobStatement) -> Self {
        // Each client counts for itself; together their ids grow nearly as GitHub's do.
        let mut text = "\\set n :n + 1\n\\set job :first + :n * :clients + :client_id\n".to_owned();
        let lines = statement.text.lines();
        for line in lines.filter(|line| !line.trim_start().starts_with("--")) {
            bind(line, statement, &mut text);
            text.push('\n');
        }
        text.push_str(";\n");
        let values = statement.values.iter().enumerate();
        let values = values.filter(|(place, _)| !matches!(*place, JOB_ID | DELIVERY_ID));
        let values = values.filter_map(|(place, value)| Some((name(place), value.clone()?)));
        Self {
            text,
            values: values.collect(),
        }
    }
}

fn name(place: usize) -> String {
    format!("v{}", place + 1)
}

/// Puts a line with pgbench's variables in the place of `$1` and on.
fn bind(line: &str, statement: &JobStatement, text: &mut String) {
    let mut pieces = line.split('$');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = piece.split_at(digits);
        let place = number
            .parse::<usize>()
            .unwrap_or_default()
            .saturating_sub(1);
        // Writing to memory does not fail.
        let _ = match (place, statement.values.get(place)) {
            (JOB_ID, _) => write!(text, ":job"),
            (DELIVERY_ID, _) => write!(text, "gen_random_uuid()"),
            (_, Some(Some(_))) => write!(text, ":{}", name(place)),
            // A variable of pgbench cannot be NULL.
            (_, Some(None) | None) => write!(text, "NULL"),
        };
        text.push_str(rest);
    }
}

/// Where the server is, in the environment: arguments can be read by everybody on the machine.
fn server(url: &str, schema: &str) -> Result<Vec<(&'static str, String)>, Failure> {
    let url = reqwest::Url::parse(url)
        .map_err(|error| failed(format!("the private PostgreSQL's address: {error}")))?;
    Ok(vec![
        ("PGHOST", url.host_str().unwrap_or("127.0.0.1").to_owned()),
        ("PGPORT", url.port().unwrap_or(5432).to_string()),
        ("PGUSER", url.username().to_owned()),
        ("PGPASSWORD", url.password().unwrap_or_default().to_owned()),
        ("PGDATABASE", url.path().trim_start_matches('/').to_owned()),
        ("PGOPTIONS", format!("-c search_path={schema}")),
    ])
}

impl Compared {
    /// Reads what pgbench says at its end.
    fn parse(said: &str) -> Option<Self> {
        let after = |start: &str| -> Option<f64> {
            let line = said.lines().find_map(|line| line.strip_prefix(start))?;
            line.split_whitespace().next()?.parse().ok()
        };
        if after("number of failed transactions: ").is_some_and(|count| count > 0.0) {
            return None;
        }
        Some(Self {
            transactions_per_second: after("tps = ")?,
            latency_ms: after("latency average = ")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_gets_pgbench_s_variables() {
        let mut values: Vec<_> = (1..=32).map(|n| Some(format!("value {n}"))).collect();
        values[2] = None;
        let statement = JobStatement {
            text: "-- $1 is: a job\nSELECT $1, $2::text,\n  $3::int, $10, $32::uuid, 1",
            values,
        };
        let script = Script::of(&statement);
        let (_, select) = script.text.split_once(":client_id\n").unwrap();
        assert_eq!(
            select,
            "SELECT :job, :v2::text,\n  NULL::int, :v10, gen_random_uuid()::uuid, 1\n;\n"
        );
        assert_eq!(script.values.len(), 32 - 3);
        assert_eq!(script.values[0], ("v2".to_owned(), "value 2".to_owned()));
    }

    #[test]
    fn what_pgbench_says_is_read() {
        let said = "number of transactions actually processed: 321\n\
                    number of failed transactions: 0 (0.000%)\nlatency average = 3.5 ms\n\
                    initial connection time = 20.1 ms\ntps = 107.25 (without initial connection time)\n";
        let compared = Compared::parse(said).unwrap();
        assert_eq!(
            (compared.transactions_per_second, compared.latency_ms),
            (107.25, 3.5)
        );
        let failing = said.replace("transactions: 0", "transactions: 2");
        assert!(Compared::parse(&failing).is_none());
        assert!(Compared::parse("").is_none());
    }
}
