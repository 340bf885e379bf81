//! One file a family of commands. Each takes what was typed and returns how it ended.

#[cfg(feature = "sandbox")]
mod bench;
mod board;
mod config;
mod db;
mod events;
mod health;
pub(crate) mod lists;
mod operator;
#[cfg(feature = "sandbox")]
mod sandbox;
mod serve;
mod settings;
mod shell;
pub(crate) mod status;
mod stories;
mod trace;
mod tui;

use crate::cli::{Cli, Command};
use crate::config::{Configuration, Variables, failure};
use crate::exit::Outcome;
use crate::logging;

/// Does what was typed.
pub(crate) fn run(cli: Cli) -> Outcome {
    let context = Context {
        variables: Variables::of_process(),
        cli: cli.global,
    };
    if !matches!(cli.command, Command::Serve(_)) && !tui::takes_terminal(&cli.command) {
        logging::start(logging::command_level(context.cli.loudness()));
    }
    match cli.command {
        Command::Serve(command) => serve::run(&context, command),
        Command::Db(command) => db::run(&context, command),
        Command::Config(command) => config::run(&context, command),
        Command::Status(show) => status::run(&context, show),
        Command::Tui(options) => tui::run(&context, &options),
        Command::Jobs(jobs) => lists::jobs(&context, &jobs),
        Command::Job(job) => stories::job(&context, &job),
        Command::Worker(worker) => stories::worker(&context, &worker),
        Command::Events(events) => events::run(&context, &events),
        Command::Workers(workers) => lists::workers(&context, &workers),
        Command::Set(set) => settings::set(&context, &set),
        Command::Unset(unset) => settings::unset(&context, &unset),
        Command::Settings(list) => settings::list(&context, list),
        Command::Ban(ban) => settings::ban(&context, &ban),
        Command::Unban(unban) => settings::unban(&context, &unban),
        Command::Pause(pause) => settings::pause(&context, &pause),
        Command::Resume(resume) => settings::resume(&context, &resume),
        Command::Board(board) => board::run(&context, board),
        Command::Trace(trace) => trace::run(&context, &trace),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(options) => sandbox::run(&context, options),
        #[cfg(feature = "sandbox")]
        Command::Bench(bench) => bench::run(&context, bench),
        Command::Completions { shell } => shell::completions(shell),
        Command::Man => shell::man(),
        Command::Health(health) => health::run(&context, health),
    }
}

/// What every command may look at.
pub(crate) struct Context {
    /// The environment of the process.
    pub(crate) variables: Variables,
    /// What every command understands.
    pub(crate) cli: crate::cli::Global,
}

impl Context {
    /// The configuration, with its problems in it.
    pub(crate) fn configuration(&self) -> Result<Configuration, crate::exit::Failure> {
        Configuration::load(&self.cli.choice(), &self.variables)
            .map_err(|problem| failure(vec![problem]))
    }
}
