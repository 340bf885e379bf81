//! Installations that are not found and accounts that took another name, as stories.

use super::tests::{machine, ours, see};
use super::*;
use crate::dependencies::{Hindrance, Trouble};
use crate::effects::{InstallationFacts, LookUp, Outcome};
use crate::rows::Demand;
use crate::testing::*;
use crate::{InstallationId, RunnerId};

fn not_found() -> Outcome {
    Outcome::NotNow {
        hindrance: Hindrance {
            status: Some(404),
            ..Hindrance::of(&demand(7), Trouble::NotFound)
        },
        message: "not found".to_owned(),
    }
}

fn installation(id: i64, login: &str) -> Outcome {
    Outcome::Installation(InstallationFacts {
        id: InstallationId(id),
        login: login.to_owned(),
        suspended: false,
    })
}

fn find(actions: &[Action], wanted: impl Fn(&Effect) -> bool) -> Option<&Action> {
    actions.iter().find(|action| wanted(&action.effect))
}

fn asks_the_account(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::AskInstallation {
            by: LookUp::Account,
            ..
        }
    )
}

/// A pending job, a worker that is being made for it, and a first answer that the installation is not found.
fn refused_a_token() -> (Machine, Vec<Action>) {
    let mut machine = machine();
    let row = ours("w1", demand(7));
    see(
        &mut machine,
        vec![job(1, demand(7))],
        vec![row],
        vec![],
        1,
        100,
    );
    let first = machine.decide(at(101));
    let step = find(&first, |e| matches!(e, Effect::EnsureRunnerGroup { .. })).expect("a step");
    let logged = machine.outcome(step.id, not_found(), at(101));
    let mut next = machine.decide(at(102));
    next.extend(logged);
    (machine, next)
}

#[test]
fn everything_moves_to_the_present_installation_of_the_account() {
    let (mut machine, next) = refused_a_token();
    let question = find(&next, asks_the_account).expect("which one is there now?");
    let next = machine.outcome(question.id, installation(55, "org-7"), at(103));
    let write = find(&next, |e| matches!(e, Effect::MoveInstallation { .. })).expect("a write");
    assert_eq!(
        write.effect,
        Effect::MoveInstallation {
            entity: EntityId(7),
            from: InstallationId(8),
            to: InstallationId(55)
        }
    );
    machine.outcome(write.id, Outcome::Written, at(103));
    let next = machine.decide(at(104));
    let step = find(&next, |e| matches!(e, Effect::EnsureRunnerGroup { .. })).expect("it goes on");
    let through = step.effect.demand().map(|demand| demand.installation);
    assert_eq!(through, Some(InstallationId(55)));
    assert_eq!(machine.breakers().open().count(), 0);
}

fn failed_job(actions: &[Action]) -> Option<String> {
    actions.iter().find_map(|action| match &action.effect {
        Effect::RecordJob {
            change: Some(JobChange::Failed(message)),
            ..
        } => Some(message.clone()),
        _ => None,
    })
}

#[test]
fn one_404_proves_nothing_and_two_a_minute_apart_do() {
    let (mut machine, next) = refused_a_token();
    let question = find(&next, asks_the_account).expect("a question");
    let next = machine.outcome(question.id, Outcome::NotThere, at(103));
    let log = find(&next, |e| matches!(e, Effect::ReadInstallationLog { .. })).expect("the log");
    machine.outcome(log.id, Outcome::InstallationDeleted(false), at(103));
    let mut token = None;
    for second in 104..=161 {
        if second % 20 == 0 {
            see(
                &mut machine,
                vec![job(1, demand(7))],
                vec![],
                vec![],
                1,
                second,
            );
        }
        let actions = machine.decide(at(second));
        assert_eq!(failed_job(&actions), None, "at {second}");
        token = find(&actions, |e| matches!(e, Effect::ListRunners { .. })).cloned();
        assert_eq!(token.is_some(), second == 161, "asked again a minute later");
    }
    machine.outcome(
        token.expect("its token is asked for").id,
        not_found(),
        at(162),
    );
    let next = machine.decide(at(163));
    let question = find(&next, asks_the_account).expect("and the account again");
    machine.outcome(question.id, Outcome::NotThere, at(163));
    let next = machine.decide(at(164));
    assert_eq!(
        failed_job(&next).as_deref(),
        Some("installation not found for installation_id=8 entity_type=Organization")
    );
}

#[test]
fn its_end_in_the_log_is_proof_enough() {
    let (mut machine, next) = refused_a_token();
    let question = find(&next, asks_the_account).expect("a question");
    let next = machine.outcome(question.id, Outcome::NotThere, at(103));
    let log = find(&next, |e| matches!(e, Effect::ReadInstallationLog { .. })).expect("the log");
    machine.outcome(log.id, Outcome::InstallationDeleted(true), at(103));
    assert!(failed_job(&machine.decide(at(104))).is_some());
}

#[test]
fn an_account_that_took_another_name_is_asked_for_it_once() {
    let mut machine = machine();
    let row = ours("w1", demand(7));
    see(
        &mut machine,
        vec![job(1, demand(7))],
        vec![row],
        vec![],
        1,
        100,
    );
    let first = machine.decide(at(101));
    let step = find(&first, |e| matches!(e, Effect::EnsureRunnerGroup { .. })).expect("a step");
    let next = machine.outcome(step.id, Outcome::RunnerGroup(RunnerGroupId(5)), at(101));
    let missing = || Outcome::ScopeNotFound {
        message: "404".to_owned(),
    };
    let next = machine.outcome(next[0].id, missing(), at(102));
    let question = find(&next, |e| {
        matches!(e, Effect::AskInstallation { by: LookUp::Id, .. })
    })
    .expect("whose is it?");
    machine.outcome(question.id, installation(8, "new-name"), at(103));
    let next = machine.decide(at(105));
    let step = find(&next, |e| matches!(e, Effect::CreateJitConfig { .. })).expect("once more");
    let name = step
        .effect
        .demand()
        .map(|demand| demand.entity_name.clone());
    assert_eq!(name.as_deref(), Some("new-name"));
    let next = machine.outcome(step.id, missing(), at(106));
    assert!(
        find(&next, |e| matches!(e, Effect::MarkFinished { .. })).is_some(),
        "it is not there by its present name either"
    );
}

