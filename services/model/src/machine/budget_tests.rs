//! What jobs cost of GitHub's limits, and how old what is known of them gets.

use super::tests::{machine, see};
use super::*;
use crate::effects::Outcome;
use crate::rows::Demand;
use crate::testing::*;
use crate::{InstallationId, Status};

/// The least limit that GitHub gives an installation.
const LIMIT: usize = 5_000;

/// Plays these jobs for so long, with a GitHub that says each time that nothing is new. Returns the calls by installation,
/// and how old the oldest knowledge of a job ever was.
fn asked(jobs: &mut [JobRow], seconds: i64) -> (BTreeMap<InstallationId, usize>, i64) {
    let mut machine = machine();
    let mut calls: BTreeMap<InstallationId, usize> = BTreeMap::new();
    let mut oldest = 0;
    for second in (0..seconds).step_by(5) {
        if second % 15 == 0 {
            see(&mut machine, jobs.to_owned(), vec![], vec![], 0, second);
        }
        let mut actions = machine.decide(at(second));
        while let Some(action) = actions.pop() {
            let outcome = match &action.effect {
                Effect::GetJob { job, demand } => {
                    *calls.entry(demand.installation).or_default() += 1;
                    queued_or_running(jobs, *job)
                }
                Effect::GetRun { run, demand } => {
                    *calls.entry(demand.installation).or_default() += 1;
                    let run = serde_json::json!({ "id": run, "status": "in_progress", "conclusion": null, "created_at": "2026-11-24T10:00:00Z" });
                    Outcome::Run(serde_json::from_value(run).expect("a run"))
                }
                Effect::RecordJob { job, .. } => {
                    let row = jobs.iter_mut().find(|row| row.id == *job).expect("a row");
                    row.last_checked_at = Some(at(second));
                    Outcome::Written
                }
                Effect::SetWaiting { .. } => Outcome::Written,
                other => panic!("{other:?}"),
            };
            actions.extend(machine.outcome(action.id, outcome, at(second)));
            if actions.is_empty() {
                actions.extend(machine.decide(at(second)));
            }
        }
        for job in jobs.iter() {
            let known = job
                .changed_at
                .max(job.last_checked_at.unwrap_or(job.changed_at));
            oldest = oldest.max((at(second) - known).num_seconds());
        }
    }
    (calls, oldest)
}

fn queued_or_running(jobs: &[JobRow], id: JobId) -> Outcome {
    let row = jobs.iter().find(|row| row.id == id).expect("a row");
    let status = match row.status {
        Status::Running => "in_progress",
        Status::Pending | Status::Completed | Status::Failed => "queued",
    };
    let told = serde_json::json!({ "id": id, "run_id": id, "name": "build", "status": status, "conclusion": null });
    Outcome::Job(Box::new(serde_json::from_value(told).expect("a job")))
}

fn active(id: i64, of: Demand, status: Status) -> JobRow {
    JobRow {
        status,
        queued_at: at(0),
        changed_at: at(0),
        // A runner that is none of ours.
        pod: None,
        ..job(id, of)
    }
}

#[test]
fn twenty_jobs_that_wait_cost_a_tenth_of_the_limit_at_most() {
    let mut jobs: Vec<JobRow> = (1..=20)
        .map(|id| active(id, demand(7), Status::Pending))
        .collect();
    let (calls, _) = asked(&mut jobs, 600);
    let in_ten_minutes = calls.values().sum::<usize>();
    assert!(in_ten_minutes * 6 <= LIMIT / 10, "{calls:?}");
    let (calls, _) = asked(&mut jobs, 3_600);
    let in_an_hour = calls.values().sum::<usize>();
    assert!((20..=LIMIT / 10).contains(&in_an_hour), "{calls:?}");
}

#[test]
fn a_thousand_jobs_of_fifty_installations_are_known_within_a_quarter_of_an_hour() {
    let mut jobs: Vec<JobRow> = (0..1_000)
        .map(|id| {
            let status = if id % 3 == 0 {
                Status::Pending
            } else {
                Status::Running
            };
            active(id, demand(1_000 + id % 50), status)
        })
        .collect();
    let (calls, oldest) = asked(&mut jobs, 3_600);
    assert_eq!(calls.len(), 50);
    assert!(oldest <= 15 * 60, "the oldest knowledge was {oldest} s old");
    let most = calls.values().max();
    assert!(most.is_some_and(|most| *most <= LIMIT / 10), "{calls:?}");
}

#[test]
fn a_flood_of_jobs_waits_for_githubs_limits_with_that_reason() {
    let mut machine = machine();
    let jobs: Vec<JobRow> = (1..=40).map(|id| job(id, demand(7))).collect();
    see(&mut machine, jobs, vec![], vec![], 40, 100);
    let actions = machine.decide(at(100));
    let asks = actions.iter().find_map(|action| match &action.effect {
        Effect::Reserve { asks, .. } => Some(asks.len()),
        _ => None,
    });
    assert_eq!(
        asks,
        Some(13),
        "eighty a minute are thirteen in ten seconds"
    );
    let waiting = &machine.plan().waiting;
    assert_eq!(waiting[&JobId(13)].to_string(), "starting");
    assert_eq!(
        waiting[&JobId(14)].to_string(),
        "github_budget:installation:8"
    );
}
