//! Jobs and runs. Those of public repositories are everybody's; of private ones only an installation's that was granted
//! `actions`.

use serde_json::{Value, json};

use super::answers::Ask;
use super::reply::{Reply, page_of};
use crate::world::github::{Caller, GitHub, JobId, Repository, Run, RunId};

/// A repository whose jobs the caller may read.
fn readable<'g>(
    github: &'g GitHub,
    ask: &Ask<'_>,
    full_name: &str,
) -> Result<&'g Repository, Reply> {
    let repository = ask.visible_repository(github, full_name)?;
    if !repository.private {
        return Ok(repository);
    }
    let installation = match ask.caller {
        Caller::Installation(id) => github.installation(id),
        Caller::App(_) | Caller::Anonymous => None,
    };
    let app = installation.and_then(|installation| github.app(installation.app_id));
    if app.is_some_and(|app| app.may("actions")) {
        Ok(repository)
    } else {
        Err(Reply::inaccessible())
    }
}

fn run_of<'g>(github: &'g GitHub, repository: &Repository, id: RunId) -> Result<&'g Run, Reply> {
    github
        .run(id)
        .filter(|run| run.repository == repository.id)
        .ok_or_else(Reply::not_found)
}

pub(super) fn get_job(
    github: &GitHub,
    ask: &Ask<'_>,
    full_name: &str,
    id: JobId,
) -> Result<Reply, Reply> {
    let repository = readable(github, ask, full_name)?;
    let job = github.job(id).filter(|job| job.repository == repository.id);
    Ok(Reply::ok(
        github.job_json(job.ok_or_else(Reply::not_found)?),
    ))
}

pub(super) fn list_runs(github: &GitHub, ask: &Ask<'_>, full_name: &str) -> Result<Reply, Reply> {
    let repository = readable(github, ask, full_name)?;
    let status = ask.query.get("status");
    let branch = ask.query.get("branch");
    let asked_for = |run: &&Run| {
        let state = github.run_state(run);
        let conclusion = state.conclusion().map(|conclusion| conclusion.as_str());
        run.repository == repository.id
            && branch.is_none_or(|branch| *branch == run.head_branch)
            && status.is_none_or(|word| state.status() == word || conclusion == Some(word.as_str()))
    };
    // Newest first, as GitHub lists them.
    let page = page_of(
        github.runs().rev().filter(asked_for).collect(),
        &ask.query,
        &ask.url(github),
    );
    let runs = page
        .items
        .into_iter()
        .map(|run| github.run_json(run, repository));
    let body = json!({"total_count": page.total, "workflow_runs": runs.collect::<Value>()});
    Ok(Reply {
        link: page.link,
        ..Reply::ok(body)
    })
}

pub(super) fn get_run(
    github: &GitHub,
    ask: &Ask<'_>,
    full_name: &str,
    id: RunId,
) -> Result<Reply, Reply> {
    let repository = readable(github, ask, full_name)?;
    let run = run_of(github, repository, id)?;
    Ok(Reply::ok(github.run_json(run, repository)))
}

/// Every run here has one attempt, so that `filter=latest` and `filter=all` are the same.
pub(super) fn list_run_jobs(
    github: &GitHub,
    ask: &Ask<'_>,
    full_name: &str,
    id: RunId,
) -> Result<Reply, Reply> {
    let repository = readable(github, ask, full_name)?;
    let run = run_of(github, repository, id)?;
    let jobs = run.jobs.iter().filter_map(|id| github.job(*id)).collect();
    let page = page_of(jobs, &ask.query, &ask.url(github));
    let jobs = page.items.into_iter().map(|job| github.job_json(job));
    let body = json!({"total_count": page.total, "jobs": jobs.collect::<Value>()});
    Ok(Reply {
        link: page.link,
        ..Reply::ok(body)
    })
}