#[test]
fn the_last_delivery_of_an_account_names_it() {
    let mut machine = machine();
    let renamed = Demand {
        entity_name: "new".to_owned(),
        repo_full_name: Some("new/repo-70".to_owned()),
        ..personal(7, 70)
    };
    let mut row = ours("w1", personal(7, 70));
    row.runner = Some(RunnerId(33));
    see(
        &mut machine,
        vec![job(1, personal(7, 70)), job(2, renamed)],
        vec![row],
        vec![],
        1,
        100,
    );
    let names = machine
        .workers()
        .values()
        .map(|row| row.demand.scope_name().to_string());
    assert_eq!(names.collect::<Vec<_>>(), ["new/repo-70"]);
    assert_eq!(machine.jobs()[0].demand.entity_name, "new");
}

#[test]
fn tokens_that_cannot_be_had_are_written_once_an_hour_with_how_often() {
    let (mut machine, next) = refused_a_token();
    let logged = |actions: &[Action]| {
        actions.iter().find_map(|action| match &action.effect {
            Effect::LogAuthAttempt { attempt } => Some((action.id, attempt.clone())),
            _ => None,
        })
    };
    let (id, attempt) = logged(&next).expect("a row");
    assert_eq!((attempt.status, attempt.count), (404, 1));
    machine.outcome(id, Outcome::Written, at(103));
    // The installation is there as far as its account says, and gives no token all the same.
    let question = find(&next, asks_the_account).expect("a question").id;
    machine.outcome(question, installation(8, "org-7"), at(103));
    let mut rows = Vec::new();
    for second in 104..=4_000 {
        if second % 20 == 0 {
            see(
                &mut machine,
                vec![job(1, demand(7))],
                vec![],
                vec![],
                1,
                second,
            );
        }
        for action in machine.decide(at(second)) {
            match &action.effect {
                Effect::ListRunners { .. } => {
                    let next = machine.outcome(action.id, not_found(), at(second));
                    if let Some((id, attempt)) = logged(&next) {
                        rows.push((second, attempt.count));
                        machine.outcome(id, Outcome::Written, at(second));
                    }
                }
                effect if asks_the_account(effect) => {
                    machine.outcome(action.id, installation(8, "org-7"), at(second));
                }
                _ => {}
            }
        }
    }
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert!(rows[0].0 > 3_700 && rows[0].1 > 10, "{rows:?}");
}

#[test]
fn a_runner_that_is_not_there_is_looked_for_by_name_before_it_counts_as_gone() {
    let mut machine = machine();
    let mut row = ours("w1", demand(7));
    row.status = Status::Failed;
    row.runner = Some(RunnerId(33));
    see(&mut machine, vec![], vec![row], vec![], 1, 100);
    let actions = machine.decide(at(101));
    let delete = find(&actions, |e| matches!(e, Effect::DeleteRunner { .. })).expect("a removal");
    let next = machine.outcome(delete.id, Outcome::NotThere, at(102));
    let list = find(&next, |e| matches!(e, Effect::FindRunner { .. })).expect("a look");
    let missing = Outcome::ScopeNotFound {
        message: "404".to_owned(),
    };
    let next = machine.outcome(list.id, missing, at(103));
    let question = find(&next, |e| matches!(e, Effect::AskInstallation { .. })).expect("a name");
    machine.outcome(question.id, installation(8, "new-name"), at(104));
    let actions = machine.decide(at(106));
    let delete = find(&actions, |e| matches!(e, Effect::DeleteRunner { .. })).expect("once more");
    let name = delete
        .effect
        .demand()
        .map(|demand| demand.entity_name.as_str());
    assert_eq!(name, Some("new-name"));
    let next = machine.outcome(delete.id, Outcome::RunnerGone, at(107));
    assert!(find(&next, |e| matches!(e, Effect::RecordDeregistered { .. })).is_some());
}

#[test]
fn a_worker_that_had_its_job_long_ago_does_not_end_the_back_off_of_its_key() {
    let mut machine = machine();
    let mut done = ours("w1", demand(7));
    done.status = Status::Completed;
    done.deregistered_at = Some(at(50));
    done.named_by = vec![named(9, Status::Completed)];
    let fresh = ours("w2", demand(7));
    let jobs = || vec![job(1, demand(7))];
    see(
        &mut machine,
        jobs(),
        vec![done.clone(), fresh],
        vec![],
        1,
        100,
    );
    let actions = machine.decide(at(101));
    let step = find(&actions, |e| matches!(e, Effect::EnsureRunnerGroup { .. })).expect("a step");
    let refused = Outcome::Refused {
        by: crate::effects::Dependency::GitHub,
        message: "403".to_owned(),
    };
    machine.outcome(step.id, refused, at(102));
    see(&mut machine, jobs(), vec![done], vec![], 1, 103);
    machine.decide(at(103));
    assert_eq!(machine.plan().waiting[&JobId(1)].to_string(), "backing_off");
}
