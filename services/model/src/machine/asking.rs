//! Asking GitHub about jobs that look wrong, and taking its answers.

use std::collections::BTreeSet;

use crate::dependencies::Party;
use crate::effects::{Action, Effect, Key, Outcome};
use crate::jobs::{JobFacts, Reading, read_job, read_missing, read_run, should_ask};
use crate::rows::{DemandKey, JobRow, WorkerRow};
use crate::runners::RunnerState;
use crate::view::Knowledge;
use crate::{JobId, Time};

use super::Machine;

impl Machine {
    /// Asks about jobs, the longest silent first, a few at a time.
    pub(super) fn decide_jobs(&mut self, now: Time, actions: &mut Vec<Action>) {
        let passed_over = self.keys_passed_over();
        let under_way = self
            .busy_keys
            .iter()
            .filter(|key| matches!(key, Key::Job(_)))
            .count();
        let mut left = self
            .config
            .rules
            .jobs_asked_at_once
            .saturating_sub(under_way);
        let mut due: Vec<(Time, JobId)> = self
            .jobs
            .iter()
            .filter(|job| {
                should_ask(JobFacts {
                    row: job,
                    cluster: &self.cluster,
                    worker_is_live: self.names_a_live_worker(job),
                    passed_over: passed_over.contains(&job.demand.key()),
                    asked_at: self.asked.get(&job.id).copied(),
                    now,
                    rules: &self.config.rules,
                })
            })
            .map(|job| {
                (
                    self.asked.get(&job.id).copied().unwrap_or(job.changed_at),
                    job.id,
                )
            })
            .collect();
        due.sort_unstable();
        for (_, id) in due {
            let key = Key::Job(id);
            if left == 0 || !self.may_begin(&key, now) {
                continue;
            }
            let Some(job) = self.jobs.iter().find(|job| job.id == id) else {
                continue;
            };
            let effect = Effect::GetJob {
                job: id,
                demand: job.demand.clone(),
            };
            let party = Party::of(&job.demand);
            let paid = self.budgets.admits_question(party, now, &self.config.rules);
            if !paid || !self.admits(&effect) {
                continue;
            }
            left -= 1;
            self.asked.insert(id, now);
            self.begin(key, effect, now, actions);
        }
    }

    pub(super) fn names_a_live_worker(&self, job: &JobRow) -> bool {
        job.pod
            .as_ref()
            .and_then(|pod| self.workers.get(pod))
            .is_some_and(|row| row.is_live())
    }

    /// Keys of which a runner took a job that nobody told us of, or has been idle although a job waits.
    fn keys_passed_over(&self) -> BTreeSet<DemandKey> {
        let took_a_job = self.took_a_job();
        let apart = self.config.rules.reads_apart.delta();
        self.workers
            .values()
            .filter(|row| row.named_by.is_empty())
            .filter(|row| {
                let idle = self.runners.get(&row.name).is_some_and(|runner| {
                    runner.state() == Some(RunnerState::Idle) && runner.lasted() >= apart
                });
                let lost = self.is_offline_on_a_silent_board(row);
                idle || lost || took_a_job.contains(&row.name) || !row.is_live()
            })
            .map(|row| row.demand.key())
            .collect()
    }

    /// Whether its job, if it has one, would be told by GitHub alone.
    fn is_offline_on_a_silent_board(&self, row: &WorkerRow) -> bool {
        let offline = self
            .runners
            .get(&row.name)
            .is_some_and(|runner| runner.state() == Some(RunnerState::Offline));
        offline
            && match self.cluster.pod(&row.name) {
                Knowledge::Present(pod) => self.cluster.is_silent(pod),
                Knowledge::Absent | Knowledge::Unknown => false,
            }
    }

    /// GitHub answered about a job.
    pub(super) fn job_told(
        &mut self,
        key: &Key,
        id: JobId,
        outcome: &Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let Some(row) = self.jobs.iter().find(|job| job.id == id) else {
            return;
        };
        let demand = row.demand.clone();
        let run_is_over = self.runs_over.remove(&id);
        let (reading, run) = match outcome {
            Outcome::Job(job) => {
                let reading = read_job(row, job, now, &self.config.rules);
                match (reading, run_is_over) {
                    // It was queued before and after its run was over: nobody took it in between.
                    (Reading::AskRun, Some(change)) => (Reading::Changes(change), None),
                    (reading, _) => (reading, Some(job.run_id)),
                }
            }
            Outcome::Run(run) => match read_run(row, run) {
                Reading::Changes(change) => {
                    self.runs_over.insert(id, change);
                    let effect = Effect::GetJob { job: id, demand };
                    self.begin(key.clone(), effect, now, actions);
                    return;
                }
                reading => (reading, None),
            },
            Outcome::NotThere => (read_missing(row, now), None),
            // No answer says nothing; it is asked again in its time.
            _ => return,
        };
        let change = match (reading, run) {
            (Reading::AskRun, Some(run)) => {
                self.begin(key.clone(), Effect::GetRun { run, demand }, now, actions);
                return;
            }
            (Reading::Changes(change), _) => Some(change),
            (Reading::AskRun | Reading::AsKnown, _) => None,
        };
        self.begin(
            key.clone(),
            Effect::RecordJob { job: id, change },
            now,
            actions,
        );
    }
}
