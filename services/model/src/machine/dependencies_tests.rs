//! What becomes of workers and jobs while GitHub or the cluster is out of reach.

use super::tests::{machine, ours, see};
use super::*;
use crate::dependencies::{Hindrance, Party, Trouble};
use crate::effects::{Dependency, Outcome};
use crate::testing::*;

fn silence(from: Dependency) -> Outcome {
    Outcome::NoAnswer {
        from,
        message: "timed out".to_owned(),
    }
}

fn not_now(trouble: Trouble, until: Option<Time>) -> Outcome {
    Outcome::NotNow {
        hindrance: Hindrance {
            until,
            ..Hindrance::of(&demand(7), trouble)
        },
        message: "not now".to_owned(),
    }
}

fn asks_github(action: &Action) -> bool {
    matches!(action.effect.party(), Some(Party::Installation(..)))
}

fn reason(machine: &Machine, job: i64) -> String {
    machine.plan().waiting[&JobId(job)].to_string()
}

/// One job and the worker that is being made for it; the first answer of GitHub is this, and rounds follow every second.
fn played(
    first: &Outcome,
    seconds: i64,
    mut each: impl FnMut(&Machine, i64, &[Action]),
) -> Machine {
    let mut machine = machine();
    let row = ours("w1", demand(7));
    let mut answers = Vec::new();
    for second in 100..100 + seconds {
        if second % 15 == 10 {
            see(
                &mut machine,
                vec![job(1, demand(7)), job(2, demand(17))],
                vec![row.clone()],
                vec![],
                3,
                second,
            );
        }
        let mut actions = Vec::new();
        for id in std::mem::take(&mut answers) {
            actions.extend(machine.outcome(id, first.clone(), at(second)));
        }
        actions.extend(machine.decide(at(second)));
        each(&machine, second, &actions);
        answers = actions
            .iter()
            .filter(|action| {
                asks_github(action) && action.effect.party() == Some(Party::of(&demand(7)))
            })
            .map(|action| action.id)
            .collect();
    }
    machine
}

#[test]
fn a_limit_is_waited_for_and_nothing_is_asked_before() {
    let mut asked = Vec::new();
    let until = at(3_000);
    played(
        &not_now(Trouble::HourlyLimit, Some(until)),
        1_000,
        |machine, second, actions| {
            let of_seven = actions
                .iter()
                .filter(|action| action.effect.party() == Some(Party::of(&demand(7))));
            asked.extend(of_seven.map(|_| second));
            if second == 130 {
                assert_eq!(reason(machine, 1), "github_budget:installation:8");
                assert_eq!(
                    reason(machine, 2),
                    "starting",
                    "the other one is not held up"
                );
            }
        },
    );
    assert_eq!(asked.len(), 1, "asked at {asked:?}");
}

#[test]
fn silence_is_probed_every_fifteen_seconds() {
    let mut asked = Vec::new();
    let mut failed = 0;
    let mut given_back = 0;
    played(&silence(Dependency::GitHub), 600, |_, second, actions| {
        for action in actions {
            if action.effect.party() == Some(Party::of(&demand(7))) {
                asked.push(second);
            }
            match &action.effect {
                Effect::MarkFinished { finish, .. } if finish.failure.is_some() => failed += 1,
                Effect::Condemn { .. } => given_back += 1,
                _ => {}
            }
        }
    });
    assert_eq!(failed, 0, "no failed workers come of it");
    assert_eq!(given_back, 1, "its slot is given back");
    let late: Vec<_> = asked.iter().filter(|second| **second >= 200).collect();
    assert!(
        (30..=36).contains(&late.len()),
        "500 seconds, one probe every fifteen: {asked:?}"
    );
}

#[test]
fn an_answer_to_the_probe_opens_the_way_at_once() {
    let mut machine = played(&silence(Dependency::GitHub), 61, |_, _, _| {});
    assert!(reason(&machine, 1).starts_with("github_unreachable"));
    let probe = (161..190).find_map(|second| {
        let actions = machine.decide(at(second));
        let probe = actions
            .into_iter()
            .find(|action| matches!(action.effect, Effect::ListRunners { .. }));
        Some((second, probe?))
    });
    let (second, probe) = probe.expect("a probe");
    machine.outcome(probe.id, Outcome::Runners(vec![]), at(second + 1));
    machine.decide(at(second + 1));
    assert!(reason(&machine, 1).starts_with("starting"));
}

#[test]
fn a_suspended_installation_is_asked_for_once_a_minute_and_makes_no_workers() {
    let mut asked = Vec::new();
    let mut reserved = 0;
    let machine = played(
        &not_now(Trouble::Suspended, None),
        600,
        |_, second, actions| {
            for action in actions {
                if action.effect.party() == Some(Party::of(&demand(7))) {
                    asked.push(second);
                }
                if let Effect::Reserve { asks, .. } = &action.effect {
                    reserved += asks
                        .iter()
                        .filter(|ask| ask.demand.entity == EntityId(7))
                        .count();
                }
            }
        },
    );
    assert_eq!(reason(&machine, 1), "installation_suspended:8");
    assert!(asked.len() <= 11, "{asked:?}");
    assert_eq!(reserved, 0);
}

#[test]
fn a_cluster_that_does_not_answer_our_calls_is_left_alone_until_a_list_comes() {
    let mut machine = machine();
    let jobs = || vec![job(1, personal(7, 70))];
    let rows = || {
        (1..=3)
            .map(|n| ours(&format!("w{n}"), personal(7, 70)))
            .collect::<Vec<_>>()
    };
    see(&mut machine, jobs(), rows(), vec![], 4, 100);
    let mut pods = Vec::new();
    for action in machine.decide(at(101)) {
        if let Effect::CreateJitConfig { .. } = action.effect {
            let jit = Outcome::JitConfig {
                runner: crate::RunnerId(33),
                jit: crate::effects::JitHandle(1),
            };
            pods.extend(machine.outcome(action.id, jit, at(101)));
        }
    }
    assert_eq!(pods.len(), 3);
    let mut next = Vec::new();
    for pod in pods {
        next.extend(machine.outcome(pod.id, silence(Dependency::Kubernetes), at(111)));
    }
    machine.decide(at(112));
    assert_eq!(machine.breakers().open().count(), 1);
    let asks_the_cluster = |actions: &[Action]| {
        actions
            .iter()
            .any(|action| action.effect.party() == Some(Party::Kubernetes))
    };
    assert!(!asks_the_cluster(&machine.decide(at(120))));
    for action in next {
        machine.outcome(action.id, silence(Dependency::Kubernetes), at(121));
    }
    see(&mut machine, jobs(), rows(), vec![], 4, 137);
    assert!(asks_the_cluster(&machine.decide(at(137))), "a list came");
}
