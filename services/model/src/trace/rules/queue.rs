//! Rules about a job that waits.

use chrono::TimeDelta;

use super::{ago, verdict};
use crate::trace::case::{Case, SettingFact};
use crate::trace::diagnose::{Cause, Proof, Verdict};
use crate::trace::people::spell;
use crate::waiting::explain;
use crate::{JobId, Status, Time};

/// A scheduler writes a sign of life every ten seconds; after this nobody is there.
const SILENT_AFTER: TimeDelta = TimeDelta::seconds(60);
/// A runner that is up and gets no job for so long does not get it soon.
const HANDED_OUT_WITHIN: TimeDelta = TimeDelta::seconds(120);

/// The job in question that waits: the one asked about, else the account's oldest.
struct Waits<'a> {
    job: JobId,
    reason: Option<&'a str>,
    since: Time,
    queued: Time,
}

fn waiting<'a>(case: &Case<'a>) -> Option<Waits<'a>> {
    if case.job_id.is_some() {
        let job = case.job.filter(|job| job.status == Status::Pending)?;
        return Some(Waits {
            job: job.id,
            reason: job.waiting_reason.as_deref(),
            since: job.waiting_since.unwrap_or(job.queued_at),
            queued: job.queued_at,
        });
    }
    case.waiting
        .iter()
        .min_by_key(|job| (job.queued_at, job.id))
        .map(|job| Waits {
            job: job.id,
            reason: job.reason.as_deref(),
            since: job.queued_at,
            queued: job.queued_at,
        })
}

/// Nobody schedules.
pub(super) fn silent(case: &Case<'_>) -> Option<Verdict> {
    let waits = waiting(case)?;
    let since = match case.scheduler {
        Some(scheduler) if case.now - scheduler.at <= SILENT_AFTER => return None,
        Some(scheduler) => format!("since {}", spell(case.now - scheduler.at)),
        None => "at all so far".to_owned(),
    };
    Some(verdict(
        Cause::SchedulerSilent,
        format!(
            "no scheduler has given a sign of life {since}; job {} waits for one",
            waits.job
        ),
        [Proof::Scheduler, Proof::Job(waits.job)],
        "Our scheduler is down; we are on it. Jobs that wait start by themselves afterwards."
            .to_owned(),
    ))
}

/// Its waiting reason.
pub(super) fn waits(case: &Case<'_>) -> Option<Verdict> {
    let waits = waiting(case)?;
    let reason = waits.reason?;
    let code = reason.split_once(':').map_or(reason, |(code, _)| code);
    let waited = case.now - waits.since;
    let cause = match code {
        "no_free_board" => Cause::NoFreeBoard,
        "no_board_in_pool" => Cause::NoBoardInPool,
        "at_cap" => Cause::AtCap,
        "paused" => Cause::Paused,
        "backing_off" => Cause::BackingOff,
        "image_breaker" => Cause::ImageTrouble,
        "cluster_unreachable" => Cause::ClusterTrouble,
        "github_unreachable" | "github_budget" => Cause::GitHubTrouble,
        "installation_suspended" => Cause::Suspended,
        "other_scheduler" => Cause::OtherScheduler,
        "starting" => Cause::Starting,
        "runner_ready" if waited >= HANDED_OUT_WITHIN => Cause::RunnerGroup,
        "runner_ready" => Cause::Starting,
        _ => return None,
    };
    let mut proof = vec![Proof::Job(waits.job)];
    let set = setting(case, cause);
    let by = match set {
        Some(set) => {
            proof.push(Proof::Setting(format!("{} {}", set.scope, set.key)));
            said(case, set)
        }
        None => String::new(),
    };
    let headline = format!(
        "job {} waits, queued {}, because {}{by}",
        waits.job,
        ago(case, waits.queued),
        explain(reason)
    );
    Some(verdict(cause, headline, proof, answer(cause).to_owned()))
}

/// What somebody set that makes it wait.
fn setting<'a>(case: &Case<'a>, cause: Cause) -> Option<&'a SettingFact> {
    let key = match cause {
        Cause::Paused => "pause",
        Cause::AtCap => "cap",
        _ => return None,
    };
    case.settings.iter().find(|it| it.key == key)
}

fn said(case: &Case<'_>, set: &SettingFact) -> String {
    let until = match set.until {
        Some(until) => format!(", until {} UTC", until.format("%Y-%m-%d %H:%M")),
        None => String::new(),
    };
    format!(
        " (set {} by {}: {}{until})",
        ago(case, set.set_at),
        set.author,
        set.reason
    )
}

fn answer(cause: Cause) -> &'static str {
    match cause {
        Cause::NoFreeBoard => {
            "All boards have work at the moment. Your job is in the queue and starts by itself when a board is free."
        }
        Cause::NoBoardInPool => {
            "None of the boards that your job needs is up at the moment. We are on it; your job starts by itself then."
        }
        Cause::AtCap => {
            "Your account uses as many boards at a time as it may. The job starts when one of your others is over."
        }
        Cause::Paused => {
            "We paused this for maintenance. Your job is in the queue and starts by itself."
        }
        Cause::BackingOff => {
            "Starting a runner for your job failed lately; it is tried again in some minutes by itself."
        }
        Cause::ImageTrouble => {
            "The runner's image makes trouble at the moment. We are on it; your job starts by itself then."
        }
        Cause::GitHubTrouble => {
            "GitHub's API does not answer us at the moment. Your job starts by itself when it does."
        }
        Cause::Suspended => {
            "The App is suspended on your account. An owner can end that in the App's settings; the job then starts by \
             itself."
        }
        Cause::RunnerGroup => {
            "A runner is ready for your job, and GitHub does not hand the job out. Please check under Settings → Actions → \
             Runner groups that the group of our runners admits your repository (public ones too)."
        }
        Cause::Starting => "A board is being prepared for your job; it starts in a moment.",
        _ => "There is trouble on our side; we are on it. Your job starts by itself afterwards.",
    }
}
