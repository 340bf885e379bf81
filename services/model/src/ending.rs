//! Ending a worker whose container runs: the reasons to, and the evidence without which nothing is touched.
//!
//! GitHub's `busy` is false for a minute and more after a job began, and it deletes such a runner without a word. So a
//! worker is ended only when no job is bound to it, two reads of its runner a minute apart agree, and its whole log holds no
//! job that began without an end; then its runner is deleted, and its log is read once more a minute later before its
//! pod is killed.

use crate::by_log::by_log;
use crate::cluster::Pod;
use crate::log::LoggedJob;
use crate::rows::WorkerRow;
use crate::runners::RunnerState;
use crate::workers::{CondemnReason, FailureReason, Finish, Verdict, WorkerFacts};

/// What a log says of a running pod's jobs.
enum LogSays {
    /// Not read since it would have to be, or not whole.
    Unknown,
    /// No job, or one that ended.
    Free,
    /// A job began and has not ended.
    Working,
}

/// Decides over a pod that runs and whose row knows it.
pub(crate) fn running(facts: WorkerFacts<'_>, pod: &Pod) -> Verdict {
    let row = facts.row;
    let by_its_log = row.condemned.is_some_and(CondemnReason::goes_by_log);
    if facts.scope_gone || by_its_log {
        return by_log(facts, pod);
    }
    if row.is_bound() {
        return if row.condemned.is_some() && row.is_live() {
            Verdict::TakeBack
        } else {
            Verdict::Keep
        };
    }
    if row.condemned.is_some() {
        return go_on(facts, pod);
    }
    let Some((reason, message)) = reason(facts, pod) else {
        return Verdict::Keep;
    };
    if !agreed(facts) {
        return Verdict::Keep;
    }
    match log_says(facts, pod, facts.runner.last()) {
        LogSays::Unknown => Verdict::ReadLog,
        LogSays::Free => Verdict::Condemn(reason, message),
        LogSays::Working if is_over_for_good(facts) => Verdict::Condemn(reason, message),
        LogSays::Working => Verdict::Keep,
    }
}

/// Rules 4 to 7: why it should be ended.
fn reason(facts: WorkerFacts<'_>, pod: &Pod) -> Option<(CondemnReason, String)> {
    let rules = facts.rules;
    let started = pod.container_started_at()?;
    let runner = facts.runner;
    let failure =
        |reason, message: &str| Some((CondemnReason::Failure(reason), message.to_owned()));
    match runner.state()? {
        RunnerState::Busy => None,
        RunnerState::Offline if !runner.ever_online() => {
            if facts.now - started >= rules.runner_online_within.delta() {
                return failure(
                    FailureReason::RunnerNeverRegistered,
                    "the runner never came online",
                );
            }
            facts.surplus.then(surplus)
        }
        RunnerState::Offline => {
            if runner.lasted() >= rules.runner_offline_at_most.delta() {
                return failure(
                    FailureReason::RunnerVanished,
                    "the runner went offline and stayed so",
                );
            }
            None
        }
        RunnerState::Absent => {
            let since = runner.since()?;
            if facts.now - since < rules.runner_absent_at_most.delta() {
                return None;
            }
            if facts.row.named_by.is_empty() {
                failure(
                    FailureReason::RunnerVanished,
                    "GitHub no longer has the runner; its pod runs on",
                )
            } else {
                failure(
                    FailureReason::RunnerHung,
                    "its job is over; its pod runs on",
                )
            }
        }
        RunnerState::Idle => idle(facts),
    }
}

fn idle(facts: WorkerFacts<'_>) -> Option<(CondemnReason, String)> {
    let rules = facts.rules;
    let idle_since = facts.runner.since()?;
    if facts.surplus {
        return Some(surplus());
    }
    let idle_for = facts.now - idle_since;
    if let Some(waiting_since) = facts.waiting_since {
        let together = facts.now - waiting_since.max(idle_since);
        if together >= rules.runner_idle_while_waiting.delta() && !facts.github_not_assigning {
            let message = "a job was waiting and GitHub did not hand it out; does the runner group admit its repository?";
            return Some((
                CondemnReason::Failure(FailureReason::RunnerIdle),
                message.to_owned(),
            ));
        }
        return None;
    }
    (idle_for >= rules.runner_idle_at_most.delta())
        .then(|| (CondemnReason::Idle, "nobody had a job for it".to_owned()))
}

