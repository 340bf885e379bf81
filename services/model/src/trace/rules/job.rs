//! Rules about one job: what came of it, and what was ever heard of it.

use serde_json::Value;

use super::{ago, verdict};
use crate::Status;
use crate::trace::case::Case;
use crate::trace::diagnose::{Cause, Proof, Verdict};
use crate::trace::event::Event;
use crate::trace::people::spell;

/// It is over, or a runner has it.
pub(super) fn ran(case: &Case<'_>) -> Option<Verdict> {
    let job = case.job?;
    let proof = [Proof::Job(job.id)];
    let on = match &job.worker {
        Some(worker) => format!(" on {worker}"),
        None => String::new(),
    };
    match job.status {
        Status::Pending | Status::Failed => None,
        Status::Running => {
            let since = job.started_at.unwrap_or(job.queued_at);
            Some(verdict(
                Cause::Running,
                format!("job {} runs{on}, since {}", job.id, spell(case.now - since)),
                proof,
                "The job is running now.".to_owned(),
            ))
        }
        Status::Completed => {
            let how = job.conclusion.as_deref().unwrap_or("completed");
            let waited = match job.started_at {
                Some(started) => {
                    format!("it waited {} and ran{on}", spell(started - job.queued_at))
                }
                None => "it never started".to_owned(),
            };
            let when = match job.finished_at {
                Some(at) => format!(" {}", ago(case, at)),
                None => String::new(),
            };
            Some(verdict(
                Cause::Finished,
                format!("job {} is over ({how}){when}: {waited}", job.id),
                proof,
                format!("The job is over ({how}); {waited}."),
            ))
        }
    }
}

/// The delivery was answered, and the job was not taken.
pub(super) fn delivery_answered(case: &Case<'_>) -> Option<Verdict> {
    let job = case.job_id?;
    if case.job.is_some() {
        return None;
    }
    let rows = case.rows_of_job();
    let row = rows.last()?;
    let labels = row.facts.labels.join(", ");
    let (cause, headline, answer) = match row.outcome.as_str() {
        "ignored_no_label" => (
            Cause::LabelNotRouted,
            format!("job {job} asks for [{labels}], which no route takes"),
            format!(
                "`runs-on: [{labels}]` is none of our labels. Please use `runs-on: ubuntu-24.04-riscv`, alone and spelled \
                 exactly so."
            ),
        ),
        "not_allowed" => (
            Cause::NotAllowed,
            format!("job {job} asks for [{labels}], which are for other accounts"),
            "These labels belong to boards that are set aside for some projects. Please use `runs-on: \
             ubuntu-24.04-riscv`, or ask us to be admitted."
                .to_owned(),
        ),
        "ignored_private" => (
            Cause::Private,
            format!("job {job} is of a private repository, and only public ones are served"),
            "Our runners serve public repositories only.".to_owned(),
        ),
        "banned_entity" | "banned_sender" => return Some(banned_by(case, row)),
        "proxied_to_staging" | "proxy_failed" => (
            Cause::Staging,
            format!("job {job} was handed to staging ({})", row.outcome),
            "This repository's jobs run on our staging system. We look into it there.".to_owned(),
        ),
        _ => return None,
    };
    Some(verdict(cause, headline, [Proof::Event(row.id)], answer))
}

fn banned_by(case: &Case<'_>, row: &Event) -> Verdict {
    let who = if row.outcome == "banned_sender" {
        "who started it".to_owned()
    } else {
        case.name()
    };
    verdict(
        Cause::Banned,
        format!("{who} was banned {}", ago(case, row.at)),
        [Proof::Event(row.id)],
        "Jobs of this account are not accepted at present. Please write to us if you think that this is a mistake."
            .to_owned(),
    )
}

/// A ban is in force that concerns what is asked about.
pub(super) fn banned(case: &Case<'_>) -> Option<Verdict> {
    let ban = case.settings.iter().find(|it| it.key == "ban")?;
    let until = match ban.until {
        Some(until) => format!(" until {} UTC", until.format("%Y-%m-%d %H:%M")),
        None => String::new(),
    };
    Some(verdict(
        Cause::Banned,
        format!(
            "{} is banned since {}{until} by {}: {}",
            ban.scope,
            ago(case, ban.set_at),
            ban.author,
            ban.reason
        ),
        [Proof::Setting(format!("{} {}", ban.scope, ban.key))],
        format!(
            "Jobs of this account are not accepted{until}. Please write to us if you think that this is a mistake."
        ),
    ))
}

/// It failed for a reason that its row holds.
pub(super) fn given_up(case: &Case<'_>) -> Option<Verdict> {
    let job = case.job.filter(|job| job.status == Status::Failed)?;
    let why = failure(job.failure.as_ref());
    Some(verdict(
        Cause::Failed,
        format!("job {} was given up: {why}", job.id),
        [Proof::Job(job.id)],
        format!("We gave the job up ({why}). Please run it again; if that happens twice, tell us."),
    ))
}

/// What a failure says, in any of the shapes that were ever written.
fn failure(info: Option<&Value>) -> String {
    let word = |name: &str| info.and_then(|info| info[name].as_str());
    word("message")
        .or_else(|| word("reason"))
        .unwrap_or("no reason was written")
        .to_owned()
}

/// The log does not know it, and GitHub could not bring deliveries at that time.
pub(super) fn missed(case: &Case<'_>) -> Option<Verdict> {
    let job = case.job_id?;
    if case.job.is_some() || !case.rows_of_job().is_empty() {
        return None;
    }
    let lost: Vec<_> = case
        .lost
        .iter()
        .filter(|delivery| delivery.event.starts_with("workflow_job"))
        .collect();
    let first = lost.first()?;
    let what = match first.given_up_at {
        Some(at) => format!(
            "asked for again {} times and given up {}",
            first.tries,
            ago(case, at)
        ),
        None => format!("asked for again {} times so far", first.tries),
    };
    Some(verdict(
        Cause::MissedDelivery,
        format!(
            "nothing was heard of job {job}, and {} deliveries of jobs did not arrive ({what}): its own may be one of them; \
             `rise job import` brings it in",
            lost.len()
        ),
        lost.iter()
            .map(|delivery| Proof::Delivery(delivery.guid.clone())),
        "GitHub could not tell us of this job. We fetch it now; it should start soon. Otherwise please run it again."
            .to_owned(),
    ))
}

/// Nothing at all is known of it.
pub(super) fn unknown(case: &Case<'_>) -> Option<Verdict> {
    let job = case.job_id?;
    if case.job.is_some() || !case.rows_of_job().is_empty() {
        return None;
    }
    let repository = match case.repository() {
        Some(repository) => format!(" of {repository}"),
        None => String::new(),
    };
    Some(verdict(
        Cause::JobUnknown,
        format!(
            "nothing was ever heard of job {job}{repository}: neither the tables nor the log have it{}",
            match case.repository {
                Some(_) => "",
                None => "; with --repo OWNER/NAME it is checked whether that is covered",
            }
        ),
        [],
        "We never heard of this job. Please check that its repository is among those of the App, that its `runs-on` is one \
         of our labels, and send us the address of the job."
            .to_owned(),
    ))
}
