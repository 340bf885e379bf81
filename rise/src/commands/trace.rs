//! `rise trace`: why a job never started, asked over webhook intake's HTTP, so that neither a database nor a cluster is
//! needed. The verdict stands first, then what proves it, what to answer, the log and the account's state.

mod answer;
mod ask;

use rise_model::EntityId;
use secrecy::SecretString;
use services::github::names::{self, NameError};

use super::Context;
use crate::block_on;
use crate::cli::Trace;
use crate::config::TraceAccess;
use crate::exit::{Exit, Failure, Outcome, chain};
use crate::logging::Loudness;
use crate::output::{Format, Output};

use answer::Answer;
use ask::{Asker, Subject};

/// Asks and shows.
pub(super) fn run(context: &Context, trace: &Trace) -> Outcome {
    let access = context.configuration()?.trace(&context.variables)?;
    let payloads = match context.cli.loudness() {
        Loudness::Verbose | Loudness::VeryVerbose => Payloads::Shown,
        Loudness::Quiet | Loudness::Usual => Payloads::LeftOut,
    };
    let answer = block_on(async {
        let asker = Asker::new(&access)?;
        let subject = subject(&access, trace).await?;
        let mut answer = asker.why(subject, trace).await?;
        if payloads == Payloads::Shown {
            asker.add_payloads(&mut answer).await?;
        }
        Ok::<_, Failure>(answer)
    })?;
    let mut output = Output::stdout();
    match trace.show.format() {
        Format::Json => output.json(&answer.whole)?,
        Format::Text => Answer::read(&answer)?.print(&mut output, trace)?,
    }
    Ok(Exit::Done)
}

/// Whether the log's payloads are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payloads {
    Shown,
    LeftOut,
}

/// What is asked about; a name is given its id first.
async fn subject(access: &TraceAccess, trace: &Trace) -> Result<Subject, Failure> {
    let token = access.github_token.as_ref();
    if let Some(repository) = &trace.repo {
        let (owner, name) = (&repository.owner, &repository.name);
        let owner = match names::owner_of(&access.github_api, token, owner, name).await {
            // A private repository is not shown without a token; its owner is.
            Err(NameError::Unknown { .. }) => account(access, token, owner).await?,
            other => other.map_err(|error| unresolved(&error))?,
        };
        return Ok(Subject::Entity(owner));
    }
    if let Some(login) = &trace.entity_name {
        return Ok(Subject::Entity(account(access, token, login).await?));
    }
    let named = trace
        .entity_id
        .map(Subject::Entity)
        .or(trace.installation().map(Subject::Installation))
        .or(trace.job().map(Subject::Job));
    // clap asks for one of them.
    named.ok_or_else(|| Failure::new(Exit::Usage, "nothing was asked about"))
}

async fn account(
    access: &TraceAccess,
    token: Option<&SecretString>,
    login: &str,
) -> Result<EntityId, Failure> {
    names::account(&access.github_api, token, login)
        .await
        .map_err(|error| unresolved(&error))
}

fn unresolved(error: &NameError) -> Failure {
    Failure::new(Exit::Failed, chain(error)).hint(error.hint())
}
