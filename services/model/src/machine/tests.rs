//! The machine as a story: rows and pods are seen, effects come out, answers go in.

use super::*;
use crate::cluster::{ContainerState, Phase, Termination};
use crate::effects::{Dependency, JitHandle, Outcome};
use crate::log::LogScan;
use crate::testing::*;
use crate::workers::{CondemnReason, FailureReason};
use crate::{Epoch, RunnerId, SentLabels};

pub(super) fn machine() -> Machine {
    Machine::new(MachineConfig {
        pools: vec![pool()],
        images: BTreeMap::new(),
        caps: caps(99, 1),
        sharing: SHARING,
        rules: rules(),
        runner_prefix: "rise-riscv-runner-".to_owned(),
        recovery: None,
    })
}

/// A machine that sees these jobs and workers and so many free boards.
fn seeing(jobs: Vec<JobRow>, workers: Vec<WorkerRow>, pods: Vec<Pod>, boards: usize) -> Machine {
    let mut machine = machine();
    see(&mut machine, jobs, workers, pods, boards, 100);
    machine
}

pub(super) fn see(
    machine: &mut Machine,
    jobs: Vec<JobRow>,
    workers: Vec<WorkerRow>,
    pods: Vec<Pod>,
    boards: usize,
    when: i64,
) {
    let nodes = (0..boards).map(|n| node(&format!("board-{n}"))).collect();
    machine.observe(Observation::Nodes {
        nodes,
        begun: at(when),
    });
    machine.observe(Observation::Pods {
        pods,
        begun: at(when),
    });
    machine.observe(Observation::Rows {
        jobs,
        workers,
        begun: at(when),
    });
}

fn only(actions: &[Action]) -> &Action {
    assert_eq!(actions.len(), 1, "{actions:#?}");
    &actions[0]
}

fn of_worker<'a>(actions: &'a [Action], name: &str) -> &'a Action {
    let key = Key::Worker(name.into());
    actions
        .iter()
        .find(|a| a.key == key)
        .expect("an action for the worker")
}

fn reserve(actions: &[Action]) -> Option<&Action> {
    actions.iter().find(|a| a.key == Key::Reserve)
}

fn asked(actions: &[Action]) -> usize {
    reserve(actions).map_or(0, |action| match &action.effect {
        Effect::Reserve { asks, .. } => asks.len(),
        other => panic!("not a reservation: {other:?}"),
    })
}

pub(super) fn ours(name: &str, demand: Demand) -> WorkerRow {
    WorkerRow {
        epoch: Some(Epoch(1)),
        created_at: at(100),
        ..worker(name, demand)
    }
}

fn reasons(actions: &[Action]) -> BTreeMap<i64, String> {
    let mut found = BTreeMap::new();
    for action in actions {
        if let Effect::SetWaiting { reasons } = &action.effect {
            found.extend(
                reasons
                    .iter()
                    .map(|(job, reason)| (job.0, reason.clone().unwrap_or_default())),
            );
        }
    }
    found
}

#[test]
fn from_a_queued_job_to_a_pod_step_by_step() {
    let mut machine = seeing(vec![job(1, demand(7))], vec![], vec![], 1);
    let actions = machine.decide(at(100));
    assert_eq!(asked(&actions), 1);
    let id = reserve(&actions).expect("a reservation").id;

    let next = machine.outcome(id, Outcome::Reserved(vec![ours("w1", demand(7))]), at(101));
    assert!(matches!(
        only(&next).effect,
        Effect::EnsureRunnerGroup { .. }
    ));
    let next = machine.outcome(next[0].id, Outcome::RunnerGroup(RunnerGroupId(5)), at(101));
    match &only(&next).effect {
        Effect::CreateJitConfig { worker, group, .. } => {
            assert_eq!(worker.as_str(), "w1");
            assert_eq!(*group, Some(RunnerGroupId(5)));
        }
        other => panic!("{other:?}"),
    }
    let jit = Outcome::JitConfig {
        runner: RunnerId(33),
        jit: JitHandle(1),
    };
    let next = machine.outcome(next[0].id, jit, at(101));
    assert!(matches!(only(&next).effect, Effect::CreatePod { .. }));
    let next = machine.outcome(next[0].id, Outcome::Pod(Box::new(pod("w1"))), at(102));
    match &only(&next).effect {
        Effect::RecordPod { runner, .. } => assert_eq!(*runner, Some(RunnerId(33))),
        other => panic!("{other:?}"),
    }
    assert!(
        machine
            .outcome(next[0].id, Outcome::Written, at(102))
            .is_empty()
    );

    // The job is supplied for: nothing more is asked for it.
    assert_eq!(asked(&machine.decide(at(103))), 0);
}

