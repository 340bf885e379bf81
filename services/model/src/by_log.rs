//! Ending a worker whose scope GitHub does not let us see, or that nobody knows: only its log can tell.
//!
//! Two whole readings of its log, a while apart, must both lack a job without an end. Nothing is asked of GitHub.

use crate::cluster::Pod;
use crate::ending::kill;
use crate::log::LoggedJob;
use crate::workers::{CondemnReason, Finish, Verdict, WorkerFacts};

/// Decides over a running pod that goes by its log.
pub(crate) fn by_log(facts: WorkerFacts<'_>, pod: &Pod) -> Verdict {
    let (row, rules) = (facts.row, facts.rules);
    let due = pod
        .container_started_at()
        .is_some_and(|at| facts.now - at >= rules.scope_gone_after.delta());
    if !due {
        return Verdict::Keep;
    }
    let apart = rules.reads_apart.delta();
    let read_lately = facts
        .log_read_at
        .is_some_and(|read| facts.now - read < apart);
    let look_again = || {
        if read_lately {
            Verdict::Keep
        } else {
            Verdict::ReadLog
        }
    };
    let (Some(log), Some(read)) = (facts.log, facts.log_read_at) else {
        return Verdict::ReadLog;
    };
    match log.job {
        LoggedJob::Running { .. } => return look_again(),
        // Its job may be on its way to it, or its end to us.
        LoggedJob::None if row.is_bound() => return look_again(),
        LoggedJob::None | LoggedJob::Completed { .. } => {}
    }
    if row.condemned.is_none() {
        let message = "GitHub lets us see its account or repository no more".to_owned();
        return Verdict::Condemn(CondemnReason::ScopeGone, message);
    }
    let agreed = facts
        .log_free_since
        .is_some_and(|first| read - first >= apart);
    if !agreed {
        return look_again();
    }
    if row.is_live() {
        Verdict::Finish(Finish::condemned(row, pod.node.clone()))
    } else {
        kill(facts, pod)
    }
}
