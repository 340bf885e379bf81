//! Ending a worker whose container runs: what it takes, step by step, and what stops it.

use super::tests::{ours, see};
use super::*;
use crate::RunnerId;
use crate::effects::Outcome;
use crate::github::{Runner, RunnerStatus};
use crate::log::LogScan;
use crate::testing::*;
use crate::workers::{CondemnReason, FailureReason};

const IDLE_LOG: &str = "2026-11-24T12:00:02.000000000Z Listening for Jobs\n";
const BUSY_LOG: &str = "2026-11-24T12:00:02.000000000Z Listening for Jobs\n\
                        2026-11-24T12:00:03.000000000Z 2026-11-24 12:00:03Z: Running job: build\n";
const DONE_LOG: &str = "2026-11-24T12:00:03.000000000Z 2026-11-24 12:00:03Z: Running job: build\n\
     2026-11-24T12:00:09.000000000Z 2026-11-24 12:00:09Z: Job build completed with result: Succeeded\n";

/// One running worker on one board, seen again and again.
struct Story {
    machine: Machine,
    row: WorkerRow,
    jobs: Vec<JobRow>,
    pod: Pod,
    /// What GitHub's lists say.
    runner: Option<(RunnerStatus, bool)>,
    log: &'static str,
    /// The effects on the worker, in order.
    effects: Vec<Effect>,
}

impl Story {
    fn new(row: WorkerRow) -> Self {
        Self {
            machine: tests::machine(),
            row,
            jobs: vec![],
            pod: running_pod("w1", "board-0"),
            runner: Some((RunnerStatus::Online, false)),
            log: IDLE_LOG,
            effects: vec![],
        }
    }

    /// Lives from one time to another, a round every ten seconds; every effect is answered at once.
    fn live(&mut self, from: i64, to: i64) {
        for second in (from..=to).step_by(10) {
            let (jobs, row) = (self.jobs.clone(), self.row.clone());
            see(
                &mut self.machine,
                jobs,
                vec![row],
                vec![self.pod.clone()],
                1,
                second,
            );
            let mut actions = self.machine.decide(at(second));
            while let Some(action) = actions.pop() {
                let outcome = self.answer(&action.effect, second);
                if action.key == Key::Worker("w1".into()) {
                    self.effects.push(action.effect.clone());
                }
                actions.extend(self.machine.outcome(action.id, outcome, at(second)));
            }
        }
    }

    fn answer(&mut self, effect: &Effect, second: i64) -> Outcome {
        match effect {
            Effect::ListRunners { .. } => Outcome::Runners(
                self.runner
                    .iter()
                    .map(|(status, busy)| Runner {
                        id: RunnerId(3),
                        name: "w1".to_owned(),
                        status: *status,
                        busy: *busy,
                        labels: vec![],
                    })
                    .collect(),
            ),
            Effect::ReadLog { .. } => {
                let mut scan = LogScan::default();
                scan.feed(self.log.as_bytes());
                Outcome::Log(scan.finish())
            }
            Effect::Condemn { reason, .. } => {
                self.row.condemned = Some(*reason);
                Outcome::Written
            }
            Effect::TakeBack { .. } => {
                self.row.condemned = None;
                Outcome::Written
            }
            Effect::DeleteRunner { .. } => {
                if self.runner.is_some_and(|(_, busy)| busy) {
                    return Outcome::RunnerBusy;
                }
                self.runner = None;
                Outcome::RunnerGone
            }
            Effect::RecordDeregistered { .. } => {
                self.row.deregistered_at = Some(at(second));
                Outcome::Written
            }
            Effect::MarkFinished { finish, .. } => {
                let failed = finish.failure.is_some();
                self.row.status = if failed {
                    Status::Failed
                } else {
                    Status::Completed
                };
                self.row.completed_at = Some(at(second));
                Outcome::Written
            }
            Effect::KillPod { .. } => {
                self.pod.active_deadline_seconds = Some(1);
                Outcome::Pod(Box::new(self.pod.clone()))
            }
            Effect::Diagnose { .. } => Outcome::Diagnostics(serde_json::json!({})),
            Effect::DeletePod { .. } => Outcome::PodDeleted,
            _ => Outcome::Written,
        }
    }

    fn killed(&self) -> bool {
        self.effects
            .iter()
            .any(|effect| matches!(effect, Effect::KillPod { .. }))
    }

    fn touched(&self) -> bool {
        self.effects.iter().any(|effect| {
            matches!(
                effect,
                Effect::KillPod { .. }
                    | Effect::DeleteRunner { .. }
                    | Effect::DeletePod { .. }
                    | Effect::Condemn { .. }
            )
        })
    }

