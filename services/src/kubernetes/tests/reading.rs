//! What logs and diagnostics tell.

use axum::http::StatusCode;
use chrono::TimeDelta;
use rise_model::log::{ExitCause, LoggedJob};
use rise_model::span::Span;
use sandbox::doors::faults::Fault;
use sandbox::world::cluster::{Behaviour, ClusterConfig};
use serde_json::json;

use super::support::{input, open, open_with, section, soon};
use crate::config::KubernetesSection;
use crate::kubernetes::{KubernetesErrorKind, Operation};

#[tokio::test]
async fn a_log_tells_when_a_job_began_and_ended() {
    let it = open().await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    it.until_logged(&name, "Listening for Jobs").await;
    let idle = it.cluster.read_log_marks(&name).await.unwrap();
    let pod = it.cluster.get_pod(&name).await.unwrap().unwrap();
    assert!(idle.is_whole(pod.container_started_at()));
    assert_eq!(idle.job, LoggedJob::None);

    it.queue(TimeDelta::seconds(2));
    it.until(&name, |pod| pod.job.is_some()).await;
    it.until_logged(&name, "Running job: ").await;
    let running = it.cluster.read_log_marks(&name).await.unwrap();
    let job = running.unfinished_job().unwrap().to_owned();
    it.until(&name, |pod| pod.is_terminal()).await;
    let done = it.cluster.read_log_marks(&name).await.unwrap();
    assert_eq!(done.unfinished_job(), None);
    match done.job {
        LoggedJob::Completed { name, result, at } => {
            assert_eq!((name, result.as_str()), (job, "Succeeded"));
            assert!(at.is_some());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_rotated_log_is_not_taken_for_a_whole_one() {
    let it = open().await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    it.until_logged(&name, "Listening for Jobs").await;
    it.doors
        .world()
        .with(|world| world.cluster.rotate_log(name.as_str(), 0).unwrap());
    let log = it.cluster.read_log_marks(&name).await.unwrap();
    let pod = it.cluster.get_pod(&name).await.unwrap().unwrap();
    assert_eq!(log.job, LoggedJob::None);
    assert!(!log.is_whole(pod.container_started_at()));
}

#[tokio::test]
async fn a_log_that_cannot_be_had_is_an_error_and_no_empty_log() {
    let it = open().await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    it.until_logged(&name, "Listening for Jobs").await;
    let pod = it.cluster.get_pod(&name).await.unwrap().unwrap();
    it.doors.world().with(|world| {
        let now = world.now();
        let node = pod.node.unwrap();
        world
            .cluster
            .set_node_ready(node.as_str(), false, now)
            .unwrap();
    });
    let error = it.cluster.read_log_marks(&name).await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::Server { .. }),
        "{error}"
    );
    assert!(
        !error.is_dependency_trouble(),
        "the board is away, not the API server"
    );
    let error = it
        .cluster
        .read_log_marks(&"nobody".into())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::NotFound),
        "{error}"
    );
}

#[tokio::test]
async fn a_runner_that_ended_without_a_job_says_why() {
    let it = open().await;
    let input = input("rise-riscv-runner-abc123xyz");
    let jit = it.register(&input.name);
    it.doors
        .world()
        .with(|world| world.github.refuse_runner_version(true));
    it.cluster.create_pod(&input, &jit).await.unwrap();
    it.until(&input.name, |pod| pod.is_terminal()).await;
    let log = it.cluster.read_log_marks(&input.name).await.unwrap();
    assert_eq!(log.job, LoggedJob::None);
    assert_eq!(log.exit_cause(), Some(ExitCause::RunnerVersionRefused));
}

#[tokio::test]
async fn diagnostics_hold_exit_status_log_and_events() {
    let it = open().await;
    it.doors
        .world()
        .with(|world| world.cluster.next_pod_behaves(Behaviour::FailsBeforeJob));
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    it.until(&name, |pod| pod.is_terminal()).await;
    let found = it.cluster.diagnostics(&name).await;
    assert_eq!(found.collect_error, None);
    let runner = &found.containers["runner"];
    assert_eq!(
        (runner.exit_code, runner.reason.as_str()),
        (Some(1), "Error")
    );
    assert!(
        runner
            .logs
            .as_deref()
            .unwrap()
            .contains("failed to start daemon")
    );
    let reasons: Vec<_> = found
        .events
        .iter()
        .map(|event| event.reason.as_str())
        .collect();
    for reason in ["Scheduled", "Created", "Started"] {
        assert!(reasons.contains(&reason), "{reasons:?}");
    }
    assert!(found.events.is_sorted_by_key(|event| event.last_seen));
    let value = serde_json::to_value(&found).unwrap();
    assert_eq!(value["events"][0]["type"], "Normal");
    assert_eq!(value["containers"]["runner"]["exit_code"], 1);
    assert_eq!(value.get("collect_error"), None);
}

#[tokio::test]
async fn what_diagnostics_could_not_have_is_named() {
    let section = KubernetesSection {
        diagnostics_timeout: Span::seconds(1),
        ..section()
    };
    let it = open_with(ClusterConfig::default(), section).await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    it.until_logged(&name, "Listening for Jobs").await;
    let _held = it
        .doors
        .kubernetes()
        .faults()
        .arm("pod_log", Fault::Hold, 1);
    let refusal = Fault::Refuse(StatusCode::INTERNAL_SERVER_ERROR, json!({}));
    let _broken = it
        .doors
        .kubernetes()
        .faults()
        .arm("list_events", refusal, 1);
    let found = soon(it.cluster.diagnostics(&name)).await;
    assert!(
        found.containers.contains_key("runner"),
        "what could be had is there"
    );
    let missing = found.collect_error.unwrap();
    for operation in [Operation::PodLog, Operation::ListEvents] {
        assert!(missing.contains(operation.as_str()), "{missing}");
    }
    let gone = it.cluster.diagnostics(&"nobody".into()).await;
    assert!(gone.collect_error.unwrap().contains("nobody is gone"));
}
