//! The sandbox's report: is every job accounted for, and was any promise broken?
//!
//! The worlds know the truth, the tables what rise knows of it; both are read when the time is over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rise_model::config::{Cap, Caps};
use rise_model::{EntityId, JobId, Status};
use sandbox::doors::Doors;
use sandbox::world::github::JobState;
use serde::Serialize;
use services::store::Store;
use services::store::audit::{JobStanding, WorkerLife};

use crate::exit::Failure;
use crate::output::Output;

/// What happened, counted. The second half must be zero.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Report {
    jobs_in: usize,
    jobs_done: usize,
    jobs_done_organization: usize,
    jobs_done_personal: usize,
    jobs_queued: usize,
    jobs_running: usize,
    queue_seconds: Percentiles,
    lost: usize,
    busy_killed: usize,
    over_cap: usize,
    over_capacity: usize,
    leaked_pods: usize,
    leaked_runners: usize,
}

/// Seconds from queued to started.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
}

/// A job as GitHub knows it.
struct Truth {
    id: JobId,
    state: JobState,
    personal: bool,
    waited: Option<TimeDelta>,
}

impl Report {
    /// Reads both sides. Jobs queued before `began` are an earlier sandbox's.
    pub(super) async fn make(
        doors: &Doors,
        store: &Store,
        caps: &Caps,
        began: DateTime<Utc>,
    ) -> Result<Self, Failure> {
        let rows = store.job_standings().await?;
        let workers = store.worker_lives().await?;
        let workers: Vec<WorkerLife> = workers
            .into_iter()
            .filter(|w| w.created_at >= began || !w.status.is_terminal())
            .collect();
        let jobs = jobs_of(doors);
        let (leaked_pods, leaked_runners) = leaks(doors, &workers);
        let mut report = Self {
            jobs_in: jobs.len(),
            jobs_done: 0,
            jobs_done_organization: 0,
            jobs_done_personal: 0,
            jobs_queued: 0,
            jobs_running: 0,
            queue_seconds: percentiles(jobs.iter().filter_map(|job| job.waited).collect()),
            lost: 0,
            busy_killed: doors
                .world()
                .read(|world| world.cluster.killed_while_busy().len()),
            over_cap: over_cap(&workers, caps),
            over_capacity: doors.world().read(|world| world.cluster.over_capacity()),
            leaked_pods,
            leaked_runners,
        };
        for job in &jobs {
            report.count(job, rows.get(&job.id));
        }
        Ok(report)
    }

    fn count(&mut self, job: &Truth, row: Option<&JobStanding>) {
        match (job.state, row.map(|row| row.status)) {
            (JobState::Completed(_), Some(Status::Completed)) => {
                self.jobs_done += 1;
                if job.personal {
                    self.jobs_done_personal += 1;
                } else {
                    self.jobs_done_organization += 1;
                }
            }
            (JobState::InProgress, Some(Status::Running | Status::Pending)) => {
                self.jobs_running += 1;
            }
            (JobState::Queued, Some(Status::Pending))
                if row.is_some_and(|row| row.waiting_reason.is_some()) =>
            {
                self.jobs_queued += 1;
            }
            _ => self.lost += 1,
        }
    }

    /// Whether everything that must be zero is.
    pub(super) fn is_clean(&self) -> bool {
        [
            self.lost,
            self.busy_killed,
            self.over_cap,
            self.over_capacity,
            self.leaked_pods,
            self.leaked_runners,
        ]
        .iter()
        .all(|count| *count == 0)
    }

    /// For people.
    pub(super) fn print(&self, output: &mut Output) -> Result<(), Failure> {
        output.heading("Report")?;
        let rows = [
            ("jobs in", self.jobs_in.to_string()),
            (
                "done",
                format!(
                    "{} ({} of organisations, {} of personal accounts)",
                    self.jobs_done, self.jobs_done_organization, self.jobs_done_personal
                ),
            ),
            ("running", self.jobs_running.to_string()),
            ("queued, with a reason", self.jobs_queued.to_string()),
            (
                "seconds in the queue",
                format!(
                    "{:.1} median, {:.1} at 95 %",
                    self.queue_seconds.p50, self.queue_seconds.p95
                ),
            ),
            ("lost", self.lost.to_string()),
            ("killed while busy", self.busy_killed.to_string()),
            ("beyond a cap", self.over_cap.to_string()),
            ("beyond a board's slots", self.over_capacity.to_string()),
            ("leaked pods", self.leaked_pods.to_string()),
            ("leaked runners", self.leaked_runners.to_string()),
        ];
        output.table(
            ["what", "how many"],
            rows.map(|(what, count)| [what.to_owned(), count]),
        )?;
        Ok(())
    }
}

