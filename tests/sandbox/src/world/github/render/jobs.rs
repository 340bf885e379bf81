//! Jobs, their steps, and runs.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{fields, timestamp};
use crate::world::Time;
use crate::world::github::GitHub;
use crate::world::github::accounts::Repository;
use crate::world::github::config::AccountKind;
use crate::world::github::ids::node_id;
use crate::world::github::jobs::{Conclusion, Job, JobState, Run};

/// The steps that every job here has.
const STEPS: [&str; 4] = [
    "Set up job",
    "Run actions/checkout@v4",
    "Build and test",
    "Complete job",
];
/// The one of them that fails.
const FAILING_STEP: usize = 2;

/// Jobs.
impl GitHub {
    /// The body of a `workflow_job` event, all but its installation.
    pub(in crate::world::github) fn job_payload(
        &self,
        job: &Job,
        action: &'static str,
    ) -> Option<Value> {
        let repository = self.repositories.get(&job.repository)?;
        let owner = self.accounts.get(&repository.owner)?;
        let mut payload = json!({
            "action": action,
            "workflow_job": self.job_json(job),
            "repository": self.repository_json(repository),
            "sender": self.sender_json(owner.id),
        });
        if owner.kind == AccountKind::Organization {
            payload["organization"] = self.organization_json(owner);
        }
        Some(payload)
    }

    /// A job, in payloads and in the API.
    #[must_use]
    pub fn job_json(&self, job: &Job) -> Value {
        let repository = self.repositories.get(&job.repository);
        let full_name = repository.map_or_else(String::new, |it| self.full_name(it));
        let run = self.runs.get(&job.run);
        let api = format!("{}/repos/{full_name}", self.urls.api);
        let page = format!("{}/{full_name}/actions/runs/{}", self.urls.html, job.run.0);
        let mut object = fields(json!({
            "id": job.id.0,
            "run_id": job.run.0,
            "workflow_name": run.map(|run| &run.workflow_name),
            "head_branch": run.map(|run| &run.head_branch),
            "run_url": format!("{api}/actions/runs/{}", job.run.0),
            "run_attempt": 1,
            "node_id": node_id("CheckRun", job.id.0),
            "head_sha": run.map(|run| &run.head_sha),
            "url": format!("{api}/actions/jobs/{}", job.id.0),
            "html_url": format!("{page}/job/{}", job.id.0),
            "status": job.state.status(),
            "conclusion": job.state.conclusion().map(Conclusion::as_str),
            "created_at": timestamp(job.created_at),
            // GitHub gives waiting jobs a start, too: the time at which they were made.
            "started_at": timestamp(job.started_at.unwrap_or(job.created_at)),
            "completed_at": job.completed_at.map(timestamp),
            "name": job.name,
            "steps": steps(job),
            "check_run_url": format!("{api}/check-runs/{}", job.id.0),
            "labels": job.labels,
        }));
        object.extend(fields(runner_of(job)));
        object.into()
    }
}

/// Who took a job: null while it is queued, nothing and 0 when it ended without a runner.
fn runner_of(job: &Job) -> Value {
    match (&job.runner, job.state) {
        (Some(runner), _) => json!({
            "runner_id": runner.id.0,
            "runner_name": runner.name,
            "runner_group_id": runner.group.0,
            "runner_group_name": runner.group_name,
        }),
        (None, JobState::Completed(_)) => json!({
            "runner_id": 0,
            "runner_name": "",
            "runner_group_id": 0,
            "runner_group_name": "",
        }),
        (None, JobState::Queued | JobState::InProgress) => json!({
            "runner_id": null,
            "runner_name": null,
            "runner_group_id": null,
            "runner_group_name": null,
        }),
    }
}

