//! What will happen by itself, in order of time; of things due at the same moment, the one set first is first.

use std::collections::BTreeMap;

use super::pod::PodId;
use crate::world::Time;

/// A timer that can still be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TimerId(Time, u64);

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    /// The scheduler looks at what waits.
    Schedule,
    /// A pod's life goes on.
    Pod(PodId, Step),
    /// Its deadline passes.
    Deadline(PodId),
    /// Its toleration of its node's taints ends.
    Evict(PodId),
    /// The processes on a board die, because its power is gone.
    ProcessesDie(String),
    /// The control plane gives a silent board up.
    NodeLost(String),
}

/// The next step of a pod's life on its board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The kubelet hears of it.
    Notice,
    /// A pull ends, well or not.
    Pulled,
    /// A failed pull turns into waiting.
    BackOff,
    /// The image is pulled once more.
    PullAgain,
    /// The container starts.
    Start,
    /// The runner connects to GitHub.
    Connect,
    /// The runner asks for work.
    Poll,
    /// The runner's job goes on or ends.
    Work,
    /// The container ends by itself.
    Exit(i32),
    /// The container is dead by the kubelet's hand.
    Killed,
}

#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<TimerId, Due>,
    last: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Time, due: Due) -> TimerId {
        self.last += 1;
        let id = TimerId(at, self.last);
        self.due.insert(id, due);
        id
    }

    pub(super) fn cancel(&mut self, id: Option<TimerId>) {
        if let Some(id) = id {
            self.due.remove(&id);
        }
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.keys().next().map(|id| id.0)
    }

    /// Takes the first of what is due at `now`.
    pub(super) fn pop(&mut self, now: Time) -> Option<Due> {
        let first = self
            .due
            .first_entry()
            .filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}
