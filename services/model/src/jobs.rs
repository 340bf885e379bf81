//! When GitHub is asked about a job, and what its answer means. Deliveries are the source; GitHub is asked only about jobs
//! that look wrong, or that were not heard of for a while.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::config::Rules;
use crate::github::{Job, JobStatus, Run};
use crate::rows::JobRow;
use crate::view::{ClusterView, Knowledge};
use crate::{PodName, Status, Time};

/// What is known of a job besides its row.
#[derive(Debug, Clone, Copy)]
pub struct JobFacts<'a> {
    /// Its row.
    pub row: &'a JobRow,
    /// Pods and nodes.
    pub cluster: &'a ClusterView,
    /// The worker that it names has a row that is not finished.
    pub worker_is_live: bool,
    /// A runner of its key has been idle for a while, or left without a job.
    pub passed_over: bool,
    /// When GitHub was last asked by this process.
    pub asked_at: Option<Time>,
    /// The time of the decision.
    pub now: Time,
    /// The limits.
    pub rules: &'a Rules,
}

/// Whether GitHub should be asked about the job now.
#[must_use]
pub fn should_ask(facts: JobFacts<'_>) -> bool {
    let JobFacts {
        row, now, rules, ..
    } = facts;
    let silent_for = now - row.changed_at;
    let looks_wrong = match row.status {
        Status::Pending => facts.passed_over,
        Status::Running => !runs(facts),
        Status::Completed | Status::Failed => return false,
    };
    let after = if looks_wrong {
        rules.job_wrong_for
    } else {
        rules.job_silent_for
    };
    if silent_for < after.delta() {
        return false;
    }
    // The longer it stays as it is, the seldomer it is asked about.
    let pause = (silent_for / 4)
        .max(rules.job_asked_at_least_apart.delta())
        .min(rules.job_asked_at_most_apart.delta());
    let last = facts.asked_at.max(row.last_checked_at);
    last.is_none_or(|last| now - last >= pause)
}

/// Its pod runs, as far as anybody can tell.
fn runs(facts: JobFacts<'_>) -> bool {
    let Some(pod) = &facts.row.pod else {
        // A runner that is none of ours; only GitHub knows.
        return true;
    };
    match facts.cluster.pod(pod) {
        Knowledge::Unknown => true,
        Knowledge::Absent => false,
        Knowledge::Present(pod) => !pod.phase.has_ended() && facts.worker_is_live,
    }
}

/// What GitHub's answer changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobChange {
    /// A runner has it.
    Running {
        /// The runner's name.
        pod: Option<PodName>,
        /// Since when.
        started_at: Option<Time>,
    },
    /// It is over.
    Completed {
        /// The runner's name.
        pod: Option<PodName>,
        /// How.
        conclusion: Option<String>,
        /// When it began.
        started_at: Option<Time>,
        /// When it ended.
        finished_at: Option<Time>,
    },
    /// It can never run: the message says why.
    Failed(String),
}

/// What GitHub's answer about a job means for its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Nothing new.
    AsKnown,
    /// The row changes.
    Changes(JobChange),
    /// It is queued and should not be any more: its run is asked for.
    AskRun,
}

/// Reads GitHub's answer about a job.
#[must_use]
pub fn read_job(row: &JobRow, job: &Job, now: Time, rules: &Rules) -> Reading {
    let name = job.runner_name.as_deref().filter(|name| !name.is_empty());
    let pod = name.map(PodName::new);
    if job.is_over() {
        return Reading::Changes(JobChange::Completed {
            started_at: job.started_at.filter(|_| pod.is_some()),
            pod,
            conclusion: job.conclusion.clone(),
            finished_at: job.completed_at,
        });
    }
    match job.status {
        JobStatus::InProgress if row.status == Status::Pending => {
            Reading::Changes(JobChange::Running {
                pod,
                started_at: job.started_at,
            })
        }
        JobStatus::Queued
            if row.status == Status::Pending
                && now - row.queued_at >= rules.job_stuck_after.delta() =>
        {
            Reading::AskRun
        }
        _ => Reading::AsKnown,
    }
}

/// Reads GitHub's answer about the run of a queued job: a run that is over never hands it out.
#[must_use]
pub fn read_run(row: &JobRow, run: &Run) -> Reading {
    if !run.is_over() {
        return Reading::AsKnown;
    }
    let conclusion = run.conclusion.as_deref().unwrap_or("none");
    Reading::Changes(JobChange::Failed(format!(
        "workflow run {} completed (conclusion={conclusion}) while job {} stayed queued",
        run.id, row.id
    )))
}

/// GitHub lets no job wait longer than this; documented.
pub const QUEUE_LIMIT: TimeDelta = TimeDelta::hours(24);

