//! Wrong input: one line that says what was wrong and what was expected, then hints.

use clap::error::ErrorKind;

use crate::exit::{Exit, Failure};

/// What clap found wrong, in our manners. Help and version, which clap reports the same way, end the process here.
pub(super) fn failure(error: &clap::Error) -> Failure {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Failure::new(Exit::Usage, "a command is missing")
                .hint("`rise --help` lists them, `rise COMMAND --help` says more");
        }
        _ => {}
    }
    let text = error.render().to_string();
    // clap's paragraphs: the error with its list of values, tips, the usage, a word on --help.
    let mut paragraphs = text.split("\n\n");
    let first = paragraphs.next().unwrap_or_default();
    let mut lines = first.lines().map(str::trim);
    let mut message = lines.next().unwrap_or_default().to_owned();
    let mut hints = Vec::new();
    for line in lines {
        match line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            Some(values) => hints.push(values.to_owned()),
            None => {
                message.push(' ');
                message.push_str(line);
            }
        }
    }
    for line in paragraphs.flat_map(str::lines).map(str::trim) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip.to_owned());
        } else if let Some(usage) = line.strip_prefix("Usage: ") {
            hints.push(format!("usage: {usage}"));
        }
    }
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let mut failure = Failure::new(Exit::Usage, message);
    failure.hints = hints;
    failure
}

#[cfg(test)]
mod tests {
    use crate::output::failure_text;

    fn answer(line: &str) -> String {
        match crate::cli::command().try_get_matches_from(line.split_whitespace()) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => failure_text(&super::failure(&error)),
        }
    }

    #[test]
    fn wrong_input_names_the_nearest_right_one() {
        insta::assert_snapshot!(answer("rise statu"), @r"
        error: unrecognized subcommand 'statu'
        hint: a similar subcommand exists: 'status'
        hint: usage: rise [OPTIONS] <COMMAND>
        ");
        insta::assert_snapshot!(answer("rise --env production status"), @r"
        error: invalid value 'production' for '--env <prod|staging>'
        hint: possible values: prod, staging
        hint: a similar value exists: 'prod'
        ");
        insta::assert_snapshot!(answer("rise jobs --stauts failed"), @r"
        error: unexpected argument '--stauts' found
        hint: a similar argument exists: '--status'
        hint: usage: rise jobs --status <STATUS,…>
        ");
        insta::assert_snapshot!(answer("rise jobs --status done"), @"error: invalid value 'done' for '--status <STATUS,…>': a status is pending, running, completed or failed");
        insta::assert_snapshot!(answer("rise jobs --limit 0"), @"error: invalid value '0' for '--limit <N>': 0 is not in 1..=10000");
        insta::assert_snapshot!(answer("rise config route ggml-org x"), @"error: invalid value 'ggml-org' for '<OWNER/REPO>': write it as OWNER/REPO, such as ggml-org/llama.cpp");
        insta::assert_snapshot!(answer("rise config route ggml-org/llama.cpp"), @r"
        error: the following required arguments were not provided: <LABEL>...
        hint: usage: rise config route <OWNER/REPO> <LABEL>...
        ");
        insta::assert_snapshot!(answer("rise serve ghfe --listen 8080"), @"error: invalid value '8080' for '--listen <ADDR>': write it as IP:PORT, such as 127.0.0.1:8080 or [::1]:8080");
        insta::assert_snapshot!(answer("rise db"), @r"
        error: a command is missing
        hint: `rise --help` lists them, `rise COMMAND --help` says more
        ");
    }
}
