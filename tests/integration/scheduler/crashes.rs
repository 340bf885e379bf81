//! `kill -9` of the scheduler at every step of a worker's life. A new process goes on from the rows, the cluster and
//! GitHub; the job is done, by one pod, and nothing is left.

use sandbox::doors::faults::Fault;
use sandbox::world::github::JobId;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO, holds};

/// Whom a request goes to.
#[derive(Clone, Copy)]
enum Door {
    GitHub,
    Kubernetes,
}

/// Kills the scheduler while one of its requests waits, before (`Hold`) or after (`HoldAnswer`) it took effect.
async fn killed_in(repository: &str, door: Door, operation: &str, fault: Fault) {
    let mut rig = Rig::start(Given::boards(3)).await;
    let mut held = match door {
        Door::GitHub => rig.arm_github(operation, fault.clone(), 1),
        Door::Kubernetes => rig.arm_kubernetes(operation, fault.clone(), 1),
    };
    let job = rig.push(repository);
    rig.met(&mut held, 1).await;
    if matches!(fault, Fault::HoldAnswer | Fault::LoseAnswer) {
        took_effect(&rig, operation).await;
    }
    rig.restart_scheduler();
    done_once(&rig, job).await;
}

/// A fault is counted as met before the world acts.
async fn took_effect(rig: &Rig, operation: &str) {
    rig.until("the request has taken effect", async || {
        let there = match operation {
            "create_jit_config" => !rig.runners().is_empty(),
            "create_pod" => !rig.pods().is_empty(),
            _ => true,
        };
        holds(there, operation)
    })
    .await;
}

/// The job is done by the only pod that there ever was, of the only row.
async fn done_once(rig: &Rig, job: JobId) {
    rig.done(&[job]).await;
    rig.settled().await;
    let (workers, pods) = (rig.workers().await, rig.pods());
    assert_eq!(
        (workers.len(), pods.len()),
        (1, 1),
        "{workers:#?}\n{pods:#?}"
    );
    assert_eq!(workers[0].status, "completed", "{workers:#?}");
    assert_eq!(rig.taken_by(job).as_ref(), Some(&pods[0].name));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_reserve_of_an_organisation() {
    killed_in(ORG_REPO, Door::GitHub, "list_runner_groups", Fault::Hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_reserve_of_a_person() {
    killed_in(USER_REPO, Door::GitHub, "create_jit_config", Fault::Hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_runner_group_was_made() {
    killed_in(
        ORG_REPO,
        Door::GitHub,
        "create_runner_group",
        Fault::HoldAnswer,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_jit_config_was_made_of_an_organisation() {
    killed_in(
        ORG_REPO,
        Door::GitHub,
        "create_jit_config",
        Fault::HoldAnswer,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_jit_config_was_made_of_a_person() {
    killed_in(
        USER_REPO,
        Door::GitHub,
        "create_jit_config",
        Fault::HoldAnswer,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_pod_was_made() {
    killed_in(ORG_REPO, Door::Kubernetes, "create_pod", Fault::Hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_pod_was_made() {
    killed_in(ORG_REPO, Door::Kubernetes, "create_pod", Fault::HoldAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_pod_was_made_and_the_answer_was_lost() {
    killed_in(USER_REPO, Door::Kubernetes, "create_pod", Fault::LoseAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_runner_of_a_finished_worker_is_deregistered() {
    killed_in(ORG_REPO, Door::GitHub, "delete_runner", Fault::Hold).await;
}

/// The pod is made, the runner's id is only known to GitHub: the new process finds it by its name.
#[tokio::test(flavor = "multi_thread")]
async fn twice_on_the_way_to_the_pod() {
    let mut rig = Rig::start(Given::boards(3)).await;
    let mut first = rig.arm_github("create_jit_config", Fault::HoldAnswer, 1);
    let job = rig.push(USER_REPO);
    rig.met(&mut first, 1).await;
    took_effect(&rig, "create_jit_config").await;
    let mut second = rig.arm_kubernetes("create_pod", Fault::HoldAnswer, 1);
    rig.restart_scheduler();
    rig.met(&mut second, 1).await;
    took_effect(&rig, "create_pod").await;
    rig.restart_scheduler();
    done_once(&rig, job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_job_runs() {
    let mut rig = Rig::start(Given::boards(3)).await;
    let job = rig.queue(ORG_REPO, chrono::TimeDelta::seconds(5));
    rig.in_progress(job).await;
    rig.restart_scheduler();
    done_once(&rig, job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_scheduler_at_all_while_jobs_come_and_end() {
    let mut rig = Rig::start(Given::boards(3)).await;
    let running = rig.push(ORG_REPO);
    rig.in_progress(running).await;
    rig.take_scheduler(0).kill();
    let queued = [rig.push(ORG_REPO), rig.push(USER_REPO)];
    rig.until(
        "GitHub has the first job's end, ghfe the others",
        async || {
            let ended = rig.job_state(running).conclusion().is_some();
            let known = rig.jobs().await.len();
            holds(ended && known == 3, format!("{ended} {known}"))
        },
    )
    .await;
    rig.start_scheduler();
    rig.done(&[running, queued[0], queued[1]]).await;
    rig.settled().await;
    assert_eq!(rig.workers().await.len(), 3);
}