fn jobs_of(doors: &Doors) -> Vec<Truth> {
    doors.world().read(|world| {
        let github = &world.github;
        github
            .jobs()
            .map(|job| {
                let owner = github
                    .repository_by_id(job.repository)
                    .and_then(|repository| github.account_by_id(repository.owner));
                Truth {
                    id: JobId(job.id.0),
                    state: job.state,
                    personal: owner.is_some_and(|owner| owner.kind.as_str() == "User"),
                    waited: job.started_at.map(|started| started - job.created_at),
                }
            })
            .collect()
    })
}

/// Pods that go on and registered runners that no active row names and no pending clean-up explains.
fn leaks(doors: &Doors, workers: &[WorkerLife]) -> (usize, usize) {
    let active: BTreeSet<&str> = workers
        .iter()
        .filter(|worker| !worker.status.is_terminal())
        .map(|worker| worker.name.as_str())
        .collect();
    let cleaned_up: BTreeSet<&str> = workers
        .iter()
        .filter(|worker| worker.clean_up_pending)
        .map(|worker| worker.name.as_str())
        .collect();
    doors.world().read(|world| {
        let pods = world
            .cluster
            .pods()
            .iter()
            .filter(|pod| !pod.is_terminal() && !active.contains(pod.name.as_str()))
            .count();
        let runners = world
            .github
            .runners()
            .map(|runner| runner.name.as_str())
            .filter(|name| !active.contains(name) && !cleaned_up.contains(name))
            .count();
        (pods, runners)
    })
}

/// By how many workers entities ever passed their caps.
fn over_cap(workers: &[WorkerLife], caps: &Caps) -> usize {
    let mut changes: BTreeMap<EntityId, Vec<(DateTime<Utc>, i64)>> = BTreeMap::new();
    for worker in workers {
        let of_entity = changes.entry(worker.entity).or_default();
        of_entity.push((worker.created_at, 1));
        of_entity.extend(worker.completed_at.map(|at| (at, -1)));
    }
    let mut over = 0;
    for (entity, mut changes) in changes {
        let Cap::Workers(most) = caps.of(entity) else {
            continue;
        };
        // An end and a beginning at the same moment: the end first.
        changes.sort_unstable();
        let mut held = 0_i64;
        let mut peak = 0_i64;
        for (_, change) in changes {
            held += change;
            peak = peak.max(held);
        }
        over += usize::try_from(peak - i64::from(most)).unwrap_or(0);
    }
    over
}

fn percentiles(mut waits: Vec<TimeDelta>) -> Percentiles {
    waits.sort_unstable();
    let at = |percent: usize| {
        let index = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(index).map_or(0.0, |wait| wait.as_seconds_f64())
    };
    Percentiles {
        p50: at(50),
        p95: at(95),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use rise_model::config::EntitySettings;

    fn at(second: u32) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 11, 24, 12, 0, second)
            .single()
            .expect("a time")
    }

    fn life(entity: i64, from: u32, to: Option<u32>) -> WorkerLife {
        WorkerLife {
            name: "w".into(),
            entity: EntityId(entity),
            status: Status::Completed,
            created_at: at(from),
            completed_at: to.map(at),
            clean_up_pending: false,
        }
    }

    #[test]
    fn workers_beyond_a_cap_are_counted_at_the_worst_moment() {
        let caps = Caps {
            default_max_workers: Cap::Unlimited,
            entities: vec![EntitySettings {
                id: EntityId(1),
                name: "one".to_owned(),
                max_workers: Some(Cap::Workers(1)),
                staging: vec![],
            }],
        };
        let in_turn = [
            life(1, 0, Some(5)),
            life(1, 5, None),
            life(2, 0, None),
            life(2, 0, None),
        ];
        assert_eq!(over_cap(&in_turn, &caps), 0);
        let together = [life(1, 0, Some(6)), life(1, 5, None)];
        assert_eq!(over_cap(&together, &caps), 1);
    }

    #[test]
    fn percentiles_of_few_and_of_none() {
        assert_eq!(percentiles(vec![]), Percentiles { p50: 0.0, p95: 0.0 });
        let waits = (1..=4).map(TimeDelta::seconds).collect();
        assert_eq!(percentiles(waits), Percentiles { p50: 2.0, p95: 4.0 });
    }
}
