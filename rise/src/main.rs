//! `rise`: free, native RISC-V CI for every GitHub project.
//!
//! What people type and see. The command line is in `cli`, what is in force in `config`, each family of commands in a
//! file below `commands`; the services themselves are in the crate `services`.

mod cli;
mod commands;
mod config;
mod exit;
mod logging;
mod output;
mod tui;
mod when;

use std::process::ExitCode;

use crate::exit::{Exit, Failure, Outcome};

fn main() -> ExitCode {
    let exit = match cli::parse().and_then(run) {
        Ok(exit) => exit,
        Err(failure) => {
            output::failure(&failure);
            failure.exit
        }
    };
    exit.into()
}

fn run(cli: cli::Cli) -> Outcome {
    // One TLS provider is compiled in; a dependency that brings another one must not make it a matter of luck.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    commands::run(cli)
}

/// A runtime for the commands that talk to somebody.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no threads: {error}")))?
        .block_on(future)
}
