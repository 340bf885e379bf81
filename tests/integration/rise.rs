//! Running the binary in an environment of its own, and tables to run it on.

use std::process::{Command, Output, Stdio};

use sandbox::pg::TestDatabase;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// How a command ended and what it said.
pub(crate) struct Answer {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The binary with nothing of this process's environment.
pub(crate) fn command(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rise"));
    command
        .args(line.split_whitespace())
        .env_clear()
        .env("HOME", env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null());
    command
}

/// Runs a command line to its end.
pub(crate) fn run(line: &str, variables: &[(&str, &str)]) -> Answer {
    command(line)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
        .into()
}

/// Tables in a database of their own.
pub(crate) struct Tables {
    pub(crate) database: TestDatabase,
    pub(crate) sql: PgPool,
}

impl Tables {
    /// An empty database.
    pub(crate) async fn none() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let url = format!("{}?options=-csearch_path%3Dstaging", database.url());
        let sql = PgPoolOptions::new()
            .max_connections(2)
            .connect_lazy(&url)
            .unwrap();
        Self { database, sql }
    }

    /// With the tables that `rise db migrate` makes.
    pub(crate) async fn migrated() -> Self {
        let tables = Self::none().await;
        let answer = tables.run("db migrate");
        assert_eq!(answer.status, 0, "{}", answer.err);
        tables
    }

    /// Runs a command that needs nothing but the tables.
    pub(crate) fn run(&self, line: &str) -> Answer {
        run(line, &[("POSTGRES_URL", self.database.url())])
    }

    /// Runs statements.
    pub(crate) async fn sql(&self, statements: &'static str) {
        sqlx::raw_sql(statements).execute(&self.sql).await.unwrap();
    }
}
