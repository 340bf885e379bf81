//! Runners: processes in pods that meet the pretend GitHub.

use super::*;
use crate::world::github::{
    AccountId, DEFAULT_GROUP, JitRequest, JobId, JobState, RunnerId, Scope,
};

const REPOSITORY: &str = "ggml-org/llama.cpp";
const ORGANIZATION: AccountId = AccountId(134_263_123);
const LABEL: &str = "ubuntu-24.04-riscv";

impl Scene {
    /// A registered runner's pod.
    fn create_runner(&mut self, name: &str) -> RunnerId {
        let request = JitRequest {
            name: name.to_owned(),
            group: DEFAULT_GROUP,
            labels: vec![LABEL.to_owned()],
        };
        let (now, scope) = (self.now(), Scope::Organization(ORGANIZATION));
        let (runner, jit_config) = self.world.github.register_jit(scope, request, now).unwrap();
        let mut pod = tolerant(runner_pod(name, "scw-em-rv1"));
        pod["spec"]["containers"][0]["env"][1]["value"] = json!(jit_config);
        self.create(pod);
        runner
    }

    fn queue(&mut self, seconds: i64) -> JobId {
        let now = self.now();
        self.world
            .github
            .queue_job(REPOSITORY, &[LABEL], TimeDelta::seconds(seconds), now)
            .unwrap()
    }

    fn job_state(&self, job: JobId) -> &'static str {
        let state = self.world.github.job(job).unwrap().state;
        state
            .conclusion()
            .map_or(state.status(), |conclusion| conclusion.as_str())
    }

    fn busy(&mut self, name: &str, seconds: i64) -> JobId {
        let job = self.queue(seconds);
        self.create_runner(name);
        self.pass(4.0);
        assert_eq!(self.world.cluster.pod(name).unwrap().job, Some(job.0));
        job
    }

    fn line(&self, pod: &str, part: &str) -> bool {
        self.world
            .cluster
            .log_of(pod)
            .iter()
            .any(|line| line.contains(part))
    }
}

#[test]
fn a_runner_takes_a_job_runs_it_and_is_gone() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    let job = scene.queue(5);
    let runner = scene.create_runner("a");
    scene.pass(1.3);
    assert_eq!(scene.job_state(job), "queued");
    scene.pass(1.6);
    assert_eq!(scene.job_state(job), "in_progress");
    assert!(scene.line("a", "√ Connected to GitHub") && scene.line("a", "Running job: build"));
    scene.pass(6.0);
    assert_eq!(scene.job_state(job), "success");
    assert!(scene.line("a", "Job build completed with result: Succeeded"));
    assert_eq!(scene.phase("a"), Some(Phase::Succeeded));
    assert!(scene.world.github.runner(runner).is_none());
    assert!(scene.world.cluster.killed_while_busy().is_empty());
}

#[test]
fn an_idle_runner_takes_the_job_that_comes_later() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.create_runner("a");
    scene.pass(30.0);
    assert!(scene.line("a", "Listening for Jobs"));
    let job = scene.queue(2);
    scene.pass(0.3);
    assert_eq!(scene.job_state(job), "in_progress");
}

#[test]
fn a_pod_may_hang_after_its_job() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene
        .world
        .cluster
        .set_behaviour("riscv-runner-1", Some(Behaviour::HangsAfterJob))
        .unwrap();
    let job = scene.busy("a", 8);
    scene.pass(600.0);
    assert_eq!(
        (scene.job_state(job), scene.phase("a")),
        ("success", Some(Phase::Running))
    );
    assert_eq!(scene.world.github.runners().count(), 0);
}

#[test]
fn a_job_that_is_killed_is_counted_and_fails_ten_minutes_later() {
    for cause in [KillCause::Deadline, KillCause::Deleted, KillCause::Evicted] {
        let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
        let job = scene.busy("a", 3600);
        let now = scene.now();
        match cause {
            KillCause::Deadline => drop(scene.set_deadline("a", &json!(1)).unwrap()),
            KillCause::Deleted => drop(scene.delete("a", &DeleteOptions::with_grace(0))),
            KillCause::Evicted => scene
                .world
                .cluster
                .evict_pod("default", "a", &DeleteOptions::default(), now)
                .unwrap(),
            KillCause::BoardLost => unreachable!(),
        }
        scene.pass(2.0);
        let killed = scene.world.cluster.killed_while_busy();
        assert_eq!(killed.len(), 1, "{cause:?}");
        assert_eq!((killed[0].job_id, killed[0].cause), (job.0, cause));
        assert!(scene.world.github.runners().all(|runner| !runner.online()));
        assert_eq!(scene.job_state(job), "in_progress");
        scene.pass(605.0);
        assert_eq!(scene.job_state(job), "failure");
    }
}

