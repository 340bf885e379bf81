//! How jobs move: queued by a push, started by a runner, cancelled by people, completed once.

use chrono::TimeDelta;

use super::GitHub;
use super::accounts::Unknown;
use super::ids::{Due, JobId, RepositoryId, RunId};
use super::jobs::{Conclusion, Job, JobEvent, JobRunner, JobSpec, JobState, Run};
use crate::world::Time;

/// What people do with jobs.
impl GitHub {
    /// Somebody pushes: a run with one job that will succeed is queued.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn queue_job(
        &mut self,
        repository: &str,
        labels: &[&str],
        runs_for: TimeDelta,
        now: Time,
    ) -> Result<JobId, Unknown> {
        let run = self.queue_run(repository, &[JobSpec::new(labels, runs_for)], now)?;
        let job = self
            .runs
            .get(&run)
            .and_then(|run| run.jobs.first().copied());
        job.ok_or_else(|| Unknown(format!("job in run {}", run.0)))
    }

    /// Somebody pushes: a run with these jobs is queued.
    ///
    /// # Errors
    /// When there is no such repository.
    pub fn queue_run(
        &mut self,
        repository: &str,
        jobs: &[JobSpec],
        now: Time,
    ) -> Result<RunId, Unknown> {
        let found = self.repository(repository).map(|repository| repository.id);
        let found = found.ok_or_else(|| Unknown(format!("repository {repository}")))?;
        Ok(self.add_run(found, jobs, now))
    }

    pub(super) fn add_run(
        &mut self,
        repository: RepositoryId,
        specs: &[JobSpec],
        now: Time,
    ) -> RunId {
        self.last_run += self.chance.between(1, 900);
        let id = RunId(self.last_run);
        let number = self.repositories.get_mut(&repository).map_or(1, |it| {
            it.runs += 1;
            it.runs
        });
        let jobs: Vec<_> = specs
            .iter()
            .map(|spec| self.add_job(id, repository, spec, now))
            .collect();
        let run = Run {
            id,
            repository,
            number,
            workflow_name: "CI".to_owned(),
            head_branch: "main".to_owned(),
            head_sha: self.chance.hex(40),
            created_at: now,
            jobs: jobs.clone(),
            given_up: false,
        };
        self.runs.insert(id, run);
        for job in jobs {
            self.announce_job(job, "queued", now);
        }
        id
    }

    fn add_job(
        &mut self,
        run: RunId,
        repository: RepositoryId,
        spec: &JobSpec,
        now: Time,
    ) -> JobId {
        self.last_job += self.chance.between(1, 700);
        let id = JobId(self.last_job);
        let give_up = self
            .timers
            .set(now + self.rules.queued_job_limit, Due::WaitingJob(id));
        let job = Job {
            id,
            run,
            repository,
            name: spec.name.clone(),
            labels: spec.labels.clone(),
            runs_for: spec.runs_for,
            planned: spec.conclusion,
            state: JobState::Queued,
            runner: None,
            created_at: now,
            started_at: None,
            completed_at: None,
            history: vec![(now, JobEvent::Queued)],
            give_up: Some(give_up),
        };
        self.jobs.insert(id, job);
        self.queued.insert(id);
        id
    }

    /// Somebody cancels a job. One that runs ends at once, and its runner's registration with it; the runner's process
    /// hears of it when it next speaks.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn cancel_job(&mut self, job: JobId, now: Time) -> Result<(), Unknown> {
        let found = self
            .jobs
            .get(&job)
            .ok_or_else(|| Unknown(format!("job {}", job.0)))?;
        if let Some(runner) = found.runner.as_ref().map(|runner| runner.id)
            && self.assignments.get(&runner) == Some(&job)
        {
            self.assignments.remove(&runner);
            self.remove_runner(runner);
        }
        self.complete_job(job, Conclusion::Cancelled, now);
        Ok(())
    }

    /// GitHub calls a run completed although jobs of it stay as they are; nothing is delivered.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn give_up_run(&mut self, run: RunId) -> Result<(), Unknown> {
        let found = self
            .runs
            .get_mut(&run)
            .ok_or_else(|| Unknown(format!("run {}", run.0)))?;
        found.given_up = true;
        Ok(())
    }

    pub(super) fn start_job(&mut self, id: JobId, runner: JobRunner, now: Time) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        self.queued.remove(&id);
        self.timers.cancel(job.give_up.take());
        job.state = JobState::InProgress;
        job.started_at = Some(now);
        job.history.push((now, JobEvent::Started(runner.id)));
        job.runner = Some(runner);
        self.announce_job(id, "in_progress", now);
    }

    /// Completes a job unless it is complete.
    pub(super) fn complete_job(&mut self, id: JobId, conclusion: Conclusion, now: Time) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        if job.state.conclusion().is_some() {
            return;
        }
        self.queued.remove(&id);
        self.timers.cancel(job.give_up.take());
        job.state = JobState::Completed(conclusion);
        job.completed_at = Some(now);
        job.history.push((now, JobEvent::Completed(conclusion)));
        self.announce_job(id, "completed", now);
    }
}
