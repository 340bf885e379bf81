//! Beside a scheduler of another kind nothing is begun and nothing is ended; afterwards its rows are ours.

use super::tests::*;
use super::*;
use crate::effects::Outcome;
use crate::other::Sign;
use crate::testing::*;
use crate::waiting::WaitingReason;

/// A row as the replaced service writes it, made at that second.
fn theirs(name: &str, created: i64) -> WorkerRow {
    WorkerRow {
        created_at: at(created),
        ..worker(name, demand(1))
    }
}

fn keys(actions: &[Action]) -> Vec<Key> {
    actions.iter().map(|action| action.key.clone()).collect()
}

#[test]
fn a_row_that_it_writes_stops_everything_but_the_reasons() {
    let mut machine = machine();
    // Left behind when this term began: no sign, and taken on as any other.
    let orphan = theirs("w-orphan", 0);
    see(&mut machine, vec![], vec![orphan.clone()], vec![], 3, 100);
    assert!(machine.other_scheduler(at(100)).is_none());
    let begun = machine.decide(at(100));
    assert_eq!(keys(&begun), [Key::Worker("w-orphan".into())]);
    // A job waits, and a worker is there that no list has: both would be acted upon.
    let rows = vec![orphan, theirs("w-new", 110)];
    let jobs = vec![job(1, demand(1)), job(2, demand(2))];
    see(&mut machine, jobs, rows, vec![], 3, 111);
    let actions = machine.decide(at(112));
    assert_eq!(keys(&actions), [Key::Waiting]);
    let reasons: Vec<&WaitingReason> = machine.plan().waiting.values().collect();
    assert_eq!(reasons, [&WaitingReason::OtherScheduler; 2]);
    // Nor does an answer to what is in flight lead to a next step.
    let next = machine.outcome(begun[0].id, Outcome::NotWritten, at(113));
    assert_eq!(next, vec![]);
    let seen = machine.other_scheduler(at(113)).unwrap();
    let name = "w-new".into();
    assert_eq!((seen.sign, seen.until), (Sign::Worker { name }, at(411)));
}

#[test]
fn when_it_is_gone_its_rows_are_taken_on() {
    let mut machine = machine();
    see(&mut machine, vec![], vec![], vec![], 3, 100);
    machine.decide(at(100));
    let rows = || vec![theirs("w-new", 110)];
    let jobs = || vec![job(1, demand(2))];
    see(&mut machine, jobs(), rows(), vec![], 3, 111);
    for action in machine.decide(at(112)) {
        machine.outcome(action.id, Outcome::Written, at(113));
    }
    assert_eq!(machine.wake_at(), Some(at(411)));
    see(&mut machine, jobs(), rows(), vec![], 3, 412);
    let actions = machine.decide(at(412));
    assert!(machine.other_scheduler(at(412)).is_none());
    let keys = keys(&actions);
    assert!(keys.contains(&Key::Worker("w-new".into())), "{keys:?}");
    assert!(keys.contains(&Key::Reserve), "{keys:?}");
}

#[test]
fn its_pods_and_its_lock_tell_as_well() {
    let mut machine = machine();
    see(&mut machine, vec![], vec![], vec![], 1, 100);
    let foreign = Pod {
        created_at: at(105),
        ..pod("w-pod")
    };
    machine.observe(Observation::Pod(Box::new(foreign), at(106)));
    let own = Pod {
        created_at: at(107),
        ..pod("w-own")
    };
    let row = ours("w-own", demand(1));
    see(&mut machine, vec![], vec![row], vec![], 1, 106);
    machine.observe(Observation::Pod(Box::new(own), at(107)));
    let seen = machine.other_scheduler(at(107)).map(|it| it.sign);
    let name = "w-pod".into();
    assert_eq!(seen, Some(Sign::Pod { name }));

    let mut machine = tests::machine();
    for round in 0..3 {
        let when = 100 + 10 * round;
        see(
            &mut machine,
            vec![job(1, demand(1))],
            vec![],
            vec![],
            1,
            when,
        );
        let actions = machine.decide(at(when));
        let reserve = actions.iter().find(|it| it.key == Key::Reserve).unwrap();
        assert!(machine.other_scheduler(at(when)).is_none());
        machine.outcome(reserve.id, Outcome::Locked, at(when + 1));
        for action in actions.iter().filter(|it| it.key == Key::Waiting) {
            machine.outcome(action.id, Outcome::Written, at(when + 1));
        }
    }
    let seen = machine.other_scheduler(at(122)).map(|it| it.sign);
    assert_eq!(seen, Some(Sign::Lock));
}
