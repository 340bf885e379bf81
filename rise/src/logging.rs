//! Logs, on standard error: text on a terminal, one JSON object a line elsewhere.
//!
//! A service logs at `LOGLEVEL`, INFO without it. Other commands tell what goes wrong, and more with `-v`.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Problem, Variable, Variables};

/// How much the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// `-q`.
    Quiet,
    /// Nothing was said.
    Usual,
    /// `-v`.
    Verbose,
    /// `-vv`.
    VeryVerbose,
}

/// The level of a service. The command line is stronger than `LOGLEVEL`.
pub(crate) fn service_level(
    loudness: Loudness,
    variables: &Variables,
) -> Result<LevelFilter, Problem> {
    let level = match variables.get(Variable::Loglevel)? {
        Some(value) => parse(&value.text)?,
        None => LevelFilter::INFO,
    };
    Ok(match loudness {
        Loudness::Quiet => LevelFilter::ERROR,
        Loudness::Usual => level,
        Loudness::Verbose | Loudness::VeryVerbose => LevelFilter::DEBUG,
    })
}

/// The level of any other command.
pub(crate) fn command_level(loudness: Loudness) -> LevelFilter {
    match loudness {
        Loudness::Quiet => LevelFilter::ERROR,
        Loudness::Usual => LevelFilter::WARN,
        Loudness::Verbose => LevelFilter::INFO,
        Loudness::VeryVerbose => LevelFilter::DEBUG,
    }
}

fn parse(word: &str) -> Result<LevelFilter, Problem> {
    match word.to_uppercase().as_str() {
        "DEBUG" => Ok(LevelFilter::DEBUG),
        "INFO" => Ok(LevelFilter::INFO),
        "WARN" => Ok(LevelFilter::WARN),
        "ERROR" => Ok(LevelFilter::ERROR),
        _ => {
            Err(Problem::new(format!("LOGLEVEL is `{word}`"))
                .hint("write DEBUG, INFO, WARN or ERROR"))
        }
    }
}

/// Begins to log.
pub(crate) fn start(level: LevelFilter) {
    let terminal = io::stderr().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let layer = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_writer(io::stderr);
    let logs = tracing_subscriber::registry().with(filter(level));
    if terminal {
        logs.with(layer.with_ansi(colour).compact()).init();
    } else {
        let layer = layer.json().flatten_event(true).with_current_span(false);
        logs.with(layer).init();
    }
}

/// Begins to log to a file, for programs whose terminal shows something else.
pub(crate) fn start_in_file(level: LevelFilter, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    let layer = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file));
    tracing_subscriber::registry()
        .with(filter(level))
        .with(layer.compact())
        .init();
    Ok(())
}

/// Where programs log whose terminal shows something else.
pub(crate) fn file() -> PathBuf {
    use etcetera::BaseStrategy;
    let folder = etcetera::choose_base_strategy()
        .ok()
        .and_then(|folders| Some(folders.state_dir()?.join("rise")));
    folder.unwrap_or_else(std::env::temp_dir).join("tui.log")
}

/// Crates that are not ours tell only trouble: what HTTP clients say at DEBUG holds headers, and so tokens.
fn filter(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("rise", level)
        .with_target("services", level)
        .with_target("sandbox", level)
        // It tells every failed call once more, without saying which.
        .with_target("kube_client::client::builder", LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(loudness: Loudness, value: &str) -> Result<LevelFilter, String> {
        let variables = Variables::of(&[("LOGLEVEL", value)]);
        service_level(loudness, &variables).map_err(|problem| problem.text)
    }

    #[test]
    fn the_command_line_is_stronger_than_the_variable() {
        assert_eq!(level(Loudness::Usual, ""), Ok(LevelFilter::INFO));
        assert_eq!(level(Loudness::Usual, "warn"), Ok(LevelFilter::WARN));
        assert_eq!(level(Loudness::Verbose, "ERROR"), Ok(LevelFilter::DEBUG));
        assert_eq!(
            level(Loudness::Usual, "chatty"),
            Err("LOGLEVEL is `chatty`".to_owned())
        );
    }
    #[test]
    fn what_is_not_ours_stays_below_info() {
        let filter = filter(LevelFilter::DEBUG);
        assert!(filter.would_enable("services::ghfe", &tracing::Level::DEBUG));
        assert!(filter.would_enable("rise_model", &tracing::Level::DEBUG));
        assert!(filter.would_enable("sqlx::query", &tracing::Level::WARN));
        assert!(!filter.would_enable("h2::codec", &tracing::Level::INFO));
        assert!(!filter.would_enable("kube_client::client::builder", &tracing::Level::ERROR));
        let quiet = super::filter(LevelFilter::ERROR);
        assert!(!quiet.would_enable("sqlx::query", &tracing::Level::WARN));
    }
}
