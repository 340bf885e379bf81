//! `rise completions` and `rise man`: for shells and packages.

use clap_complete::Shell;

use crate::cli;
use crate::exit::{Exit, Outcome};
use crate::output::Output;

/// Prints the completion script.
pub(super) fn completions(shell: Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "rise", &mut script);
    Output::stdout().raw(&script)?;
    Ok(Exit::Done)
}

/// Prints the manual page.
pub(super) fn man() -> Outcome {
    let mut page = Vec::new();
    clap_mangen::Man::new(cli::command()).render(&mut page)?;
    Output::stdout().raw(&page)?;
    Ok(Exit::Done)
}
