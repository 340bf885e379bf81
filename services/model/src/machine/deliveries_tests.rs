//! Missed deliveries as a story: looks at GitHub's log, and what is asked for again.

use uuid::Uuid;

use super::tests::{machine, see};
use super::*;
use crate::config::Apps;
use crate::deliveries::{
    Attempt, DeliveryEffect, DeliveryOutcome, DeliveryRules, LogSays, Missed, Recover, Retry,
};
use crate::effects::{Dependency, Outcome};
use crate::span::Span;
use crate::testing::*;
use crate::{AppId, DeliveryId, EntityKind};

const APP: AppId = AppId(11);

fn recovering() -> Machine {
    let mut machine = Machine::new(MachineConfig {
        recovery: Some(Recovery {
            apps: Apps {
                organization: APP,
                personal: AppId(12),
            },
            rules: DeliveryRules {
                recover: Recover::Always,
                look_every: Span::seconds(300),
                first_look_back: Span::seconds(3600),
                overlap: Span::seconds(120),
                redeliver_every: Span::seconds(1),
                attempts: 3,
            },
        }),
        ..machine().config().clone()
    });
    see(&mut machine, vec![], vec![], vec![], 1, 100);
    machine
}

/// What is done about the deliveries of the App for organisations.
fn about(actions: &[Action]) -> Option<(ActionId, DeliveryEffect)> {
    actions.iter().find_map(|action| match &action.effect {
        Effect::Deliveries(APP, effect) => Some((action.id, effect.clone())),
        _ => None,
    })
}

fn missed(id: i64) -> Missed {
    Missed {
        guid: Uuid::from_u128(id.unsigned_abs().into()),
        attempt: DeliveryId(id),
        event: "workflow_job.queued".to_owned(),
    }
}

fn retry(id: i64, tries: u32) -> Retry {
    Retry {
        missed: missed(id),
        tries,
        last_try: (tries > 0).then(|| at(-1000)),
    }
}

fn told(outcome: DeliveryOutcome) -> Outcome {
    Outcome::Deliveries(outcome)
}

/// A look that finds this missing; the time is then 100.
fn looked(machine: &mut Machine, missing: Vec<Retry>) -> Vec<Action> {
    let (id, effect) = about(&machine.decide(at(100))).expect("a look");
    assert_eq!(effect, DeliveryEffect::ReadCursor);
    let (id, effect) = about(&machine.outcome(id, told(DeliveryOutcome::Cursor(None)), at(100)))
        .expect("GitHub's log is read");
    let since = at(100 - 3600);
    let kind = EntityKind::Organization;
    assert_eq!(effect, DeliveryEffect::ReadLog { kind, since });
    let attempt = |id: i64, status_code| Attempt {
        id: DeliveryId(id),
        guid: missed(id).guid,
        event: "workflow_job".to_owned(),
        action: Some("queued".to_owned()),
        delivered_at: at(id),
        status_code,
    };
    let log = vec![attempt(50, 0), attempt(40, 200)];
    let (id, effect) = about(&machine.outcome(id, told(DeliveryOutcome::Log(log)), at(100)))
        .expect("what it says is written");
    let says = LogSays {
        missed: vec![missed(50)],
        arrived: [missed(40).guid].into_iter().collect(),
        newest: Some(at(50)),
    };
    // Attempts are shown when they are over: the next look goes back a little.
    let seen_until = at(50 - 120);
    assert_eq!(effect, DeliveryEffect::Record { says, seen_until });
    machine.outcome(id, told(DeliveryOutcome::Missing(missing)), at(100))
}

#[test]
fn what_did_not_arrive_is_asked_for_again_one_a_second_the_newest_first() {
    let mut machine = recovering();
    looked(&mut machine, vec![retry(3, 0), retry(5, 2)]);
    let (id, effect) = about(&machine.decide(at(100))).expect("a try");
    assert_eq!(effect, DeliveryEffect::CountTry { missed: missed(5) });
    let (id, effect) = about(&machine.outcome(id, Outcome::Written, at(100))).expect("a request");
    let kind = EntityKind::Organization;
    let request = |id| DeliveryEffect::Redeliver {
        kind,
        missed: missed(id),
    };
    assert_eq!(effect, request(5), "counted before it is asked for");
    machine.outcome(id, told(DeliveryOutcome::Accepted), at(100));
    assert_eq!(about(&machine.decide(at(100))), None);
    assert_eq!(machine.wake_at(), Some(at(101)));
    let (id, _) = about(&machine.decide(at(101))).expect("the next one");
    let (_, effect) = about(&machine.outcome(id, Outcome::Written, at(101))).expect("a request");
    assert_eq!(effect, request(3));
}

#[test]
fn a_request_without_an_answer_is_made_again_without_being_counted_again() {
    let mut machine = recovering();
    looked(&mut machine, vec![retry(3, 0)]);
    let (id, _) = about(&machine.decide(at(100))).expect("a try");
    let (id, request) = about(&machine.outcome(id, Outcome::Written, at(100))).expect("a request");
    let silence = Outcome::NoAnswer {
        from: Dependency::GitHub,
        message: "502".to_owned(),
    };
    assert_eq!(about(&machine.outcome(id, silence, at(101))), None);
    assert_eq!(about(&machine.decide(at(102))), None, "not at once");
    let (_, again) = about(&machine.decide(at(112))).expect("once more");
    assert_eq!(again, request);
}

#[test]
fn what_was_asked_for_often_enough_or_is_gone_at_github_is_given_up() {
    let mut machine = recovering();
    let actions = looked(&mut machine, vec![retry(3, 3), retry(2, 0)]);
    let (id, effect) = about(&actions).expect("it is given up");
    let given_up = |id| DeliveryEffect::GiveUp {
        missed: vec![missed(id)],
    };
    assert_eq!(effect, given_up(3));
    machine.outcome(id, Outcome::Written, at(100));
    let (id, _) = about(&machine.decide(at(100))).expect("a try");
    let (id, _) = about(&machine.outcome(id, Outcome::Written, at(100))).expect("a request");
    let (_, effect) = about(&machine.outcome(id, Outcome::NotThere, at(100))).expect("an end");
    assert_eq!(effect, given_up(2));
}

#[test]
fn the_log_is_looked_at_every_five_minutes_and_soon_again_after_a_failure() {
    let mut machine = recovering();
    looked(&mut machine, vec![]);
    assert_eq!(about(&machine.decide(at(399))), None);
    assert_eq!(machine.wake_at(), Some(at(400)));
    let (id, _) = about(&machine.decide(at(400))).expect("a look");
    let silence = Outcome::NoAnswer {
        from: Dependency::Database,
        message: "down".to_owned(),
    };
    machine.outcome(id, silence, at(401));
    assert_eq!(about(&machine.decide(at(402))), None);
    let (_, effect) = about(&machine.decide(at(411))).expect("a look");
    assert_eq!(effect, DeliveryEffect::ReadCursor);
}

#[test]
fn where_it_is_switched_off_nothing_is_looked_at() {
    let mut machine = machine();
    see(&mut machine, vec![], vec![], vec![], 1, 100);
    assert_eq!(about(&machine.decide(at(100))), None);
    assert_eq!(machine.wake_at(), None);
}
