//! Rules about the Apps' installations.

use super::{ago, never, of, placed, verdict};
use crate::trace::account::{Coverage, Rename, Standing};
use crate::trace::case::Case;
use crate::trace::diagnose::{Cause, Proof, Verdict};
use crate::trace::event::Event;
use crate::{EntityKind, Status};

/// The App of the other kind of account is there, and not the right one.
pub(super) fn wrong_app(case: &Case<'_>) -> Option<Verdict> {
    let kind = case.account.kind?;
    let right = case.apps.serving(kind);
    let other = match kind {
        EntityKind::Organization => case.apps.personal,
        EntityKind::User => case.apps.organization,
    };
    let wrong = case.account.installed(other)?;
    if case.account.installed(right).is_some() {
        return None;
    }
    let name = case.name();
    let (is, app, page) = match kind {
        EntityKind::Organization => ("an organization", "personal accounts", "/setup/org"),
        EntityKind::User => ("a personal account", "organizations", "/setup/personal"),
    };
    Some(verdict(
        Cause::WrongApp,
        format!(
            "the App for {app} is installed on {name}, which is {is}: {}",
            never(case)
        ),
        [of(wrong)],
        format!(
            "{name} is {is}, but the App for {app} is installed there; it cannot register runners for you. Please \
             install the other App (our page {page} leads to it), then run the job again."
        ),
    ))
}

/// Uninstalled, installed anew, suspended.
pub(super) fn standing(case: &Case<'_>) -> Option<Verdict> {
    let installation = case.installation()?;
    let (name, when) = (case.name(), placed(case, installation.since));
    match installation.standing {
        Standing::Active => None,
        Standing::Suspended => Some(verdict(
            Cause::Suspended,
            format!(
                "{name} suspended the App {when}; {} until that ends",
                waits(case)
            ),
            [of(installation)],
            format!(
                "The App is suspended on {name} since {} UTC. An owner can end that under Settings → Applications → \
                 Configure; jobs that wait then start by themselves.",
                installation.since.format("%Y-%m-%d %H:%M")
            ),
        )),
        Standing::Deleted => Some(match newer(case) {
            Some(newer) => verdict(
                Cause::Reinstalled,
                format!(
                    "{name} uninstalled the App {when} and installed it again {}: what came by installation {} is over, \
                     installation {} counts now",
                    ago(case, newer.first_seen),
                    installation.id,
                    newer.id
                ),
                [of(installation), Proof::Event(newer.base.unwrap_or(newer.event))],
                "The App was uninstalled and installed again in between; GitHub gives what was queued before to nobody. \
                 Please run the job again."
                    .to_owned(),
            ),
            None => verdict(
                Cause::Uninstalled,
                format!("{name} uninstalled the App {when}; {}", never(case)),
                [of(installation)],
                format!(
                    "The App was uninstalled from {name} on {} UTC. Please install it again and run the job again.",
                    installation.since.format("%Y-%m-%d %H:%M")
                ),
            ),
        }),
    }
}

/// The same App's installation that took the place of a deleted one.
fn newer<'a>(case: &Case<'a>) -> Option<&'a crate::trace::account::Installation> {
    let deleted = case.installation()?;
    let alive = case.account.installed(deleted.app?)?;
    (alive.first_seen >= deleted.since).then_some(alive)
}

fn waits(case: &Case<'_>) -> String {
    match case.job_id {
        Some(job) => format!("job {job} waits"),
        None => "its jobs wait".to_owned(),
    }
}

/// The installation does not cover the repository.
pub(super) fn repository(case: &Case<'_>) -> Option<Verdict> {
    let installation = case.installation()?;
    let repository = case.repository()?;
    match installation.covers(repository) {
        Coverage::Covered | Coverage::Unknown => None,
        Coverage::Removed { at, event } => Some(verdict(
            Cause::RepositoryRemoved,
            format!(
                "{repository} was taken from the App's repositories {}; {}",
                placed(case, at),
                never(case)
            ),
            [Proof::Event(event)],
            format!(
                "{repository} is no longer among the repositories that the App may use. Please select it again in the \
                 App's settings and run the job again."
            ),
        )),
        // GitHub brought the job: the repository was selected then, whatever the log lacks.
        Coverage::NeverSelected { .. } if case.job.is_some() => None,
        Coverage::NeverSelected { base } => Some(verdict(
            Cause::RepositoryNeverSelected,
            format!(
                "the App is installed on {} for selected repositories, and {repository} never was one of them: GitHub \
                 tells us nothing of its jobs",
                case.name()
            ),
            [Proof::Event(base)],
            format!(
                "The App is installed, but {repository} is not among its selected repositories. Please add it in the \
                 App's settings (or choose all repositories) and run the job again."
            ),
        )),
    }
}

/// Renamed, and GitHub no longer knew the account by the old name.
pub(super) fn renamed(case: &Case<'_>) -> Option<Verdict> {
    if case.job.is_some_and(|job| job.status == Status::Pending) {
        // Calls take the newest name: while it waits, it waits for something else.
        return None;
    }
    let rename = case.account.renames.last()?;
    let refused = refused_after(case, rename);
    let asked_by_old_name = match (&rename.from, case.repository()) {
        (Some(from), Some(repository)) => repository
            .split_once('/')
            .is_some_and(|(owner, _)| owner.eq_ignore_ascii_case(from)),
        _ => false,
    };
    if refused.is_none() && !asked_by_old_name {
        return None;
    }
    let from = rename.from.as_deref().unwrap_or("another name");
    let proof = [Some(rename.event), refused.map(|event| event.id)];
    Some(verdict(
        Cause::Renamed,
        format!(
            "{from} is called {} since {}; what was queued under the old name was not found any more",
            rename.to,
            ago(case, rename.at)
        ),
        proof.into_iter().flatten().map(Proof::Event),
        format!(
            "Your account was renamed from {from} to {} while the job waited. Please run the job again.",
            rename.to
        ),
    ))
}

fn refused_after<'a>(case: &Case<'a>, rename: &Rename) -> Option<&'a Event> {
    case.events
        .iter()
        .find(|event| event.outcome == "auth_404" && event.at >= rename.at)
}

/// The log has no row of the account, and nobody asks about a job.
pub(super) fn unknown_account(case: &Case<'_>) -> Option<Verdict> {
    if !case.events.is_empty() || case.job_id.is_some() || !case.waiting.is_empty() {
        return None;
    }
    Some(verdict(
        Cause::NotInstalled,
        format!("nothing was ever heard of {}", case.name()),
        [],
        "The App was never installed on this account, as far as we can see. Please install it; our pages /setup/org and \
         /setup/personal tell whether that worked."
            .to_owned(),
    ))
}
