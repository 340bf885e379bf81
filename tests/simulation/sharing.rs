//! Stories of boards that are scarce: who gets the next one, and how soon a board is given back that nobody needs.

use std::collections::BTreeSet;

use rise_model::cluster::ENTITY_ID_LABEL;
use rise_model::{EntityId, PodName};
use sandbox::world::cluster::Phase;

use crate::history::{Event, History, Setting, What};
use crate::setup::FIRST_ORG;
use crate::sim::Sim;
use crate::trace::Trace;

/// Repositories of the first and of the second organisation.
const FIRST: usize = 0;
const SECOND: usize = 2;
const SECOND_ORG: i64 = 1_002;

fn setting(boards: usize) -> Setting {
    Setting {
        schedulers: 1,
        boards,
        other_boards: 0,
        cap: 1_000,
        busy_lag: 0,
        idle_runner_after: None,
        pull_back_off: 4,
        groups: true,
    }
}

fn job(number: u64, repository: usize, at: i64, runs_for: i64) -> Event {
    let what = What::Job {
        number,
        repository,
        labels: 0,
        runs_for,
    };
    Event { at, what }
}

fn begin(seed: u64, boards: usize, mut events: Vec<Event>) -> Sim {
    events.sort_by_key(|event| event.at);
    let history = History {
        seed,
        setting: setting(boards),
        events,
    };
    Sim::new(history, Trace::default())
}

fn run(sim: &mut Sim, until: i64) {
    let until = sim.at(until);
    sim.run_until(until);
    assert_eq!(sim.violation, None);
}

/// Pods of an organisation that have not ended.
fn pods(sim: &Sim, entity: i64) -> Vec<(PodName, Phase)> {
    let of_entity = sim.world.cluster.pods().into_iter().filter(|pod| {
        pod.labels.get(ENTITY_ID_LABEL) == Some(&entity.to_string()) && !pod.is_terminal()
    });
    of_entity
        .map(|pod| (PodName::new(pod.name), pod.phase))
        .collect()
}

#[test]
fn who_comes_with_one_job_gets_the_next_board_however_many_others_want() {
    for seed in 0..3 {
        // 39 boards of one organisation, and more of its jobs before the other's in the queue.
        let mut events: Vec<Event> = (0..80)
            .map(|n| job(n, FIRST, 0, 40_000 + i64::try_from(n).unwrap() * 1_500))
            .collect();
        let comes = 30_000;
        events.push(job(1_000, SECOND, comes, 5_000));
        let mut sim = begin(seed, 39, events);
        run(&mut sim, comes);
        assert_eq!(pods(&sim, FIRST_ORG).len(), 39);
        run(&mut sim, 120_000);
        let mut reserved: Vec<_> = sim.tables.workers.values().map(|w| &w.row).collect();
        reserved.retain(|row| row.created_at > sim.at(comes));
        reserved.sort_by_key(|row| (row.created_at, row.name.clone()));
        let entity = reserved.first().map(|row| row.demand.entity);
        assert_eq!(entity, Some(EntityId(SECOND_ORG)), "seed {seed}");
    }
}

#[test]
fn boards_of_a_cancelled_matrix_are_given_to_those_who_wait() {
    let mut not_started_seen = 0;
    let mut started_seen = 0;
    for seed in 0..6 {
        let cancelled = 40_000 + i64::try_from(seed).unwrap() * 4_000;
        let mut events = Vec::new();
        // Half of the boards take long, so that some pods start late and some not at all.
        for board in 0..10 {
            let (times, lasts) = (8, cancelled);
            let what = What::SlowBoard {
                board,
                times,
                lasts,
            };
            events.push(Event { at: 0, what });
        }
        for n in 0..20 {
            events.push(job(n, FIRST, 0, 600_000));
            events.push(job(100 + n, SECOND, cancelled - 1_000, 600_000));
            events.push(Event {
                at: cancelled,
                what: What::Cancel { number: n },
            });
        }
        let mut sim = begin(seed, 20, events);
        run(&mut sim, cancelled - 1);
        let before = pods(&sim, FIRST_ORG);
        // All boards are theirs, if not all of their pods are made yet.
        assert!(before.len() >= 15, "seed {seed}: {}", before.len());
        assert!(pods(&sim, SECOND_ORG).is_empty(), "seed {seed}");
        let pending = before.iter().filter(|(_, phase)| *phase == Phase::Pending);
        let not_started: BTreeSet<PodName> = pending.map(|(name, _)| name.clone()).collect();
        not_started_seen += not_started.len();
        started_seen += before.len() - not_started.len();

        run(&mut sim, cancelled + 15_000);
        let still = pods(&sim, FIRST_ORG);
        let late: Vec<_> = still
            .iter()
            .filter(|(name, phase)| not_started.contains(name) && *phase == Phase::Pending)
            .collect();
        assert!(late.is_empty(), "seed {seed}: {late:?}");

        run(&mut sim, cancelled + 180_000);
        let left = pods(&sim, FIRST_ORG);
        assert!(left.is_empty(), "seed {seed}: {left:?}");
        assert_eq!(pods(&sim, SECOND_ORG).len(), 20, "seed {seed}");
    }
    // Both kinds were there.
    assert!(
        not_started_seen > 0 && started_seen > 0,
        "{not_started_seen} {started_seen}"
    );
}