#[test]
fn a_taken_name_is_our_own_lost_call() {
    let row = ours("w1", personal(7, 70));
    let mut machine = seeing(vec![job(1, personal(7, 70))], vec![row], vec![], 1);
    let first = machine.decide(at(101));
    let step = of_worker(&first, "w1");
    assert!(
        matches!(step.effect, Effect::CreateJitConfig { .. }),
        "no group for a repository"
    );
    let next = machine.outcome(step.id, Outcome::NameTaken, at(102));
    assert!(matches!(only(&next).effect, Effect::FindRunner { .. }));
    let next = machine.outcome(next[0].id, Outcome::Runner(Some(RunnerId(9))), at(102));
    assert!(next.is_empty(), "an earlier leader's pod may be on its way");
    assert_eq!(machine.wake_at(), Some(at(110)));
    let later = machine.decide(at(110));
    let step = of_worker(&later, "w1");
    assert!(matches!(step.effect, Effect::GetPod { .. }));
    let next = machine.outcome(step.id, Outcome::NoPod, at(111));
    assert!(matches!(
        only(&next).effect,
        Effect::DeleteRunner {
            runner: RunnerId(9),
            ..
        }
    ));
    let next = machine.outcome(next[0].id, Outcome::RunnerGone, at(112));
    assert!(matches!(only(&next).effect, Effect::CreateJitConfig { .. }));
    // Taken again: it is not ours to fight for.
    let next = machine.outcome(next[0].id, Outcome::NameTaken, at(113));
    assert!(matches!(only(&next).effect, Effect::MarkFinished { .. }));
}

#[test]
fn a_taken_name_whose_pod_an_earlier_leader_made_keeps_its_runner() {
    let row = ours("w1", personal(7, 70));
    let mut machine = seeing(vec![job(1, personal(7, 70))], vec![row], vec![], 1);
    let first = machine.decide(at(101));
    let next = machine.outcome(of_worker(&first, "w1").id, Outcome::NameTaken, at(102));
    machine.outcome(next[0].id, Outcome::Runner(Some(RunnerId(9))), at(103));
    // The call of a leader that is gone takes effect only now; the list was begun before, the watch is silent.
    let later = machine.decide(at(110));
    let step = of_worker(&later, "w1");
    assert!(matches!(step.effect, Effect::GetPod { .. }));
    let there = Outcome::Pod(Box::new(running_pod("w1", "board-0")));
    let next = machine.outcome(step.id, there, at(111));
    assert!(matches!(only(&next).effect, Effect::RecordPod { .. }));
}

