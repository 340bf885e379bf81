//! Runs a command beside a database with tables: `with_tables SCHEMA FOLDER COMMAND [ARGUMENT…]`.
//!
//! The SQL files of FOLDER are run in the order of their names in a database of its own on the server of
//! `RISE_TEST_POSTGRES_URL`. The command finds it in `DATABASE_URL`, with SCHEMA as its search path; the exit status is
//! the command's.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use sandbox::pg::TestDatabase;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::process::Command;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(schema), Some(folder), Some(program)) = (words.next(), words.next(), words.next())
    else {
        return Err("usage: with_tables SCHEMA FOLDER COMMAND [ARGUMENT…]".into());
    };
    let database = TestDatabase::create().await?;
    let url = format!("{}?options=-csearch_path%3D{schema}", database.url());
    let mut connection = PgConnection::connect(&url).await?;
    let create = format!("CREATE SCHEMA \"{}\"", schema.replace('"', "\"\""));
    sqlx::raw_sql(AssertSqlSafe(create))
        .execute(&mut connection)
        .await?;
    for file in sql_files(&folder)? {
        let text = std::fs::read_to_string(&file)?;
        sqlx::raw_sql(AssertSqlSafe(text))
            .execute(&mut connection)
            .await
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    connection.close().await?;
    let status = Command::new(program)
        .args(words)
        .env("DATABASE_URL", &url)
        .status()
        .await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn sql_files(folder: &str) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sql") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
