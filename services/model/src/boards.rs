//! Boards that cannot be heard: which are dead, and when it is rather the control plane that is.
//!
//! A board that went silent may run its job on. Its worker is given up only when GitHub says that the runner is gone, or
//! has long been disconnected without a job; and never while so many boards went silent together, or the API server with
//! them, that the boards are not to blame.

use crate::Time;
use crate::cluster::{Node, Readiness};
use crate::config::Rules;
use crate::runners::RunnerState;
use crate::view::ClusterView;
use crate::workers::WorkerFacts;

/// So many boards at least make a suspicion.
const TOGETHER_AT_LEAST: usize = 2;
/// A part of all boards that makes a suspicion: one in so many.
const TOGETHER_PART: usize = 3;

/// What is thought of silent boards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// A board that is silent is dead.
    None,
    /// It is the control plane: nothing is done to silent boards.
    ControlPlane,
}

/// Since when a node has been silent.
#[must_use]
pub(crate) fn silent_since(node: &Node) -> Option<Time> {
    match node.ready {
        Readiness::Ready => None,
        Readiness::NotReady | Readiness::Unknown => node.ready_since,
    }
}

/// Whether the boards are to blame. `answering_since` is when the API server answered again after a silence that this
/// leader saw.
#[must_use]
pub(crate) fn suspicion(
    cluster: &ClusterView,
    answering_since: Option<Time>,
    now: Time,
    rules: &Rules,
) -> Suspicion {
    let mut silent: Vec<Time> = cluster.nodes().filter_map(silent_since).collect();
    silent.sort_unstable();
    let all = cluster.nodes().count();
    let together = TOGETHER_AT_LEAST.max(all.div_ceil(TOGETHER_PART));
    let within = rules.boards_suspect_within.delta();
    let fell_together = silent
        .windows(together)
        .filter_map(|window| Some((*window.first()?, *window.last()?)))
        .filter(|(first, last)| *last - *first <= within)
        .map(|(_, last)| last)
        .max();
    // The server was away after a board went silent: what happened meanwhile nobody saw.
    let with_the_server = answering_since.filter(|again| silent.iter().any(|at| at < again));
    let Some(since) = fell_together.max(with_the_server) else {
        return Suspicion::None;
    };
    let answered_for = now - since.max(answering_since.unwrap_or(since));
    let others_are_ready = silent.len() < all;
    if answered_for >= rules.boards_suspect_for.delta() && others_are_ready {
        Suspicion::None
    } else {
        Suspicion::ControlPlane
    }
}

/// Rule 8: whether a worker's board is dead and GitHub agrees.
pub(crate) fn is_dead(facts: WorkerFacts<'_>) -> bool {
    let dead_after = facts.rules.board_dead_after.delta();
    let silent_for = facts.board_silent_since.map(|at| facts.now - at);
    if silent_for.is_none_or(|time| time < dead_after) {
        return false;
    }
    let runner = facts.runner;
    match runner.state() {
        Some(RunnerState::Absent) => runner.lasted() >= facts.rules.reads_apart.delta(),
        // It is said of runners that work: a job of its key that GitHub has not told us about may be its.
        Some(RunnerState::Offline) => {
            !facts.row.is_bound() && facts.jobs_asked && runner.lasted() >= dead_after
        }
        Some(RunnerState::Idle | RunnerState::Busy) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, node, rules};

    fn cluster(silent: &[i64], ready: usize) -> ClusterView {
        let mut view = ClusterView::default();
        let dead = silent.iter().enumerate().map(|(number, since)| Node {
            ready: Readiness::Unknown,
            ready_since: Some(at(*since)),
            ..node(&format!("dead-{number}"))
        });
        let alive = (0..ready).map(|number| node(&format!("board-{number}")));
        view.nodes_listed(dead.chain(alive).collect(), at(0));
        view
    }

    #[test]
    fn boards_that_fall_together_are_not_to_blame() {
        let rules = rules();
        for (silent, ready, answering_since, now, expected) in [
            (&[0][..], 1, None, 400, Suspicion::None),
            (&[0, 100], 4, None, 400, Suspicion::ControlPlane),
            (&[0, 400], 4, None, 800, Suspicion::None),
            (&[0, 100], 5, None, 400, Suspicion::None),
            (&[0, 100, 200], 5, None, 400, Suspicion::ControlPlane),
            // The server answered for half an hour since, and others are well.
            (&[0, 100], 4, None, 1_900, Suspicion::None),
            (&[0, 100], 0, None, 9_000, Suspicion::ControlPlane),
            // The server was away after the board fell.
            (&[0], 5, Some(200), 1_900, Suspicion::ControlPlane),
            (&[0], 5, Some(200), 2_000, Suspicion::None),
            (&[300], 5, Some(200), 700, Suspicion::None),
        ] {
            let view = cluster(silent, ready);
            let found = suspicion(&view, answering_since.map(at), at(now), &rules);
            assert_eq!(
                found, expected,
                "{silent:?} of {ready} more, {answering_since:?}, {now}"
            );
        }
    }
}