/// What a 404 for a job means: nothing, for the Apps may lack the permission on private repositories, unless GitHub's own
/// limit for waiting is over.
#[must_use]
pub fn read_missing(row: &JobRow, now: Time) -> Reading {
    if row.status == Status::Pending && now - row.queued_at > QUEUE_LIMIT {
        return Reading::Changes(JobChange::Failed(format!(
            "job not found for job_id={} entity={} entity_id={} entity_type={}",
            row.id, row.demand.entity_name, row.demand.entity, row.demand.kind
        )));
    }
    Reading::AsKnown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, demand, job, rules, running_pod};
    use serde_json::json;

    fn told(fields: &serde_json::Value) -> Job {
        let mut job = json!({ "id": 1, "run_id": 2, "name": "build", "status": "queued", "conclusion": null });
        for (key, value) in fields.as_object().expect("an object") {
            job[key] = value.clone();
        }
        serde_json::from_value(job).expect("a job")
    }

    #[test]
    fn what_github_says_and_what_it_means() {
        let pending = job(1, demand(7));
        let running = JobRow {
            status: Status::Running,
            ..job(1, demand(7))
        };
        let rules = rules();
        let meaning = |row: &JobRow, fields: serde_json::Value| match read_job(
            row,
            &told(&fields),
            at(700),
            &rules,
        ) {
            Reading::AsKnown => "as known",
            Reading::AskRun => "ask the run",
            Reading::Changes(JobChange::Running { .. }) => "running",
            Reading::Changes(JobChange::Completed { .. }) => "completed",
            Reading::Changes(JobChange::Failed(_)) => "failed",
        };
        assert_eq!(
            meaning(
                &pending,
                json!({ "status": "in_progress", "runner_name": "w1" })
            ),
            "running"
        );
        assert_eq!(
            meaning(&running, json!({ "status": "in_progress" })),
            "as known"
        );
        assert_eq!(
            meaning(
                &running,
                json!({ "status": "completed", "conclusion": "success" })
            ),
            "completed"
        );
        assert_eq!(
            meaning(
                &running,
                json!({ "status": "in_progress", "conclusion": "failure" })
            ),
            "completed",
            "a conclusion means over whatever the status says"
        );
        assert_eq!(
            meaning(&pending, json!({})),
            "ask the run",
            "queued for more than ten minutes"
        );
        assert_eq!(meaning(&running, json!({})), "as known");
        let young = JobRow {
            queued_at: at(500),
            ..job(1, demand(7))
        };
        assert_eq!(meaning(&young, json!({})), "as known");
    }

    #[test]
    fn only_a_run_that_is_over_proves_that_a_queued_job_never_runs() {
        let row = job(1, demand(7));
        let run = |status: &str| -> Run {
            let fields = json!({ "id": 2, "status": status, "conclusion": "success", "created_at": "2026-11-24T10:00:00Z" });
            serde_json::from_value(fields).expect("a run")
        };
        assert_eq!(read_run(&row, &run("in_progress")), Reading::AsKnown);
        let Reading::Changes(JobChange::Failed(message)) = read_run(&row, &run("completed")) else {
            panic!("it never runs");
        };
        assert_eq!(
            message,
            "workflow run 2 completed (conclusion=success) while job 1 stayed queued"
        );
    }

    #[test]
    fn a_404_proves_nothing_within_githubs_own_limit() {
        let row = job(1, demand(7));
        assert_eq!(read_missing(&row, at(3600)), Reading::AsKnown);
        assert!(matches!(
            read_missing(&row, at(25 * 3600)),
            Reading::Changes(JobChange::Failed(_))
        ));
        let running = JobRow {
            status: Status::Running,
            ..row
        };
        assert_eq!(read_missing(&running, at(25 * 3600)), Reading::AsKnown);
    }

    /// How often GitHub is asked about a job from its beginning to a time.
    fn asked(row: &JobRow, view: &ClusterView, live: bool, passed_over: bool, until: i64) -> usize {
        let rules = rules();
        let mut asked_at = None;
        let mut times = 0;
        for second in (0..=until).step_by(5) {
            let facts = JobFacts {
                row,
                cluster: view,
                worker_is_live: live,
                passed_over,
                asked_at,
                now: at(second),
                rules: &rules,
            };
            if should_ask(facts) {
                asked_at = Some(at(second));
                times += 1;
            }
        }
        times
    }

    #[test]
    fn a_job_that_looks_well_costs_few_questions() {
        let row = job(0, demand(7));
        let view = ClusterView::default();
        assert_eq!(asked(&row, &view, false, false, 595), 0);
        let in_an_hour = asked(&row, &view, false, false, 3600);
        assert!(
            (1..=12).contains(&in_an_hour),
            "{in_an_hour}: twenty such jobs stay below a tenth of 5 000"
        );
    }

    #[test]
    fn a_running_job_is_asked_about_when_its_pod_is_over() {
        let row = JobRow {
            status: Status::Running,
            pod: Some("w1".into()),
            ..job(0, demand(7))
        };
        let mut view = ClusterView::default();
        view.pods_listed(vec![running_pod("w1", "board-0")], at(1));
        assert_eq!(asked(&row, &view, true, false, 300), 0);
        view.pods_listed(vec![], at(2));
        assert!(asked(&row, &view, true, false, 300) > 1, "its pod is gone");
    }

    #[test]
    fn a_pending_job_is_asked_about_when_a_runner_passed_it_over() {
        let row = job(0, demand(7));
        let view = ClusterView::default();
        assert_eq!(asked(&row, &view, false, true, 55), 0);
        assert!(asked(&row, &view, false, true, 65) > 0);
    }
}
