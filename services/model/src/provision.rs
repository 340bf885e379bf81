//! How one reserved worker gets its runner and its pod: which step comes next, and what an answer, or none, means.
//!
//! Everything here may be lost: a new process begins again at the first step, and the name finds what was left. A name that is
//! taken is our own lost call: it is looked up, removed, and asked for once more. An earlier leader may have come as far as
//! the pod, in a call that still takes effect: the runner is removed only when such calls have had their time and there is
//! no pod.

use crate::effects::{Effect, JitHandle};
use crate::rows::WorkerRow;
use crate::{EntityKind, NodeName, RunnerGroupId, RunnerId, Time};

/// The next thing to do, or to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was asked yet, or the last question had no answer and may be asked again.
    Runner,
    /// The name is taken: find out by which runner.
    Clash,
    /// That runner may be the one of a pod that an earlier leader asked for: first see that there is none.
    Look { runner: RunnerId, ask_at: Time },
    /// That runner is in the way.
    Evict(RunnerId),
    /// The runner is registered; the pod is next.
    Pod(JitHandle),
    /// The pod was asked for and no answer came: was it made?
    Unanswered { ask_at: Time, misses: u8 },
}

/// What is remembered of one worker while it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Provision {
    pub(crate) stage: Stage,
    /// The runner that was registered last.
    pub(crate) runner: Option<RunnerId>,
    /// How often the name was taken.
    clashes: u8,
}

/// A name that is taken again after we removed its owner is not ours to fight for.
const CLASHES: u8 = 1;
/// Reads without the pod, a while apart, after which it was never made.
const MISSES: u8 = 2;

impl Provision {
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Runner,
            runner: None,
            clashes: 0,
        }
    }

    /// The next step; `None` while only time can help. A pod is kept off quarantined boards.
    pub(crate) fn next(
        &self,
        row: &WorkerRow,
        group: Option<RunnerGroupId>,
        quarantined: &[NodeName],
        now: Time,
    ) -> Option<Effect> {
        let worker = row.name.clone();
        let demand = row.demand.clone();
        match &self.stage {
            Stage::Runner if row.demand.kind == EntityKind::Organization && group.is_none() => {
                Some(Effect::EnsureRunnerGroup { demand })
            }
            Stage::Runner => Some(Effect::CreateJitConfig {
                worker,
                demand,
                group,
            }),
            Stage::Clash => Some(Effect::FindRunner { worker, demand }),
            Stage::Evict(runner) => Some(Effect::DeleteRunner {
                worker,
                demand,
                runner: *runner,
            }),
            Stage::Pod(jit) => Some(Effect::CreatePod {
                worker: Box::new(row.clone()),
                jit: *jit,
                quarantined: quarantined.to_vec(),
            }),
            Stage::Look { ask_at, .. } | Stage::Unanswered { ask_at, .. } => {
                (now >= *ask_at).then_some(Effect::GetPod { worker })
            }
        }
    }

    /// The name was taken. Returns whether it is worth another try.
    pub(crate) fn name_taken(&mut self) -> bool {
        self.clashes += 1;
        self.stage = Stage::Clash;
        self.clashes <= CLASHES
    }

    /// The pod could not be found. Returns whether it is worth another look.
    pub(crate) fn missed(&mut self, again_at: Time) -> bool {
        let misses = match self.stage {
            Stage::Unanswered { misses, .. } => misses + 1,
            Stage::Runner | Stage::Clash | Stage::Look { .. } | Stage::Evict(_) | Stage::Pod(_) => {
                1
            }
        };
        self.stage = Stage::Unanswered {
            ask_at: again_at,
            misses,
        };
        misses < MISSES
    }

    /// There is no pod: the runner that was looked for one can go. Returns whether one was.
    pub(crate) fn has_no_pod(&mut self) -> bool {
        let Stage::Look { runner, .. } = self.stage else {
            return false;
        };
        self.stage = Stage::Evict(runner);
        true
    }

    /// When time lets it go on, if it waits for that.
    pub(crate) fn waits_until(&self) -> Option<Time> {
        match self.stage {
            Stage::Look { ask_at, .. } | Stage::Unanswered { ask_at, .. } => Some(ask_at),
            Stage::Runner | Stage::Clash | Stage::Evict(_) | Stage::Pod(_) => None,
        }
    }

    /// A pod was asked for and nobody knows whether it was made.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Unanswered { .. })
    }
}