#[test]
fn a_pod_that_nobody_answered_for_is_looked_for_twice_and_nothing_is_deregistered_meanwhile() {
    let row = ours("w1", personal(7, 70));
    let mut machine = seeing(vec![job(1, personal(7, 70))], vec![row], vec![], 1);
    let first = machine.decide(at(101));
    let jit = Outcome::JitConfig {
        runner: RunnerId(33),
        jit: JitHandle(1),
    };
    let next = machine.outcome(of_worker(&first, "w1").id, jit, at(101));
    let no_answer = Outcome::NoAnswer {
        from: Dependency::Kubernetes,
        message: "timed out".to_owned(),
    };
    let next = machine.outcome(only(&next).id, no_answer, at(111));
    assert!(matches!(only(&next).effect, Effect::GetPod { .. }));
    let next = machine.outcome(next[0].id, Outcome::NoPod, at(111));
    assert!(next.is_empty(), "one read proves nothing");
    let quiet = machine.decide(at(115));
    assert!(
        quiet.iter().all(|a| !matches!(a.key, Key::Worker(_))),
        "{quiet:#?}"
    );
    let again = machine.decide(at(121));
    let step = of_worker(&again, "w1");
    assert!(matches!(step.effect, Effect::GetPod { .. }));
    let next = machine.outcome(step.id, Outcome::NoPod, at(121));
    match &only(&next).effect {
        Effect::MarkFinished { finish, .. } => {
            let (reason, _) = finish.failure.as_ref().expect("a failure");
            assert_eq!(*reason, FailureReason::PodAllocationFailure);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pod_that_was_made_without_an_answer_is_found() {
    let row = ours("w1", personal(7, 70));
    let mut machine = seeing(vec![job(1, personal(7, 70))], vec![row], vec![], 1);
    let first = machine.decide(at(101));
    let jit = Outcome::JitConfig {
        runner: RunnerId(33),
        jit: JitHandle(1),
    };
    let next = machine.outcome(of_worker(&first, "w1").id, jit, at(101));
    let no_answer = Outcome::NoAnswer {
        from: Dependency::Kubernetes,
        message: String::new(),
    };
    let next = machine.outcome(only(&next).id, no_answer, at(111));
    let next = machine.outcome(only(&next).id, Outcome::Pod(Box::new(pod("w1"))), at(112));
    assert!(matches!(only(&next).effect, Effect::RecordPod { .. }));
}

#[test]
fn after_a_crash_a_young_row_goes_on_and_an_old_one_fails() {
    let row = ours("w1", personal(7, 70));
    let mut young = seeing(vec![], vec![row.clone()], vec![], 1);
    let actions = young.decide(at(110));
    assert!(matches!(
        of_worker(&actions, "w1").effect,
        Effect::CreateJitConfig { .. }
    ));

    let mut old = machine();
    see(&mut old, vec![], vec![row], vec![], 1, 170);
    let actions = old.decide(at(170));
    assert!(matches!(
        of_worker(&actions, "w1").effect,
        Effect::MarkFinished { .. }
    ));
    // Then its runner is looked for by name, and removed.
    let id = of_worker(&actions, "w1").id;
    let next = old.outcome(id, Outcome::Written, at(170));
    assert!(matches!(only(&next).effect, Effect::FindRunner { .. }));
    let next = old.outcome(next[0].id, Outcome::Runner(Some(RunnerId(3))), at(170));
    assert!(matches!(
        only(&next).effect,
        Effect::DeleteRunner {
            runner: RunnerId(3),
            ..
        }
    ));
    let next = old.outcome(next[0].id, Outcome::RunnerGone, at(170));
    assert!(matches!(
        only(&next).effect,
        Effect::RecordDeregistered { .. }
    ));
}

#[test]
fn a_worker_whose_job_is_over_but_whose_pod_hangs_is_no_supply() {
    // Four jobs ran or run; the pod of the first hangs after its job. A fifth board is free.
    let mut workers = Vec::new();
    let mut pods = Vec::new();
    for n in 1..=4_i64 {
        let name = format!("w{n}");
        let status = if n == 1 {
            Status::Completed
        } else {
            Status::Running
        };
        workers.push(WorkerRow {
            status: Status::Running,
            pod_created_at: Some(at(90)),
            named_by: vec![named(n, status)],
            ..ours(&name, demand(7))
        });
        pods.push(running_pod(&name, &format!("board-{n}")));
    }
    let mut running: Vec<JobRow> = (2..=4).map(|n| job(n, demand(7))).collect();
    for job in &mut running {
        job.status = Status::Running;
    }
    running.push(job(50, demand(7)));
    let mut machine = seeing(running, workers, pods, 6);
    assert_eq!(
        asked(&machine.decide(at(101))),
        1,
        "the waiting job gets the free board"
    );
}

#[test]
fn a_runner_of_one_repository_is_never_supply_for_another() {
    let idle = WorkerRow {
        status: Status::Running,
        pod_created_at: Some(at(90)),
        ..ours("w1", personal(7, 70))
    };
    let mut machine = seeing(
        vec![job(1, personal(7, 71))],
        vec![idle],
        vec![running_pod("w1", "board-0")],
        2,
    );
    assert_eq!(asked(&machine.decide(at(101))), 1);
}

#[test]
fn every_waiting_job_has_its_reason() {
    let mut other_label = demand(3);
    other_label.pool = "no-such-pool".into();
    let jobs = vec![
        job(1, demand(99)),
        job(2, demand(99)),
        job(3, demand(1)),
        job(4, other_label),
    ];
    let mut machine = seeing(jobs.clone(), vec![], vec![], 1);
    let found = reasons(&machine.decide(at(100)));
    assert_eq!(found[&1], "starting");
    assert_eq!(found[&2], "at_cap:entity:99");
    assert_eq!(found[&3], "no_free_board:scw-em-rv1");
    assert_eq!(found[&4], "no_board_in_pool:no-such-pool");

    let mut blind = machine_without_cluster(jobs);
    let found = reasons(&blind.decide(at(100)));
    assert!(
        found.values().all(|reason| reason == "cluster_unreachable"),
        "{found:?}"
    );
    assert_eq!(asked(&blind.decide(at(100))), 0);
}

fn machine_without_cluster(jobs: Vec<JobRow>) -> Machine {
    let mut machine = machine();
    machine.observe(Observation::Rows {
        jobs,
        workers: vec![],
        begun: at(100),
    });
    machine
}

#[test]
fn a_job_hears_how_far_its_runner_is() {
    let row = WorkerRow {
        pod_created_at: Some(at(99)),
        ..ours("w1", demand(7))
    };
    let scheduled = Pod {
        node: Some("board-0".into()),
        ..pod("w1")
    };
    let mut machine = seeing(
        vec![job(1, demand(7))],
        vec![row.clone()],
        vec![scheduled],
        1,
    );
    assert_eq!(reasons(&machine.decide(at(101)))[&1], "starting:board-0");

    let up = vec![running_pod("w1", "board-0")];
    let mut machine = seeing(vec![job(1, demand(7))], vec![row], up, 1);
    assert_eq!(reasons(&machine.decide(at(101)))[&1], "runner_ready");
}

#[test]
fn stale_knowledge_of_the_cluster_begins_and_ends_nothing() {
    let row = WorkerRow {
        status: Status::Running,
        pod_created_at: Some(at(90)),
        ..ours("w1", demand(7))
    };
    let mut machine = seeing(vec![job(1, demand(8))], vec![row], vec![], 3);
    machine.observe(Observation::Rows {
        jobs: vec![job(1, demand(8))],
        workers: machine.workers().values().cloned().collect(),
        begun: at(300),
    });
    let actions = machine.decide(at(300));
    assert_eq!(reasons(&actions)[&1], "cluster_unreachable");
    assert!(
        actions.iter().all(|a| a.key == Key::Waiting),
        "{actions:#?}"
    );
}

#[test]
fn many_pods_gone_at_once_are_not_believed() {
    let rows: Vec<WorkerRow> = (0..4)
        .map(|n| WorkerRow {
            status: Status::Running,
            pod_created_at: Some(at(90)),
            ..ours(&format!("w{n}"), demand(7))
        })
        .collect();
    let mut machine = seeing(vec![], rows.clone(), vec![], 4);
    assert!(machine.decide(at(101)).is_empty());
    let mut machine = seeing(vec![], rows[..1].to_vec(), vec![], 4);
    let actions = machine.decide(at(101));
    assert!(
        matches!(only(&actions).effect, Effect::MarkFinished { .. }),
        "one pod may be lost"
    );
}

fn ended(name: &str, exit_code: i32) -> Pod {
    let phase = if exit_code == 0 {
        Phase::Succeeded
    } else {
        Phase::Failed
    };
    let termination = Termination {
        exit_code,
        reason: Some("Error".to_owned()),
        message: None,
        started_at: Some(at(91)),
        finished_at: Some(at(99)),
    };
    Pod {
        phase,
        container: ContainerState::Terminated(termination),
        ..running_pod(name, "board-0")
    }
}

fn log(lines: &str) -> Outcome {
    let mut scan = LogScan::default();
    scan.feed(lines.as_bytes());
    Outcome::Log(scan.finish())
}

#[test]
fn the_log_decides_over_a_pod_that_succeeded() {
    let running = WorkerRow {
        status: Status::Running,
        pod_created_at: Some(at(90)),
        ..ours("w1", demand(7))
    };
    let idle = "2026-11-24T12:01:31.000000000Z 2026-11-24 12:01:31Z: Listening for Jobs\n";
    let done = "2026-11-24T12:01:31.000000000Z 2026-11-24 12:01:31Z: Running job: build\n\
                2026-11-24T12:01:39.000000000Z 2026-11-24 12:01:39Z: Job build completed with result: Succeeded\n";
    for (lines, jobs, failure) in [
        (done, vec![], None),
        (idle, vec![], None),
        (
            idle,
            vec![job(1, demand(7))],
            Some(FailureReason::RunnerRemovedByGithub),
        ),
    ] {
        let mut machine = seeing(jobs, vec![running.clone()], vec![ended("w1", 0)], 2);
        let actions = machine.decide(at(101));
        let step = of_worker(&actions, "w1");
        assert!(matches!(step.effect, Effect::ReadLog { .. }));
        let next = machine.outcome(step.id, log(lines), at(102));
        match &only(&next).effect {
            Effect::MarkFinished { finish, .. } => {
                assert_eq!(
                    finish.failure.as_ref().map(|(reason, _)| *reason),
                    failure,
                    "{lines}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_bound_worker_waits_for_its_jobs_conclusion() {
    let mut row = WorkerRow {
        status: Status::Running,
        pod_created_at: Some(at(90)),
        named_by: vec![named(1, Status::Running)],
        ..ours("w1", demand(7))
    };
    let mut machine = seeing(vec![], vec![row.clone()], vec![ended("w1", 0)], 2);
    assert!(machine.decide(at(101)).is_empty());
    let mut machine = seeing(vec![], vec![row.clone()], vec![], 2);
    assert!(
        machine.decide(at(500)).is_empty(),
        "its pod is gone, its job may still be told of"
    );
    row.named_by = vec![named(1, Status::Completed)];
    let mut machine = seeing(vec![], vec![row], vec![ended("w1", 0)], 2);
    let actions = machine.decide(at(101));
    match &only(&actions).effect {
        Effect::MarkFinished { finish, .. } => assert_eq!(finish.failure, None),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failed_pod_is_marked_first_and_looked_into_then() {
    let running = WorkerRow {
        status: Status::Running,
        pod_created_at: Some(at(90)),
        ..ours("w1", demand(7))
    };
    let mut machine = seeing(
        vec![job(1, demand(7))],
        vec![running],
        vec![ended("w1", 1)],
        2,
    );
    let actions = machine.decide(at(101));
    let step = of_worker(&actions, "w1");
    assert!(matches!(step.effect, Effect::MarkFinished { .. }));
    // Its key is not tried again at once.
    assert_eq!(asked(&actions), 0);
    assert_eq!(reasons(&actions)[&1], "backing_off");
    let next = machine.outcome(step.id, Outcome::Written, at(101));
    assert!(matches!(only(&next).effect, Effect::Diagnose { .. }));
    see(
        &mut machine,
        vec![job(1, demand(7))],
        vec![],
        vec![],
        2,
        120,
    );
    assert_eq!(
        asked(&machine.decide(at(120))),
        1,
        "after the back-off it is"
    );
}

#[test]
fn a_refused_image_condemns_its_worker_and_the_pod_is_deleted_as_it_was_seen() {
    let row = WorkerRow {
        pod_created_at: Some(at(99)),
        ..ours("w1", demand(7))
    };
    let waiting = ContainerState::Waiting {
        reason: Some("InvalidImageName".to_owned()),
        message: Some("no such thing".to_owned()),
    };
    let stuck = Pod {
        node: Some("board-0".into()),
        container: waiting,
        ..pod("w1")
    };
    let mut machine = seeing(vec![], vec![row], vec![stuck.clone()], 2);
    let actions = machine.decide(at(101));
    assert!(matches!(only(&actions).effect, Effect::Condemn { .. }));
    let next = machine.outcome(actions[0].id, Outcome::Written, at(101));
    assert!(matches!(only(&next).effect, Effect::Diagnose { .. }));
    let next = machine.outcome(
        next[0].id,
        Outcome::Diagnostics(serde_json::json!({})),
        at(101),
    );
    assert!(matches!(
        only(&next).effect,
        Effect::RecordDiagnostics { .. }
    ));
    let next = machine.outcome(next[0].id, Outcome::Written, at(101));
    match &only(&next).effect {
        Effect::DeletePod {
            uid,
            resource_version,
            ..
        } => {
            assert_eq!(*uid, stuck.uid);
            assert_eq!(*resource_version, Some(stuck.resource_version));
        }
        other => panic!("{other:?}"),
    }
    // It started in the meantime: it is taken back.
    assert!(
        machine
            .outcome(next[0].id, Outcome::PodChanged, at(101))
            .is_empty()
    );
    machine.observe(Observation::Pod(
        Box::new(running_pod("w1", "board-0")),
        at(103),
    ));
    let actions = machine.decide(at(104));
    assert!(matches!(
        of_worker(&actions, "w1").effect,
        Effect::TakeBack { .. }
    ));
}

/// Nobody waits for the next list: the board is needed.
#[test]
fn a_deleted_pod_frees_its_slot_as_soon_as_the_watch_tells_of_its_end() {
    for told_before_the_answer in [true, false] {
        let row = WorkerRow {
            pod_created_at: Some(at(99)),
            condemned: Some(CondemnReason::Failure(FailureReason::ImagePullFailed)),
            ..ours("w1", demand(7))
        };
        let stuck = Pod {
            node: Some("board-0".into()),
            ..pod("w1")
        };
        let mut machine = seeing(vec![], vec![row], vec![stuck], 1);
        let actions = machine.decide(at(101));
        let delete = only(&actions);
        assert!(matches!(delete.effect, Effect::DeletePod { .. }));
        let gone = Observation::PodGone("w1".into(), at(102));
        if told_before_the_answer {
            machine.observe(gone);
            machine.outcome(delete.id, Outcome::PodDeleted, at(102));
        } else {
            machine.outcome(delete.id, Outcome::PodDeleted, at(102));
            machine.observe(gone);
        }
        let actions = machine.decide(at(110));
        assert!(
            matches!(
                of_worker(&actions, "w1").effect,
                Effect::MarkFinished { .. }
            ),
            "told before the answer: {told_before_the_answer}"
        );
    }
}

#[test]
fn finished_pods_go_after_their_grace_and_beyond_the_number_kept() {
    let done = |name: &str| WorkerRow {
        status: Status::Completed,
        completed_at: Some(at(99)),
        deregistered_at: Some(at(99)),
        ..ours(name, demand(7))
    };
    let names: Vec<String> = (0..22).map(|n| format!("w{n}")).collect();
    let pods: Vec<Pod> = names.iter().map(|name| ended(name, 0)).collect();
    let rows: Vec<WorkerRow> = names.iter().map(|name| done(name)).collect();
    let mut machine = seeing(vec![], rows.clone(), pods.clone(), 1);
    assert_eq!(machine.decide(at(101)).len(), 2, "twenty stay on a board");
    let mut machine = self::machine();
    see(
        &mut machine,
        vec![],
        rows[..3].to_vec(),
        pods[..3].to_vec(),
        1,
        99 + 6 * 3600,
    );
    assert_eq!(machine.decide(at(99 + 6 * 3600)).len(), 3);
}

#[test]
fn a_reservation_without_an_answer_waits_for_a_later_read() {
    let mut machine = seeing(vec![job(1, demand(7))], vec![], vec![], 2);
    let actions = machine.decide(at(100));
    let id = reserve(&actions).expect("a reservation").id;
    let open = Outcome::NoAnswer {
        from: Dependency::Database,
        message: String::new(),
    };
    machine.outcome(id, open, at(101));
    assert_eq!(asked(&machine.decide(at(110))), 0, "it may have made a row");
    see(
        &mut machine,
        vec![job(1, demand(7))],
        vec![ours("w1", demand(7))],
        vec![],
        2,
        111,
    );
    assert_eq!(asked(&machine.decide(at(112))), 0, "it did");
}

#[test]
fn nothing_is_begun_when_somebody_else_leads() {
    let mut machine = seeing(vec![job(1, demand(7))], vec![], vec![], 2);
    let actions = machine.decide(at(100));
    let id = reserve(&actions).expect("a reservation").id;
    assert!(machine.outcome(id, Outcome::Deposed, at(101)).is_empty());
    assert!(machine.is_deposed());
    assert!(machine.decide(at(102)).is_empty());
}

#[test]
fn labels_in_another_case_are_the_same_demand() {
    let mut upper = demand(7);
    upper.labels = SentLabels::new(vec!["Ubuntu-24.04-RISCV".into()]);
    let row = WorkerRow {
        pod_created_at: Some(at(99)),
        ..ours("w1", demand(7))
    };
    let mut machine = seeing(vec![job(1, upper)], vec![row], vec![pod("w1")], 2);
    assert_eq!(asked(&machine.decide(at(101))), 0);
}

#[test]
fn a_back_off_that_is_over_wakes_nobody() {
    let running = WorkerRow {
        status: Status::Running,
        pod_created_at: Some(at(90)),
        ..ours("w1", demand(7))
    };
    let mut machine = seeing(vec![], vec![running], vec![ended("w1", 1)], 2);
    machine.decide(at(101));
    assert_eq!(
        machine.wake_at(),
        Some(at(116)),
        "when its key may be tried again"
    );
    machine.decide(at(116));
    assert_eq!(
        machine.wake_at(),
        None,
        "nothing waits for it, and a time that has passed would make round after round"
    );
}

#[test]
fn a_pod_on_a_board_that_cannot_be_heard_may_have_started() {
    let waiting = ContainerState::Waiting {
        reason: Some("ImagePullBackOff".to_owned()),
        message: None,
    };
    let pulling = Pod {
        node: Some("board-0".into()),
        container: waiting,
        ..pod("w1")
    };
    let condemned = WorkerRow {
        pod_created_at: Some(at(0)),
        condemned: Some(CondemnReason::Failure(FailureReason::ImagePullFailed)),
        ..ours("w1", demand(7))
    };
    let finished = WorkerRow {
        status: Status::Failed,
        completed_at: Some(at(90)),
        ..condemned.clone()
    };
    for row in [condemned, finished] {
        let mut machine = seeing(vec![], vec![row], vec![pulling.clone()], 1);
        let silent = Node {
            ready: crate::cluster::Readiness::Unknown,
            ..node("board-0")
        };
        machine.observe(Observation::Node(Box::new(silent), at(101)));
        let actions = machine.decide(at(102));
        let asks = |action: &Action| matches!(action.effect, Effect::ListRunners { .. });
        assert!(
            actions.iter().all(asks),
            "its pod is as it was last heard: {actions:#?}"
        );
        machine.observe(Observation::Node(Box::new(node("board-0")), at(103)));
        let actions = machine.decide(at(104));
        assert!(matches!(only(&actions).effect, Effect::DeletePod { .. }));
    }
}

#[test]
fn a_job_whose_run_is_over_fails_only_when_it_is_queued_still() {
    let told = |fields: serde_json::Value| {
        let mut job = serde_json::json!({ "id": 1, "run_id": 2, "name": "build", "status": "queued", "conclusion": null });
        for (key, value) in fields.as_object().expect("an object") {
            job[key] = value.clone();
        }
        Outcome::Job(Box::new(serde_json::from_value(job).expect("a job")))
    };
    let over = || {
        let run = serde_json::json!({ "id": 2, "status": "completed", "conclusion": "success", "created_at": "2026-11-24T10:00:00Z" });
        Outcome::Run(serde_json::from_value(run).expect("a run"))
    };
    let change_after = |second_answer: Outcome| {
        let mut machine = machine();
        see(
            &mut machine,
            vec![job(1, demand(7))],
            vec![],
            vec![],
            0,
            700,
        );
        let asked = machine.decide(at(701));
        let question = asked.iter().find(|a| a.key == Key::Job(JobId(1)));
        let next = machine.outcome(
            question.expect("a question").id,
            told(serde_json::json!({})),
            at(701),
        );
        let next = machine.outcome(only(&next).id, over(), at(702));
        assert!(matches!(only(&next).effect, Effect::GetJob { .. }));
        let next = machine.outcome(only(&next).id, second_answer, at(703));
        match &only(&next).effect {
            Effect::RecordJob { change, .. } => change.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(
        change_after(told(serde_json::json!({}))),
        Some(JobChange::Failed(_))
    ));
    let ran =
        serde_json::json!({ "status": "completed", "conclusion": "success", "runner_name": "w1" });
    assert!(matches!(
        change_after(told(ran)),
        Some(JobChange::Completed { .. })
    ));
}