#[test]
fn a_job_dies_with_its_boards_power_but_not_with_its_network() {
    let mut scene = Scene::new(&[("scw-em-rv1", 2)]);
    let first = scene.busy("a", 100);
    let second = scene.busy("b", 100);
    let (now, off, cut) = (
        scene.now(),
        scene.node_of("a").unwrap(),
        scene.node_of("b").unwrap(),
    );
    scene
        .world
        .cluster
        .lose_board(&off, BoardLoss::PoweredOff, now)
        .unwrap();
    scene
        .world
        .cluster
        .lose_board(&cut, BoardLoss::Unreachable, now)
        .unwrap();
    scene.pass(700.0);
    assert_eq!(
        (scene.job_state(first), scene.job_state(second)),
        ("failure", "success")
    );
    // The API server knows of neither.
    assert_eq!(
        (scene.phase("a"), scene.phase("b")),
        (Some(Phase::Running), Some(Phase::Running))
    );
    assert!(scene.world.cluster.killed_while_busy().is_empty());
    assert_eq!(scene.world.cluster.jobs_lost_with_boards().len(), 1);
    let now = scene.now();
    scene.world.cluster.restore_board(&off, now).unwrap();
    scene.world.cluster.restore_board(&cut, now).unwrap();
    assert_eq!(
        (scene.phase("a"), scene.phase("b")),
        (Some(Phase::Failed), Some(Phase::Succeeded))
    );
}

#[test]
fn a_removed_runner_ends_well_without_a_job() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    let runner = scene.create_runner("a");
    scene.pass(5.0);
    let now = scene.now();
    scene
        .world
        .github
        .delete_runner(Scope::Organization(ORGANIZATION), runner, now)
        .unwrap();
    scene.pass(1.0);
    assert_eq!(scene.phase("a"), Some(Phase::Succeeded));
    assert!(!scene.line("a", "Running job:"));
}

#[test]
fn a_refused_version_is_told_in_the_log() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.world.github.refuse_runner_version(true);
    scene.create_runner("a");
    scene.pass(4.0);
    assert_eq!(scene.phase("a"), Some(Phase::Succeeded));
    assert!(scene.line("a", "is deprecated and cannot receive messages"));
}

#[test]
fn a_cancelled_job_ends_its_pod_soon() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    let job = scene.busy("a", 3600);
    let now = scene.now();
    scene.world.github.cancel_job(job, now).unwrap();
    scene.pass(2.0);
    assert!(scene.line("a", "Job build completed with result: Canceled"));
    assert_eq!(scene.phase("a"), Some(Phase::Succeeded));
    assert!(matches!(
        scene.world.github.job(job).unwrap().state,
        JobState::Completed(_)
    ));
}

#[test]
fn a_share_of_pods_fails_before_its_job() {
    let mut config = ClusterConfig::with_boards(&[("scw-em-rv1", 50)]);
    config.fail_before_job = 0.2;
    let mut scene = Scene::with(config, 3);
    for index in 0..50 {
        scene.create_runner(&format!("r{index}"));
    }
    scene.pass(5.0);
    let failed = scene
        .world
        .cluster
        .pods()
        .iter()
        .filter(|pod| pod.phase == Phase::Failed)
        .count();
    assert!((3..20).contains(&failed), "{failed}");
}

#[test]
fn a_busy_world_is_the_same_for_the_same_seed() {
    let story = |seed: u64| {
        let mut scene = Scene::with(ClusterConfig::default(), seed);
        for index in 0..10 {
            scene.queue(3);
            scene.create_runner(&format!("r{index}"));
            scene.pass(1.3);
        }
        scene.pass(20.0);
        let logs: Vec<_> = (0..10)
            .map(|index| scene.world.cluster.log_of(&format!("r{index}")))
            .collect();
        format!("{}{logs:?}", scene.dump())
    };
    assert_eq!(story(11), story(11));
    assert_ne!(story(11), story(12));
}

#[test]
fn a_version_that_will_end_is_warned_of_and_works() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene
        .world
        .cluster
        .set_version_warning(Some("September 24, 2026"));
    let job = scene.busy("a", 3);
    scene.pass(4.0);
    assert!(scene.line(
        "a",
        "will no longer be able to run jobs on September 24, 2026"
    ));
    assert_eq!(scene.job_state(job), "success");
}

#[test]
fn a_pod_may_end_well_without_docker() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene
        .world
        .cluster
        .next_pod_behaves(Behaviour::DockerNotReady);
    scene.create_runner("a");
    scene.pass(4.0);
    assert_eq!(scene.phase("a"), Some(Phase::Succeeded));
    assert!(!scene.line("a", "Connected to GitHub"));
}