    fn reason(&self) -> Option<CondemnReason> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Condemn { reason, .. } => Some(*reason),
            _ => None,
        })
    }
}

fn up(named_by: Vec<crate::rows::NamedBy>) -> WorkerRow {
    WorkerRow {
        status: Status::Running,
        pod_created_at: Some(at(0)),
        running_at: Some(at(1)),
        created_at: at(0),
        runner: Some(RunnerId(3)),
        named_by,
        ..ours("w1", demand(7))
    }
}

const FAILED: fn(FailureReason) -> Option<CondemnReason> =
    |reason| Some(CondemnReason::Failure(reason));

#[test]
fn a_runner_that_nobody_needs_goes_after_ten_minutes_and_is_no_failure() {
    let mut story = Story::new(up(vec![]));
    story.live(10, 590);
    assert!(!story.touched());
    story.live(600, 900);
    assert_eq!(story.reason(), Some(CondemnReason::Idle));
    assert_eq!(story.row.status, Status::Completed);
    assert!(story.killed());
}

#[test]
fn it_is_condemned_deregistered_read_again_closed_and_then_killed() {
    let mut story = Story::new(up(vec![]));
    story.live(10, 900);
    let position =
        |wanted: fn(&Effect) -> bool| story.effects.iter().position(wanted).expect("the effect");
    let order = [
        position(|e| matches!(e, Effect::ReadLog { .. })),
        position(|e| matches!(e, Effect::Condemn { .. })),
        position(|e| matches!(e, Effect::DeleteRunner { .. })),
        position(|e| matches!(e, Effect::RecordDeregistered { .. })),
        position(|e| matches!(e, Effect::MarkFinished { .. })),
        position(|e| matches!(e, Effect::KillPod { .. })),
    ];
    assert!(order.is_sorted(), "{:#?}", story.effects);
    let reads = story
        .effects
        .iter()
        .filter(|e| matches!(e, Effect::ReadLog { .. }))
        .count();
    assert_eq!(
        reads, 2,
        "once before, once a minute after its runner is gone"
    );
}

#[test]
fn a_job_that_began_between_the_two_readings_is_left_to_finish() {
    let mut story = Story::new(up(vec![]));
    story.live(10, 640);
    assert!(story.row.deregistered_at.is_some(), "{:#?}", story.effects);
    story.log = BUSY_LOG;
    story.live(650, 2000);
    assert!(!story.killed());
    assert_eq!(story.row.status, Status::Running);
}

#[test]
fn lying_busy_kills_nobody() {
    // GitHub says idle all the time; the log knows better.
    let mut story = Story::new(up(vec![]));
    story.log = BUSY_LOG;
    story.live(10, 3000);
    assert!(!story.touched(), "{:#?}", story.effects);
}

#[test]
fn a_log_that_lacks_its_beginning_proves_nothing() {
    let mut story = Story::new(up(vec![]));
    story.log = "2026-11-24T12:09:00.000000000Z dockerd: pulled\n";
    story.live(10, 1500);
    assert!(!story.touched(), "{:#?}", story.effects);
}

#[test]
fn a_bound_worker_is_never_touched() {
    for runner in [
        None,
        Some((RunnerStatus::Offline, false)),
        Some((RunnerStatus::Online, false)),
    ] {
        let mut story = Story::new(up(vec![named(1, Status::Running)]));
        story.runner = runner;
        story.live(10, 4000);
        assert!(!story.touched(), "{runner:?}: {:#?}", story.effects);
    }
}

#[test]
fn a_pod_that_hangs_after_its_job_is_ended_and_its_board_is_free() {
    let mut story = Story::new(up(vec![named(1, Status::Completed)]));
    story.runner = None;
    story.log = DONE_LOG;
    story.live(10, 330);
    assert!(!story.touched());
    story.live(340, 600);
    assert_eq!(story.reason(), FAILED(FailureReason::RunnerHung));
    assert!(story.killed());
    // It does not end: it is deleted.
    story.live(610, 700);
    assert!(
        story
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::DeletePod { .. }))
    );
}

#[test]
fn a_hung_pod_whose_log_lacks_the_end_waits_until_its_job_is_long_concluded() {
    let mut row = up(vec![named(1, Status::Completed)]);
    row.named_by[0].concluded_at = Some(at(100));
    let mut story = Story::new(row);
    story.runner = None;
    story.log = BUSY_LOG;
    story.live(10, 690);
    assert!(!story.touched());
    story.live(700, 1000);
    assert_eq!(story.reason(), FAILED(FailureReason::RunnerHung));
}

