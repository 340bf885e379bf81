//! Commands by name, for those who do not know the key.

use super::app::{App, Effect, View};
use super::keys::Command;
use super::text;

/// A command that can be typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proposal {
    pub(super) name: &'static str,
    pub(super) says: &'static str,
}

const fn proposal(name: &'static str, says: &'static str) -> Proposal {
    Proposal { name, says }
}

const COMMANDS: &[Proposal] = &[
    proposal("overview", "how everything stands"),
    proposal("pools", "who asks for what, and the boards"),
    proposal("workers", "the workers"),
    proposal("jobs", "the jobs"),
    proposal("failures", "what failed, by what it has in common"),
    proposal(
        "trace",
        "trace LOGIN|ID: what was logged of an account, an installation, a job",
    ),
    proposal(
        "filter",
        "filter WORDS: only rows with these words; !WORDS leaves them out",
    ),
    proposal("sort", "sort COLUMN; again: the other way round"),
    proposal("worker", "worker NAME: its story"),
    proposal("job", "job ID: its story"),
    proposal("hold", "hold the picture, or let it go on"),
    proposal("export", "write what is shown to a JSON file"),
    proposal(
        "mouse",
        "the mouse scrolls and selects, or is the terminal's",
    ),
    proposal("help", "what keys do here"),
    proposal("quit", "quit"),
];

/// Commands that what was typed may mean, the likeliest first.
pub(super) fn proposals(typed: &str) -> Vec<&'static Proposal> {
    let word = typed
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_lowercase();
    let begins = COMMANDS
        .iter()
        .filter(|command| command.name.starts_with(&word));
    let contains = COMMANDS
        .iter()
        .filter(|command| !command.name.starts_with(&word) && has_letters(command.name, &word));
    begins.chain(contains).collect()
}

/// Whether the letters are in the name, in this order.
fn has_letters(name: &str, letters: &str) -> bool {
    let mut rest = name.chars();
    letters.chars().all(|letter| rest.any(|c| c == letter))
}

/// Does what was typed.
pub(super) fn run(app: &mut App, typed: &str, choice: usize) -> Vec<Effect> {
    let Some(command) = proposals(typed).get(choice).copied() else {
        app.note = Some(format!(
            "there is no command `{}`; ? shows what there is",
            text::head(typed, 30)
        ));
        return Vec::new();
    };
    if typed.is_empty() {
        return Vec::new();
    }
    let rest = typed
        .split_once(char::is_whitespace)
        .map_or("", |(_, rest)| rest.trim());
    match command.name {
        "overview" => app.command(Command::Show(View::Overview)),
        "pools" => app.command(Command::Show(View::Pools)),
        "workers" => app.command(Command::Show(View::Workers)),
        "jobs" => app.command(Command::Show(View::Jobs)),
        "failures" => app.command(Command::Show(View::Failures)),
        "trace" if rest.is_empty() => app.command(Command::Show(View::Trace)),
        "trace" => app.look_up(rest.to_owned()),
        "filter" => {
            if let Some(list) = app.list() {
                app.set_filter(list, rest.to_owned());
            }
            Vec::new()
        }
        "sort" => sort(app, rest),
        "worker" if !rest.is_empty() => {
            app.show(View::Workers);
            app.open(super::grid::Id::Worker(rest.to_owned()))
        }
        "job" => match rest.parse() {
            Ok(id) => {
                app.show(View::Jobs);
                app.open(super::grid::Id::Job(id))
            }
            Err(_) => {
                app.note = Some("write the job's number: job 43718000662".to_owned());
                Vec::new()
            }
        },
        "hold" => app.command(Command::Freeze),
        "export" => app.command(Command::Export),
        "mouse" => app.command(Command::Mouse),
        "help" => app.command(Command::Help),
        "quit" => app.command(Command::Quit),
        other => {
            app.note = Some(format!("{other}: {}", command.says));
            Vec::new()
        }
    }
}

fn sort(app: &mut App, column: &str) -> Vec<Effect> {
    let wanted = column.to_uppercase();
    let found = app.list().and_then(|list| {
        let columns = app.grid(list)?.columns;
        let at = columns
            .iter()
            .position(|column| !wanted.is_empty() && column.name.starts_with(&wanted))?;
        Some((list, at))
    });
    match found {
        Some((list, at)) => app.sort_by(list, at),
        None => {
            app.note = Some(format!(
                "there is no column `{}` here",
                text::head(column, 20)
            ));
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_find_a_command() {
        let names = |typed: &str| proposals(typed).iter().map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names("wo"), ["workers", "worker", "overview"][..2].to_vec());
        assert_eq!(names("trace 7")[0], "trace");
        assert_eq!(names("flrs"), ["failures"]);
        assert!(names("xyz").is_empty());
        assert_eq!(names("").len(), COMMANDS.len());
    }
}
