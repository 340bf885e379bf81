//! Workers that fail: why, with what evidence, and that only their own key waits for it.

use std::time::{Duration, Instant};

use sandbox::world::cluster::Behaviour;
use sandbox::world::github::JobId;
use serde_json::Value;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO, Worker, holds};

/// How often pods are listed, as it is when nothing else is said, less the time that a test may lose.
const LISTED_EVERY: Duration = Duration::from_secs(8);

/// The image of one organisation, beside that of everybody else.
fn own_image(image: &str) -> String {
    format!(
        r#"
        [images]
        own = "{image}"
        [rules]
        image_pull_within = "1s"
        [[routes]]
        labels = ["ubuntu-24.04-riscv"]
        for = [{{ entity = 171204518 }}]
        pool = "scw-em-rv1"
        image = "own"
        [[routes]]
        labels = ["ubuntu-24.04-riscv"]
        pool = "scw-em-rv1"
        image = "ubuntu-24.04"
        "#
    )
}

/// Waits until a worker has failed for this reason and its pod is gone; returns its row.
async fn failed(rig: &Rig, reason: &str) -> Worker {
    rig.until("a worker failed and its pod is gone", async || {
        let workers = rig.workers().await;
        let found = workers
            .iter()
            .find(|it| it.status == "failed" && it.deregistered_at.is_some());
        let found = found.ok_or_else(|| format!("{workers:?}"))?;
        let gone = rig.pods().iter().all(|pod| pod.name != found.pod_name);
        holds(gone, format!("{found:?}"))?;
        holds(found.reason() == Some(reason), format!("{found:?}"))?;
        Ok(found.clone())
    })
    .await
}

/// Waits until a job waits because making its runner failed.
async fn backs_off(rig: &Rig, job: JobId) {
    rig.until("the job waits", async || {
        let row = rig.job(job).await;
        let said = row.as_ref().and_then(|row| row.waiting_reason.as_deref());
        holds(said == Some("backing_off"), format!("{row:?}"))
    })
    .await;
}

fn events(info: &Value) -> String {
    info["events"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_name_that_no_board_can_read_fails_at_once_and_holds_nobody_else_back() {
    let rig = Rig::start(Given::boards(2).config(&own_image("Not/AnImage:latest"))).await;
    let job = rig.push(ORG_REPO);
    let worker = failed(&rig, "image_pull_failed").await;
    let info = worker.failure_info.clone().unwrap();
    assert_eq!(info["version"], 2, "{info:#}");
    assert_eq!(
        info["containers"]["runner"]["reason"], "InvalidImageName",
        "{info:#}"
    );
    assert!(events(&info).contains("InspectFailed"), "{info:#}");
    backs_off(&rig, job).await;
    let other = rig.push(USER_REPO);
    rig.done(&[other]).await;
    // The job's people cancel it; then nothing is left of all the attempts, and nobody waits for the next list of pods
    // to know it.
    rig.cancel(job);
    let cancelled = Instant::now();
    rig.settled().await;
    let took = cancelled.elapsed();
    assert!(took < LISTED_EVERY, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_pulled_fails_after_a_while_and_is_tried_again() {
    let image = "registry.example/own:latest";
    let rig = Rig::start(Given::boards(2).config(&own_image(image))).await;
    rig.with(|world| world.cluster.set_image_broken(image, true));
    let job = rig.push(ORG_REPO);
    let worker = failed(&rig, "image_pull_failed").await;
    let info = worker.failure_info.clone().unwrap();
    let waited_for = info["containers"]["runner"]["reason"].as_str().unwrap();
    assert!(
        ["ErrImagePull", "ImagePullBackOff"].contains(&waited_for),
        "{info:#}"
    );
    assert!(events(&info).contains("Failed to pull image"), "{info:#}");
    backs_off(&rig, job).await;
    let other = rig.push(USER_REPO);
    rig.done(&[other]).await;
    rig.with(|world| world.cluster.set_image_broken(image, false));
    rig.done(&[job]).await;
    rig.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_fails_before_its_job_is_kept_with_its_evidence_and_the_next_one_does_the_job() {
    let rig = Rig::start(Given::boards(2)).await;
    rig.with(|world| world.cluster.next_pod_behaves(Behaviour::FailsBeforeJob));
    let job = rig.push(ORG_REPO);
    rig.done(&[job]).await;
    rig.settled().await;
    let workers = rig.workers().await;
    assert_eq!(workers.len(), 2, "{workers:#?}");
    let (bad, good) = (&workers[0], &workers[1]);
    assert_eq!(rig.taken_by(job).as_ref(), Some(&good.pod_name));
    assert_eq!(
        (good.status.as_str(), bad.status.as_str()),
        ("completed", "failed")
    );
    let info = bad.failure_info.clone().unwrap();
    assert_eq!(info["reason"], "pod_failed", "{info:#}");
    assert_eq!(info["containers"]["runner"]["exit_code"], 1, "{info:#}");
    let log = info["containers"]["runner"]["logs"].as_str().unwrap();
    assert!(log.contains("no space left on device"), "{log}");
    assert!(
        events(&info).contains("Started container runner"),
        "{info:#}"
    );
    // Its pod stays for people to look at; its board is free all the same.
    assert!(
        rig.pods()
            .iter()
            .any(|pod| pod.name == bad.pod_name && pod.is_terminal())
    );
    assert!(!info.to_string().contains("RUNNER_JITCONFIG"), "{info:#}");
}

/// The image's entrypoint ends well when Docker does not come up: the log tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_ends_well_without_a_job_is_told_by_its_log() {
    let rig = Rig::start(Given::boards(2)).await;
    rig.with(|world| world.cluster.next_pod_behaves(Behaviour::DockerNotReady));
    let job = rig.push(USER_REPO);
    rig.done(&[job]).await;
    rig.settled().await;
    let workers = rig.workers().await;
    assert_eq!(workers.len(), 2, "{workers:#?}");
    assert_eq!(
        workers[0].reason(),
        Some("docker_not_ready"),
        "{workers:#?}"
    );
    assert_eq!(workers[1].status, "completed", "{workers:#?}");
}