fn surplus() -> (CondemnReason, String) {
    (
        CondemnReason::Surplus,
        "other jobs wait for its board".to_owned(),
    )
}

/// Two reads, a while apart, agree.
fn agreed(facts: WorkerFacts<'_>) -> bool {
    facts.runner.lasted() >= facts.rules.reads_apart.delta()
}

/// What the log said in a reading that was begun after `after`.
fn log_says(facts: WorkerFacts<'_>, pod: &Pod, after: Option<crate::Time>) -> LogSays {
    let (Some(log), Some(read)) = (facts.log, facts.log_read_at) else {
        return LogSays::Unknown;
    };
    if after.is_some_and(|after| read < after) {
        return LogSays::Unknown;
    }
    match log.job {
        LoggedJob::Running { .. } => LogSays::Working,
        LoggedJob::Completed { .. } => LogSays::Free,
        LoggedJob::None if log.is_whole(pod.container_started_at()) => LogSays::Free,
        LoggedJob::None => LogSays::Unknown,
    }
}

/// The log lacks a job's end, but GitHub has none of the runner and said long ago how every job ended that names it.
fn is_over_for_good(facts: WorkerFacts<'_>) -> bool {
    let concluded_for = facts.rules.concluded_for.delta();
    facts.runner.state() == Some(RunnerState::Absent)
        && agreed(facts)
        && !facts.row.named_by.is_empty()
        && facts.row.named_by.iter().all(|job| {
            job.concluded_at
                .is_some_and(|at| facts.now - at >= concluded_for)
        })
}

/// It is condemned: runner, a minute, log, row, pod.
fn go_on(facts: WorkerFacts<'_>, pod: &Pod) -> Verdict {
    let row = facts.row;
    let Some(deregistered) = row.deregistered_at else {
        return Verdict::Deregister;
    };
    if !row.is_live() && row.ended_by_us() {
        return kill(facts, pod);
    }
    // GitHub may say that it removed a runner, or does not have it, and have it all the same: a list tells.
    match facts.runner.last().filter(|last| *last > deregistered) {
        None => return Verdict::Keep,
        Some(_) => match facts.runner.state() {
            Some(RunnerState::Absent) => {}
            Some(RunnerState::Idle | RunnerState::Offline) => return Verdict::Deregister,
            Some(RunnerState::Busy) | None => return Verdict::Keep,
        },
    }
    let look_at = deregistered + facts.rules.reads_apart.delta();
    if facts.now < look_at {
        return Verdict::Keep;
    }
    match log_says(facts, pod, Some(look_at)) {
        LogSays::Unknown => Verdict::ReadLog,
        LogSays::Working if !is_over_for_good(facts) => Verdict::Keep,
        LogSays::Working | LogSays::Free if row.is_live() => {
            Verdict::Finish(Finish::condemned(row, pod.node.clone()))
        }
        LogSays::Working | LogSays::Free => kill(facts, pod),
    }
}

/// The row is closed: the pod is ended so that its log stays; one that does not end is deleted.
pub(crate) fn kill(facts: WorkerFacts<'_>, pod: &Pod) -> Verdict {
    if pod.deletion_at.is_some() {
        return Verdict::Keep;
    }
    if pod.active_deadline_seconds != Some(KILL_DEADLINE) {
        return Verdict::Kill;
    }
    let ended = facts.row.completed_at.unwrap_or(pod.created_at);
    if facts.now - ended >= facts.rules.kill_within.delta() {
        return Verdict::DeleteHung;
    }
    Verdict::Keep
}

/// `activeDeadlineSeconds` of a pod that is being ended.
const KILL_DEADLINE: i64 = 1;

impl WorkerRow {
    /// Its row was closed by us after its log was read for the last time.
    fn ended_by_us(&self) -> bool {
        match (self.completed_at, self.deregistered_at) {
            (Some(completed), Some(deregistered)) => completed > deregistered,
            (_, _) => false,
        }
    }
}