/// The steps so far. How the time of a job is shared among them is invented: the first and the last take nothing.
fn steps(job: &Job) -> Value {
    let Some(started) = job.started_at else {
        return json!([]);
    };
    let Some(ended) = job.completed_at else {
        return json!([{
            "name": STEPS[0],
            "status": "in_progress",
            "conclusion": null,
            "number": 1,
            "started_at": timestamp(started),
            "completed_at": null,
        }]);
    };
    let halfway = started + (ended - started) / 2;
    let bounds = [
        (started, started),
        (started, halfway),
        (halfway, ended),
        (ended, ended),
    ];
    let steps = STEPS
        .iter()
        .zip(bounds)
        .enumerate()
        .map(|(index, (name, (began, done)))| {
            let conclusion = match job.state.conclusion() {
                Some(Conclusion::Failure) if index == FAILING_STEP => "failure",
                Some(Conclusion::Cancelled) if index == FAILING_STEP => "cancelled",
                _ => "success",
            };
            json!({
                "name": name,
                "status": "completed",
                "conclusion": conclusion,
                "number": index + 1,
                "started_at": timestamp(began),
                "completed_at": timestamp(done),
            })
        });
    steps.collect()
}

/// Runs.
impl GitHub {
    /// A run, in the API.
    #[must_use]
    pub fn run_json(&self, run: &Run, repository: &Repository) -> Value {
        let full_name = self.full_name(repository);
        let api = format!("{}/repos/{full_name}", self.urls.api);
        let url = format!("{api}/actions/runs/{}", run.id.0);
        let state = self.run_state(run);
        let actor = self.sender_json(repository.owner);
        let workflow = 90_000_000 + repository.id.0 % 1_000_000;
        let suite = run.id.0 + 20_000_000_000;
        json!({
            "id": run.id.0,
            "node_id": node_id("WorkflowRun", run.id.0),
            "name": run.workflow_name,
            "display_title": "Change something",
            "path": ".github/workflows/ci.yml",
            "event": "push",
            "status": state.status(),
            "conclusion": state.conclusion().map(Conclusion::as_str),
            "run_number": run.number,
            "run_attempt": 1,
            "workflow_id": workflow,
            "workflow_url": format!("{api}/actions/workflows/{workflow}"),
            "check_suite_id": suite,
            "check_suite_node_id": node_id("CheckSuite", suite),
            "check_suite_url": format!("{api}/check-suites/{suite}"),
            "head_branch": run.head_branch,
            "head_sha": run.head_sha,
            "head_commit": commit(run),
            "pull_requests": [],
            "referenced_workflows": [],
            "previous_attempt_url": null,
            "url": url,
            "html_url": format!("{}/{full_name}/actions/runs/{}", self.urls.html, run.id.0),
            "jobs_url": format!("{url}/jobs"),
            "logs_url": format!("{url}/logs"),
            "artifacts_url": format!("{url}/artifacts"),
            "cancel_url": format!("{url}/cancel"),
            "rerun_url": format!("{url}/rerun"),
            "created_at": timestamp(run.created_at),
            "run_started_at": timestamp(run.created_at),
            "updated_at": timestamp(self.run_updated_at(run)),
            "actor": actor,
            "triggering_actor": actor,
            "repository": self.repository_json(repository),
            "head_repository": self.repository_json(repository),
        })
    }

    /// When something last happened to a job of the run.
    fn run_updated_at(&self, run: &Run) -> Time {
        let jobs = run.jobs.iter().filter_map(|id| self.jobs.get(id));
        let last = jobs
            .filter_map(|job| job.history.last())
            .map(|(at, _)| *at)
            .max();
        last.unwrap_or(run.created_at)
    }
}

fn commit(run: &Run) -> Value {
    let author = json!({"name": "Ada", "email": "ada@example.org"});
    json!({
        "id": run.head_sha,
        "tree_id": run.head_sha.chars().rev().collect::<String>(),
        "message": "Change something",
        "timestamp": timestamp(run.created_at - TimeDelta::seconds(20)),
        "author": author,
        "committer": author,
    })
}
