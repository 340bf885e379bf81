//! The first page of help: one screen, the commands grouped by who uses them.

use std::fmt::Write as _;

/// Who uses which commands, a line each: those that belong together share one. A test holds that every command is in
/// one group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Services", &["serve", "db", "config"]),
    (
        "On-call",
        &[
            "status, tui",
            "jobs, workers",
            "job, worker, events",
            "settings, set, unset",
            "ban, unban, pause, resume, board",
        ],
    ),
    ("Support", &["trace"]),
    #[cfg(feature = "sandbox")]
    ("Try it", &["sandbox", "bench"]),
    ("Shell", &["completions, man"]),
];

/// What lines say that are about more than their first command.
const TOGETHER: &[(&str, &str)] = &[
    ("jobs, workers", "List jobs or workers, the newest first"),
    ("status, tui", "Show everything on one screen, once or live"),
    (
        "job, worker, events",
        "Tell one's whole story; print or follow the log",
    ),
    (
        "settings, set, unset",
        "List and change caps, weights and all below",
    ),
    (
        "ban, unban, pause, resume, board",
        "Take no jobs, begin nothing new, spare boards",
    ),
    (
        "completions, man",
        "Print completions for a shell, the manual page",
    ),
];

/// The command line, with our help page.
pub(crate) fn command() -> clap::Command {
    let command = super::derived();
    let page = page(&command);
    command.help_template(page)
}

fn page(command: &clap::Command) -> String {
    let mut page = "{about-with-newline}\n{usage-heading} rise <COMMAND>\n\n".to_owned();
    for (group, names) in GROUPS {
        let _ = writeln!(page, "{group}:");
        for line in *names {
            let together = TOGETHER.iter().find(|(names, _)| names == line);
            let about = match together {
                Some((_, about)) => (*about).to_owned(),
                None => command
                    .find_subcommand(line)
                    .and_then(|command| command.get_about())
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            };
            let _ = writeln!(page, "  {line:<17} {about}");
        }
    }
    page.push_str(
        "\nEverywhere: --config FILE, --env prod|staging, -v, -q, -h; --version\n\
         `rise COMMAND --help` says more, with examples.",
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_fits_one_screen() {
        for long in [false, true] {
            let mut command = command();
            let page = if long {
                command.render_long_help()
            } else {
                command.render_help()
            };
            let page = page.to_string();
            assert!(page.lines().count() <= 24, "{page}");
            assert!(
                page.lines().all(|line| line.chars().count() <= 80),
                "{page}"
            );
        }
        insta::assert_snapshot!(command().render_help());
    }

    #[test]
    fn every_command_is_in_one_group() {
        let mut grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, lines)| *lines)
            .flat_map(|line| line.split(", "))
            .collect();
        grouped.sort_unstable();
        let command = command();
        let mut known: Vec<&str> = command
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
            .map(clap::Command::get_name)
            .collect();
        known.sort_unstable();
        assert_eq!(grouped, known);
    }

    #[test]
    fn every_command_has_an_example_that_is_read() {
        fn check(command: &clap::Command) {
            if command.has_subcommands() {
                command.get_subcommands().for_each(check);
                return;
            }
            let help = command
                .get_after_long_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let (_, examples) = help
                .split_once("Example:\n")
                .unwrap_or_else(|| panic!("{} has no example", command.get_name()));
            for example in examples.lines() {
                let words = example.split_whitespace();
                let read = super::command().try_get_matches_from(words);
                assert!(read.is_ok(), "{example}: {read:?}");
            }
        }
        let mut command = command();
        command.build();
        check(&command);
    }
}
