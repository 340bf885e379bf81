//! What GitHub's runner lists said of a worker's runner, one read after the other.
//!
//! One read proves little: `busy` comes late, `offline` is at times said of runners that work. What lasted from one read
//! to another a while later is evidence.

use chrono::TimeDelta;

use crate::Time;
use crate::github::{Runner, RunnerStatus};

/// What one list said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerState {
    /// Registered, without a session.
    Offline,
    /// Connected, without a job.
    Idle,
    /// Connected, with a job.
    Busy,
    /// Not registered.
    Absent,
}

impl RunnerState {
    /// What a runner in a list is; nothing when GitHub's word is not known.
    #[must_use]
    pub fn of(runner: &Runner) -> Option<Self> {
        match (runner.busy, runner.status) {
            (true, _) => Some(Self::Busy),
            (false, RunnerStatus::Online) => Some(Self::Idle),
            (false, RunnerStatus::Offline) => Some(Self::Offline),
            (false, RunnerStatus::Other) => None,
        }
    }
}

/// A state, and the reads that said it without another answer in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lasting {
    state: RunnerState,
    first: Time,
    last: Time,
}

/// The reads of one runner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunnerHistory {
    lasting: Option<Lasting>,
    ever_online: bool,
}

impl RunnerHistory {
    /// Takes what a list said that was begun at that time. An older list than the last one changes nothing.
    pub fn record(&mut self, state: RunnerState, begun: Time) {
        if matches!(state, RunnerState::Idle | RunnerState::Busy) {
            self.ever_online = true;
        }
        match &mut self.lasting {
            Some(lasting) if begun <= lasting.last => {}
            Some(lasting) if lasting.state == state => lasting.last = begun,
            Some(_) | None => {
                self.lasting = Some(Lasting {
                    state,
                    first: begun,
                    last: begun,
                });
            }
        }
    }

    /// What the last read said.
    #[must_use]
    pub fn state(&self) -> Option<RunnerState> {
        self.lasting.map(|lasting| lasting.state)
    }

    /// From the first to the last of the reads that agree; zero after one.
    #[must_use]
    pub fn lasted(&self) -> TimeDelta {
        self.lasting
            .map_or(TimeDelta::zero(), |lasting| lasting.last - lasting.first)
    }

    /// When the first of the reads that agree was begun.
    #[must_use]
    pub fn since(&self) -> Option<Time> {
        self.lasting.map(|lasting| lasting.first)
    }

    /// When the last read was begun.
    #[must_use]
    pub fn last(&self) -> Option<Time> {
        self.lasting.map(|lasting| lasting.last)
    }

    /// Whether any read saw it connected.
    #[must_use]
    pub fn ever_online(&self) -> bool {
        self.ever_online
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn a_state_lasts_until_another_answer() {
        let mut history = RunnerHistory::default();
        assert_eq!(history.state(), None);
        history.record(RunnerState::Offline, at(0));
        assert_eq!(history.lasted(), TimeDelta::zero(), "one read is no time");
        history.record(RunnerState::Offline, at(40));
        assert_eq!(history.lasted(), TimeDelta::seconds(40));
        history.record(RunnerState::Idle, at(50));
        history.record(RunnerState::Offline, at(60));
        assert_eq!(history.lasted(), TimeDelta::zero());
        assert!(history.ever_online());
        history.record(RunnerState::Absent, at(55));
        assert_eq!(
            history.state(),
            Some(RunnerState::Offline),
            "an old list says nothing new"
        );
    }
}
