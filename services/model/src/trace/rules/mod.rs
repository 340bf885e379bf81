//! The rules, in the order in which they are asked.

mod installation;
mod job;
mod queue;

use super::account::Installation;
use super::case::Case;
use super::diagnose::{Cause, Proof, Verdict};
use super::people::spell;
use crate::Time;

/// One of them.
pub(super) struct Rule {
    /// What it looks at, for people.
    pub(super) looks_at: &'static str,
    /// Its verdict, if it can prove one.
    pub(super) find: fn(&Case<'_>) -> Option<Verdict>,
}

const fn rule(looks_at: &'static str, find: fn(&Case<'_>) -> Option<Verdict>) -> Rule {
    Rule { looks_at, find }
}

pub(super) const ALL: &[Rule] = &[
    rule("whether the job ran", job::ran),
    rule(
        "how the job's delivery was answered",
        job::delivery_answered,
    ),
    rule("bans", job::banned),
    rule(
        "whether the App for this kind of account is installed",
        installation::wrong_app,
    ),
    rule(
        "whether the App was uninstalled or suspended",
        installation::standing,
    ),
    rule(
        "whether the repository is selected",
        installation::repository,
    ),
    rule("whether the account was renamed", installation::renamed),
    rule("why the job was given up", job::given_up),
    rule("whether anybody schedules", queue::silent),
    rule("why it waits", queue::waits),
    rule("deliveries that did not arrive", job::missed),
    rule("whether the job is known at all", job::unknown),
    rule(
        "whether the account is known at all",
        installation::unknown_account,
    ),
];

/// None of them has anything to say.
pub(super) fn nothing_found(case: &Case<'_>) -> Verdict {
    let name = case.name();
    let installed = case.installation().map_or_else(
        || "nothing is installed there".to_owned(),
        |it| {
            format!(
                "installation {} is active since {}",
                it.id,
                ago(case, it.since)
            )
        },
    );
    let repository = match case.repository() {
        Some(repository) => format!(" for {repository}"),
        None => String::new(),
    };
    verdict(
        Cause::NothingFound,
        format!("nothing stands in the way of {name}{repository}: {installed}"),
        case.installation().map(|it| Proof::Event(it.event)),
        format!(
            "We see nothing that stands in the way of {name}{repository}. Please run the job again and send us its \
             address if it does not start within ten minutes."
        ),
    )
}

fn verdict(
    cause: Cause,
    headline: String,
    proof: impl IntoIterator<Item = Proof>,
    answer: String,
) -> Verdict {
    Verdict {
        cause,
        headline,
        proof: proof.into_iter().collect(),
        answer,
        looked_at: Vec::new(),
    }
}

/// `3 h ago`.
fn ago(case: &Case<'_>, at: Time) -> String {
    format!("{} ago", spell(case.now - at))
}

/// How a moment lies to the job, if there is one, else to now.
fn placed(case: &Case<'_>, at: Time) -> String {
    let queued = match (case.job, case.rows_of_job().first()) {
        (Some(job), _) => Some(job.queued_at),
        (None, Some(row)) => Some(row.at),
        (None, None) => None,
    };
    match queued {
        Some(queued) if at <= queued => format!("{} before the job", spell(queued - at)),
        Some(queued) => format!("{} after the job was queued", spell(at - queued)),
        None => ago(case, at),
    }
}

/// What can never happen any more, for a headline.
fn never(case: &Case<'_>) -> String {
    match (case.job_id, case.repository()) {
        (Some(job), _) => format!("job {job} can never run"),
        (None, Some(repository)) => format!("no job of {repository} can run"),
        (None, None) => "no job can run".to_owned(),
    }
}

fn of(installation: &Installation) -> Proof {
    Proof::Event(installation.event)
}
