//! What was lost: rows, boards, scopes. What is done about the workers there, and what is not.

use super::tests::{machine, ours, see};
use super::*;
use crate::cluster::{Annotated, Readiness, WorkerNote};
use crate::effects::Outcome;
use crate::github::{Runner, RunnerStatus};
use crate::log::LogScan;
use crate::testing::*;
use crate::workers::{CondemnReason, FailureReason};
use crate::{EntityKind, RunnerId};

const IDLE_LOG: &str = "2026-11-24T12:00:02.000000000Z Listening for Jobs\n";
const BUSY_LOG: &str = "2026-11-24T12:00:02.000000000Z Listening for Jobs\n\
                        2026-11-24T12:00:03.000000000Z 2026-11-24 12:00:03Z: Running job: build\n";

/// One pod on one board, and what is told of it.
struct Story {
    machine: Machine,
    row: Option<WorkerRow>,
    jobs: Vec<JobRow>,
    pod: Pod,
    board: Node,
    others: Vec<Node>,
    runner: Option<RunnerStatus>,
    gone: bool,
    log: Option<&'static str>,
    /// The job that names the pod.
    job_of: Option<Demand>,
    effects: Vec<Effect>,
}

impl Story {
    fn new(row: Option<WorkerRow>) -> Self {
        Self {
            machine: machine(),
            row,
            jobs: vec![],
            pod: running_pod("w1", "board-0"),
            board: node("board-0"),
            others: vec![node("board-1"), node("board-2")],
            runner: Some(RunnerStatus::Online),
            gone: false,
            log: Some(IDLE_LOG),
            job_of: None,
            effects: vec![],
        }
    }

    fn live(&mut self, from: i64, to: i64) {
        for second in (from..=to).step_by(10) {
            let rows = self.row.iter().cloned().collect();
            see(
                &mut self.machine,
                self.jobs.clone(),
                rows,
                vec![],
                0,
                second,
            );
            let mut nodes = self.others.clone();
            nodes.push(self.board.clone());
            let begun = at(second) + chrono::TimeDelta::milliseconds(1);
            self.machine.observe(Observation::Nodes { nodes, begun });
            let pods = vec![self.pod.clone()];
            self.machine.observe(Observation::Pods { pods, begun });
            if let Some(row) = self.row.as_ref().filter(|_| self.gone) {
                let scopes = vec![(row.demand.key().scope, at(10))];
                self.machine.observe(Observation::GoneScopes(scopes));
            }
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
            Effect::ListRunners { .. } => {
                let runners = self.runner.iter().map(|status| Runner {
                    id: RunnerId(3),
                    name: "w1".to_owned(),
                    status: *status,
                    busy: false,
                    labels: vec![],
                });
                return Outcome::Runners(runners.collect());
            }
            Effect::ReadLog { .. } => {
                let Some(log) = self.log else {
                    return Outcome::NoPod;
                };
                let mut scan = LogScan::default();
                scan.feed(log.as_bytes());
                return Outcome::Log(scan.finish());
            }
            Effect::FindJobOf { .. } => return Outcome::JobOf(self.job_of.clone().map(Box::new)),
            Effect::AdoptWorker { row } => self.row = Some((**row).clone()),
            Effect::KillPod { .. } => {
                self.pod.active_deadline_seconds = Some(1);
                return Outcome::Pod(Box::new(self.pod.clone()));
            }
            Effect::DropPod { .. } => return Outcome::PodDeleted,
            Effect::DeleteRunner { .. } => return Outcome::RunnerGone,
            _ => {}
        }
        if let Some(row) = &mut self.row {
            match effect {
                Effect::MarkRunning { .. } => row.status = Status::Running,
                Effect::Condemn { reason, .. } => row.condemned = Some(*reason),
                Effect::TakeBack { .. } => row.condemned = None,
                Effect::RecordDeregistered { .. } => row.deregistered_at = Some(at(second)),
                Effect::MarkFinished { finish, .. } => {
                    row.status = match finish.failure {
                        Some(_) => Status::Failed,
                        None => Status::Completed,
                    };
                    row.completed_at = Some(at(second));
                }
                _ => {}
            }
        }
        Outcome::Written
    }

    fn did(&self, wanted: impl Fn(&Effect) -> bool) -> bool {
        self.effects.iter().any(wanted)
    }

    fn touched(&self) -> bool {
        self.did(|effect| {
            matches!(
                effect,
                Effect::KillPod { .. }
                    | Effect::DropPod { .. }
                    | Effect::DeletePod { .. }
                    | Effect::DeleteRunner { .. }
                    | Effect::MarkFinished { .. }
            )
        })
    }

    fn failure(&self) -> Option<FailureReason> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::MarkFinished { finish, .. } => {
                finish.failure.as_ref().map(|(reason, _)| *reason)
            }
            _ => None,
        })
    }
}

fn running_row() -> WorkerRow {
    WorkerRow {
        status: Status::Running,
        created_at: at(0),
        pod_created_at: Some(at(0)),
        ..ours("w1", demand(7))
    }
}

fn note() -> WorkerNote {
    let demand = personal(7, 70);
    WorkerNote {
        entity_id: demand.entity,
        entity_name: demand.entity_name,
        entity_type: demand.kind,
        installation_id: demand.installation,
        repo_id: demand.repo,
        repo_full_name: demand.repo_full_name,
        job_labels: demand.labels,
        k8s_pool: demand.pool,
        k8s_image: demand.image,
    }
}

