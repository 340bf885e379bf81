//! The life of a job when nothing goes wrong, and whose runner takes whose job.

use chrono::TimeDelta;
use sandbox::world::cluster::{Behaviour, Kind};
use sandbox::world::github::{JobId, RunnerState};
use serde_json::{Value, json};

use crate::support::{
    Given, ORG_REPO, ORG_REPO_2, RISCV, Rig, USER_REPO, USER_REPO_2, Worker, holds,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_an_organisation_and_one_of_a_person_run_and_leave_nothing() {
    let rig = Rig::start(Given::boards(2)).await;
    let of_org = rig.push(ORG_REPO);
    let of_user = rig.push(USER_REPO);
    rig.done(&[of_org, of_user]).await;
    rig.settled().await;

    let workers = rig.workers().await;
    assert_eq!(workers.len(), 2, "{workers:#?}");
    let org = done_by(&rig, of_org).await;
    let user = done_by(&rig, of_user).await;
    assert_ne!(org.pod_name, user.pod_name);
    assert_eq!(
        (org.entity_type.as_str(), org.entity_name.as_str()),
        ("Organization", "sandbox-vectorworks")
    );
    assert_eq!(
        org.repo_full_name, None,
        "an organisation's runner belongs to no repository"
    );
    assert_eq!(
        (user.entity_type.as_str(), user.entity_name.as_str()),
        ("User", "sandbox-ada")
    );
    assert_eq!(user.repo_full_name.as_deref(), Some(USER_REPO));
    for worker in [&org, &user] {
        assert_eq!(worker.status, "completed");
        assert_eq!(worker.failure_info, None);
        assert_eq!(worker.job_labels, json!([RISCV]));
        assert!(
            worker.runner_id.is_some() && worker.k8s_node.is_some(),
            "{worker:?}"
        );
        assert!(worker.pod_created_at.is_some() && worker.running_at.is_some());
        assert!(worker.completed_at.is_some() && worker.deregistered_at.is_some());
        has_the_right_shape(&pod(&rig, &worker.pod_name), worker);
    }
    rig.until("both boards are free again", async || {
        let state = rig.state().await;
        let boards = state["boards"].as_array().cloned().unwrap_or_default();
        let free = boards.iter().filter(|board| board["state"] == "free");
        holds(free.count() == 2, state)
    })
    .await;
}

/// The row of the worker that a finished job ran on.
async fn done_by(rig: &Rig, id: JobId) -> Worker {
    let job = rig.job(id).await.unwrap();
    assert_eq!(
        (job.status.as_str(), job.conclusion.as_deref()),
        ("completed", Some("success"))
    );
    assert_eq!(job.waiting_reason, None);
    assert_eq!(
        job.k8s_pod,
        rig.taken_by(id),
        "the row names the runner that took it"
    );
    let workers = rig.workers().await;
    let by = |worker: &Worker| Some(&worker.pod_name) == job.k8s_pod.as_ref();
    workers.into_iter().find(by).unwrap()
}

fn pod(rig: &Rig, name: &str) -> Value {
    rig.read(|world| {
        let found = world.cluster.get(Kind::Pod, "default", name).unwrap();
        (*found).clone()
    })
}

/// What boards, dashboards and people of the replaced service rely on.
fn has_the_right_shape(pod: &Value, worker: &Worker) {
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["app"], "rise-riscv-runner");
    assert_eq!(
        labels["riseproject.dev/entity_id"],
        worker.entity_id.to_string()
    );
    assert_eq!(labels["riseproject.dev/entity_name"], worker.entity_name);
    assert_eq!(labels["riseproject.dev/board"], "scw-em-rv1");
    let spec = &pod["spec"];
    assert_eq!(
        spec["nodeSelector"],
        json!({ "riseproject.dev/board": "scw-em-rv1" })
    );
    assert_eq!(spec["activeDeadlineSeconds"], 525_600);
    assert_eq!(spec["restartPolicy"], "Never");
    assert_eq!(spec["hostNetwork"], true);
    assert_eq!(spec["containers"].as_array().unwrap().len(), 1);
    let container = &spec["containers"][0];
    assert_eq!(container["name"], "runner");
    assert_eq!(container["image"], worker.k8s_image.as_str());
    assert_eq!(container["securityContext"]["privileged"], true);
    let limits = &container["resources"]["limits"];
    assert_eq!(limits["riseproject.com/runner"], "1");
    assert_eq!(limits["ephemeral-storage"], "90Gi");
    let variable = |name: &str| {
        let mut variables = container["env"].as_array().unwrap().iter();
        variables.find(|it| it["name"] == name).unwrap()["value"].clone()
    };
    assert_eq!(variable("RUNNER_WAIT_FOR_DOCKER_IN_SECONDS"), "60");
    assert!(
        variable("RUNNER_JITCONFIG")
            .as_str()
            .is_some_and(|it| !it.is_empty())
    );
    let note = pod["metadata"]["annotations"]["riseproject.dev/worker"].as_str();
    let note: Value = serde_json::from_str(note.unwrap()).unwrap();
    assert_eq!(note["entity_id"], worker.entity_id);
    assert_eq!(
        note["repo_full_name"].as_str(),
        worker.repo_full_name.as_deref()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_of_one_personal_repository_is_no_supply_for_the_other() {
    let rig = Rig::start(Given::boards(3)).await;
    let idle = idle_runner(&rig, USER_REPO).await;
    let other = rig.push(USER_REPO_2);
    rig.done(&[other]).await;
    let by = rig.taken_by(other).unwrap();
    assert_ne!(by, idle);
    let workers = rig.workers().await;
    let own = workers.iter().find(|it| it.pod_name == by).unwrap();
    assert_eq!(own.repo_full_name.as_deref(), Some(USER_REPO_2));
    // For its own repository it is supply: nothing new is made.
    let same = rig.push(USER_REPO);
    rig.done(&[same]).await;
    assert_eq!(rig.taken_by(same), Some(idle));
    rig.settled().await;
    assert_eq!(rig.workers().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_of_an_organisation_is_supply_for_all_its_repositories() {
    let rig = Rig::start(Given::boards(3)).await;
    let idle = idle_runner(&rig, ORG_REPO).await;
    let job = rig.push(ORG_REPO_2);
    rig.done(&[job]).await;
    assert_eq!(rig.taken_by(job), Some(idle));
    rig.settled().await;
    assert_eq!(rig.workers().await.len(), 1);
}

/// A runner whose job was cancelled before it could take it; returns its name.
async fn idle_runner(rig: &Rig, repository: &str) -> String {
    let job = rig.push_long(repository);
    let name = rig
        .until("a pod is made", async || {
            let pods = rig.pods();
            pods.first()
                .map(|pod| pod.name.clone())
                .ok_or_else(String::new)
        })
        .await;
    rig.cancel(job);
    rig.until("the runner is idle", async || {
        let idle = |it: &&sandbox::world::github::Runner| it.state == RunnerState::Idle;
        let runners = rig.runners();
        holds(runners.iter().any(|it| idle(&it)), format!("{runners:?}"))?;
        let row = rig.job(job).await;
        let done = row.as_ref().is_some_and(|row| row.status == "completed");
        holds(done, format!("{row:?}"))
    })
    .await;
    assert_eq!(rig.taken_by(job), None, "the job was cancelled in time");
    name
}

/// The replaced service counted the fifth worker, which only hangs, as supply for the fourth job.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_hangs_after_its_job_takes_no_job_from_the_fifth_board() {
    let rig = Rig::start(Given::boards(5)).await;
    rig.with(|world| world.cluster.next_pod_behaves(Behaviour::HangsAfterJob));
    let first = rig.push(ORG_REPO);
    rig.done(&[first]).await;
    let hanging = rig.taken_by(first).unwrap();
    let jobs: Vec<JobId> = (0..4).map(|_| rig.push_long(ORG_REPO)).collect();
    for job in &jobs {
        assert_ne!(rig.in_progress(*job).await, hanging);
    }
    let pods = rig.pods();
    assert_eq!(pods.len(), 5, "{pods:?}");
    let hangs = pods.iter().find(|pod| pod.name == hanging).unwrap();
    assert!(!hangs.is_terminal(), "it hangs still: {hangs:?}");
    rig.never_broken();
}

/// The same while the others' jobs are running: the pod begins to hang beside them.
#[tokio::test(flavor = "multi_thread")]
async fn the_fourth_job_gets_the_fifth_board_while_three_run_and_one_pod_hangs() {
    let rig = Rig::start(Given::boards(5)).await;
    let running: Vec<JobId> = (0..3).map(|_| rig.push_long(ORG_REPO)).collect();
    for job in &running {
        rig.in_progress(*job).await;
    }
    rig.with(|world| world.cluster.next_pod_behaves(Behaviour::HangsAfterJob));
    let hangs = rig.queue(ORG_REPO, TimeDelta::milliseconds(100));
    rig.done(&[hangs]).await;
    let fourth = rig.push(ORG_REPO);
    rig.done(&[fourth]).await;
    assert_ne!(rig.taken_by(fourth), rig.taken_by(hangs));
    rig.never_broken();
}
