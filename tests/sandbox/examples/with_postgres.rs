//! Runs a command beside one private PostgreSQL: `with_postgres cargo nextest run --workspace`.
//!
//! nextest gives every test a process; without this each of them that needs a database starts a server of its own. The
//! command finds the server in `RISE_TEST_POSTGRES_URL`, and the exit status is the command's.

use std::error::Error;
use std::process::ExitCode;

use sandbox::pg::{Options, Postgres};
use tokio::process::Command;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let program = words
        .next()
        .ok_or("usage: with_postgres COMMAND [ARGUMENT…]")?;
    let postgres = Postgres::start(Options::for_tests()).await?;
    let status = Command::new(program)
        .args(words)
        .env("RISE_TEST_POSTGRES_URL", postgres.url())
        .status()
        .await;
    postgres.stop().await?;
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