#[test]
fn a_row_that_is_lost_is_made_again_from_the_pods_annotation() {
    let mut story = Story::new(None);
    story.pod.worker = Annotated::Worker(Box::new(note()));
    story.live(20, 60);
    let row = story.row.expect("a row");
    assert_eq!(row.demand, personal(7, 70));
    assert_eq!(row.condemned, None);
    assert_eq!(row.status, Status::Running, "and its worker goes on");
}

#[test]
fn a_pod_without_annotation_is_what_the_job_says_that_names_it() {
    let mut story = Story::new(None);
    let mut asked = demand(7);
    asked.repo_full_name = Some("org-7/a".to_owned());
    story.job_of = Some(asked);
    story.live(20, 300);
    assert!(
        story.effects.is_empty(),
        "who made it may write its row yet"
    );
    story.live(310, 400);
    assert_eq!(story.row.expect("a row").demand, demand(7));
}

#[test]
fn a_pod_that_nobody_knows_goes_when_its_log_shows_no_job() {
    let unknown = |log| {
        let mut story = Story::new(None);
        story
            .pod
            .labels
            .insert(crate::cluster::ENTITY_ID_LABEL.to_owned(), "7".to_owned());
        story.log = log;
        story.live(20, 1_200);
        story
    };
    let story = unknown(Some(IDLE_LOG));
    let row = story.row.as_ref().expect("a row");
    assert_eq!(row.condemned, Some(CondemnReason::UnknownPod));
    assert_eq!(row.demand.entity, EntityId(7));
    assert_eq!(row.demand.kind, EntityKind::Organization);
    assert_eq!(row.status, Status::Completed);
    assert!(story.did(|effect| matches!(effect, Effect::KillPod { .. })));
    assert!(!story.did(|effect| matches!(effect, Effect::DeleteRunner { .. })));
    for log in [Some(BUSY_LOG), None] {
        assert!(!unknown(log).touched(), "{log:?}");
    }
}

#[test]
fn a_worker_whose_scope_is_gone_goes_by_its_log() {
    let mut story = Story::new(Some(running_row()));
    story.gone = true;
    story.live(20, 590);
    assert!(!story.touched(), "it may have a job that is about to begin");
    story.live(600, 800);
    assert!(story.did(|effect| matches!(effect, Effect::KillPod { .. })));
    assert!(!story.did(|effect| matches!(effect, Effect::DeleteRunner { .. })));
    assert_eq!(story.failure(), None, "it is no failure");
    let row = story.row.as_ref().expect("a row");
    assert_eq!(row.condemned, Some(CondemnReason::ScopeGone));
    for log in [Some(BUSY_LOG), None] {
        let mut story = Story::new(Some(running_row()));
        story.gone = true;
        story.log = log;
        story.live(20, 3_000);
        assert!(!story.touched(), "{log:?}");
    }
}

fn on_a_dead_board(row: WorkerRow, runner: Option<RunnerStatus>) -> Story {
    let mut story = Story::new(Some(row));
    story.runner = runner;
    story.log = None;
    story.board.ready = Readiness::Unknown;
    story.board.ready_since = Some(at(50));
    story
}

#[test]
fn a_dead_boards_worker_is_given_up_when_github_agrees() {
    for runner in [None, Some(RunnerStatus::Offline)] {
        let mut story = on_a_dead_board(running_row(), runner);
        story.live(60, 340);
        assert!(!story.touched(), "{runner:?}");
        story.live(350, 500);
        assert_eq!(story.failure(), Some(FailureReason::NodeUnreachable));
        assert!(story.did(|effect| matches!(effect, Effect::DropPod { .. })));
    }
}

#[test]
fn a_job_on_a_dead_board_is_ended_by_github_only() {
    let bound = WorkerRow {
        named_by: vec![named(1, Status::Running)],
        ..running_row()
    };
    let mut story = on_a_dead_board(bound, Some(RunnerStatus::Offline));
    story.live(60, 3_000);
    assert!(!story.touched(), "`offline` is said of runners that work");
    story.runner = None;
    story.live(3_010, 3_200);
    assert_eq!(story.failure(), Some(FailureReason::NodeUnreachable));
}

#[test]
fn a_job_that_github_was_not_asked_about_may_be_on_the_dead_board() {
    let mut story = on_a_dead_board(running_row(), Some(RunnerStatus::Offline));
    story.jobs = vec![job(1, demand(7))];
    story.live(60, 900);
    assert!(!story.touched());
    story.jobs[0].last_checked_at = Some(at(900));
    story.live(910, 930);
    assert_eq!(story.failure(), Some(FailureReason::NodeUnreachable));
}

#[test]
fn many_boards_that_fall_together_are_believed_to_be_well() {
    let mut story = on_a_dead_board(running_row(), None);
    story.others[0].ready = Readiness::Unknown;
    story.others[0].ready_since = Some(at(60));
    story.machine.observe(Observation::Alerts(vec![]));
    story.live(70, 900);
    let open = story.machine.open_alerts.clone().unwrap_or_default();
    let names: Vec<&str> = open.keys().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["boards_suspect"]);
    assert!(!story.touched());
}