#[test]
fn a_runner_that_never_comes_online_fails_after_two_minutes() {
    let mut story = Story::new(up(vec![]));
    story.runner = Some((RunnerStatus::Offline, false));
    story.live(10, 110);
    assert!(!story.touched());
    story.live(120, 400);
    assert_eq!(story.reason(), FAILED(FailureReason::RunnerNeverRegistered));
    assert_eq!(story.row.status, Status::Failed);
}

#[test]
fn a_runner_that_was_online_may_be_offline_for_ten_minutes() {
    let mut story = Story::new(up(vec![]));
    story.live(10, 100);
    story.runner = Some((RunnerStatus::Offline, false));
    story.live(110, 690);
    assert!(!story.touched());
    story.live(700, 1000);
    assert_eq!(story.reason(), FAILED(FailureReason::RunnerVanished));
}

#[test]
fn an_idle_runner_beside_a_waiting_job_is_told_after_two_minutes() {
    let mut story = Story::new(up(vec![]));
    story.jobs = vec![JobRow {
        queued_at: at(100),
        ..job(5, demand(7))
    }];
    story.live(10, 210);
    assert!(!story.touched());
    story.live(220, 320);
    assert_eq!(story.reason(), FAILED(FailureReason::RunnerIdle));
}

#[test]
fn a_busy_answer_to_the_deletion_takes_it_back() {
    let mut story = Story::new(up(vec![]));
    story.live(10, 590);
    let condemn_at = 640;
    // Idle in every list, busy at the deletion.
    for second in (600..=condemn_at).step_by(10) {
        let before = story.runner;
        if story
            .effects
            .iter()
            .any(|e| matches!(e, Effect::ReadLog { .. }))
        {
            story.runner = Some((RunnerStatus::Online, true));
        }
        story.live(second, second);
        if story.runner.is_some() {
            story.runner = before;
        }
    }
    assert!(!story.killed());
}

#[test]
fn surplus_is_given_back_only_when_others_wait_for_the_board() {
    for others in [0, 1] {
        let mut story = Story::new(up(vec![]));
        story.jobs = (0..others).map(|n| job(50 + n, demand(8))).collect();
        story.live(10, 300);
        assert_eq!(
            story.reason(),
            (others > 0).then_some(CondemnReason::Surplus)
        );
    }
}

#[test]
fn a_surplus_worker_whose_pod_has_not_started_goes_at_once() {
    let mut story = Story::new(WorkerRow {
        pod_created_at: Some(at(0)),
        runner: Some(RunnerId(3)),
        created_at: at(0),
        ..ours("w1", demand(7))
    });
    story.pod = Pod {
        node: Some("board-0".into()),
        ..pod("w1")
    };
    story.jobs = vec![job(50, demand(8))];
    story.live(10, 10);
    assert_eq!(story.reason(), Some(CondemnReason::Surplus));
    assert!(
        matches!(story.effects.last(), Some(Effect::DeletePod { .. })),
        "{:#?}",
        story.effects
    );
}

#[test]
fn idle_beside_waiting_jobs_for_three_entities_is_githubs_trouble() {
    let mut machine = tests::machine();
    let names = ["w1", "w2", "w3"];
    let rows: Vec<WorkerRow> = (1..)
        .zip(names)
        .map(|(n, name)| WorkerRow {
            name: name.into(),
            demand: demand(n),
            ..up(vec![])
        })
        .collect();
    let jobs: Vec<JobRow> = (1..=3)
        .map(|n| JobRow {
            queued_at: at(0),
            ..job(n, demand(n))
        })
        .collect();
    for second in (10..600).step_by(10) {
        let pods = (0..)
            .zip(names)
            .map(|(n, name)| running_pod(name, &format!("board-{n}")))
            .collect();
        see(&mut machine, jobs.clone(), rows.clone(), pods, 3, second);
        let mut actions = machine.decide(at(second));
        while let Some(action) = actions.pop() {
            assert!(
                !matches!(action.effect, Effect::Condemn { .. }),
                "{action:?}"
            );
            let outcome = match &action.effect {
                Effect::ListRunners { demand, .. } => Outcome::Runners(vec![Runner {
                    id: RunnerId(demand.entity.0),
                    name: format!("w{}", demand.entity.0),
                    status: RunnerStatus::Online,
                    busy: false,
                    labels: vec![],
                }]),
                Effect::ReadLog { .. } => {
                    let mut scan = LogScan::default();
                    scan.feed(IDLE_LOG.as_bytes());
                    Outcome::Log(scan.finish())
                }
                _ => Outcome::Written,
            };
            actions.extend(machine.outcome(action.id, outcome, at(second)));
        }
    }
}
