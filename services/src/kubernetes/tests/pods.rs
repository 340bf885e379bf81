//! Pods made, read and listed.

use axum::http::StatusCode;
use chrono::TimeDelta;
use rise_model::cluster::{Annotated, ContainerState, Phase, Pod, Readiness};
use rise_model::span::Span;
use sandbox::doors::faults::Fault;
use sandbox::world::cluster::ClusterConfig;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::support::{input, open, open_with, section, soon};
use crate::config::KubernetesSection;
use crate::kubernetes::{KubernetesErrorKind, Operation, PodCreation};

#[tokio::test]
async fn a_pod_is_made_runs_its_job_and_tells_of_it() {
    let it = open().await;
    let input = input("rise-riscv-runner-abc123xyz");
    let jit = it.register(&input.name);
    let before = rise_model::Time::from(std::time::SystemTime::now());
    let PodCreation::Created(made) = it.cluster.create_pod(&input, &jit).await.unwrap() else {
        panic!("it is made");
    };
    assert_eq!(
        (made.phase, made.name.clone()),
        (Phase::Pending, input.name.clone())
    );
    assert_eq!(
        made.worker,
        Annotated::Worker(Box::new(input.worker.clone()))
    );
    assert_eq!(made.active_deadline_seconds, Some(525_600));
    assert!(!format!("{made:?}").contains(jit.expose_secret()));
    let again = it.cluster.create_pod(&input, &jit).await.unwrap();
    assert_eq!(again, PodCreation::AlreadyExists);

    it.queue(TimeDelta::milliseconds(200));
    it.until(&input.name, |pod| pod.is_terminal()).await;
    let pod = it.cluster.get_pod(&input.name).await.unwrap().unwrap();
    assert_eq!(
        (pod.uid.clone(), pod.phase),
        (made.uid.clone(), Phase::Succeeded)
    );
    assert_ne!(pod.resource_version, made.resource_version);
    assert_story(&pod);
    let listed = it.cluster.list_pods().await.unwrap();
    assert_eq!(listed.items, [pod]);
    assert!(listed.begun_at >= before);
    assert_eq!(it.cluster.get_pod(&"nobody".into()).await.unwrap(), None);
}

/// Made, given a node, taken on, begun, ended: in this order.
fn assert_story(pod: &Pod) {
    assert!(pod.node.is_some() && pod.has_started() && !pod.holds_slot());
    let ContainerState::Terminated(end) = &pod.container else {
        panic!("{:?}", pod.container);
    };
    assert_eq!(
        (end.exit_code, end.reason.as_deref()),
        (0, Some("Completed"))
    );
    let story = [
        Some(pod.created_at),
        pod.scheduled_at,
        pod.start_time,
        pod.container_started_at(),
        end.finished_at,
    ];
    assert!(story.iter().all(Option::is_some), "{story:?}");
    assert!(story.is_sorted(), "{story:?}");
    assert!(pod.image_digest.as_deref().unwrap().starts_with("sha256:"));
}

#[tokio::test]
async fn a_lost_answer_is_told_from_a_refusal_and_nothing_is_sent_twice() {
    let it = open().await;
    let input = input("rise-riscv-runner-lost00001");
    let jit = SecretString::from("jit");
    let lost = it
        .doors
        .kubernetes()
        .faults()
        .arm("create_pod", Fault::LoseAnswer, 1);
    let error = it.cluster.create_pod(&input, &jit).await.unwrap_err();
    assert!(
        error.answer_unknown() && error.is_dependency_trouble(),
        "{error:?}"
    );
    assert_eq!(error.operation(), Operation::CreatePod);
    assert!(
        it.cluster.get_pod(&input.name).await.unwrap().is_some(),
        "it had happened"
    );
    drop(lost);

    let mut other = super::support::input("rise-riscv-runner-busy00001");
    let busy = Fault::Refuse(StatusCode::SERVICE_UNAVAILABLE, json!({}));
    let _armed = it.doors.kubernetes().faults().arm("create_pod", busy, 1);
    let error = it.cluster.create_pod(&other, &jit).await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            KubernetesErrorKind::Server { status: 503, .. }
        ),
        "{error}"
    );
    assert_eq!(
        it.cluster.get_pod(&other.name).await.unwrap(),
        None,
        "no second try"
    );

    other.name = "Not_A_Name".into();
    let error = it.cluster.create_pod(&other, &jit).await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::Invalid { .. }),
        "{error}"
    );
    assert!(!error.answer_unknown());
}

#[tokio::test]
async fn a_call_without_answer_ends_in_time() {
    let section = KubernetesSection {
        call_timeout: Span::seconds(1),
        ..section()
    };
    let it = open_with(ClusterConfig::default(), section).await;
    let _held = it
        .doors
        .kubernetes()
        .faults()
        .arm("create_pod", Fault::Hold, 1);
    let (input, jit) = (input("x"), SecretString::from("jit"));
    let error = soon(it.cluster.create_pod(&input, &jit)).await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::TimedOut),
        "{error}"
    );
    assert!(error.answer_unknown());
}

#[tokio::test]
async fn boards_are_listed_with_what_they_offer() {
    let it = open().await;
    it.doors.world().with(|world| {
        let now = world.now();
        world
            .cluster
            .set_cordoned("riscv-runner-1", true, now)
            .unwrap();
        world
            .cluster
            .set_node_ready("riscv-runner-2", false, now)
            .unwrap();
        world
            .cluster
            .set_allocatable("riscv-runner-3", 0, now)
            .unwrap();
    });
    let nodes = it.cluster.list_nodes().await.unwrap().items;
    assert_eq!(nodes.len(), 8);
    let of = |name: &str| {
        nodes
            .iter()
            .find(|node| node.name.as_str() == name)
            .unwrap()
    };
    let (cordoned, lost) = (of("riscv-runner-1"), of("riscv-runner-2"));
    assert!(cordoned.unschedulable && cordoned.ready == Readiness::Ready);
    assert_eq!(lost.ready, Readiness::Unknown);
    assert!(
        lost.ready_since.is_some() && lost.repels(),
        "{:?}",
        lost.taints
    );
    assert_eq!(of("riscv-runner-3").allocatable_slots, 0);
    let well = of("riscv-runner-4");
    assert_eq!((well.ready, well.allocatable_slots), (Readiness::Ready, 1));
    assert!(!well.repels());
    assert_eq!(well.labels["riseproject.dev/board"], "scw-em-rv1");
}

#[tokio::test]
async fn a_pod_stays_off_quarantined_boards_and_says_when_none_takes_it() {
    let it = open().await;
    let all_but = |spared: &str| {
        (1..=6)
            .map(|number| format!("riscv-runner-{number}"))
            .filter(|name| name != spared)
            .map(|name| name.as_str().into())
            .collect()
    };
    let mut one = input("rise-riscv-runner-one000001");
    one.quarantined = all_but("riscv-runner-4");
    let jit = SecretString::from("jit");
    it.cluster.create_pod(&one, &jit).await.unwrap();
    it.until(&one.name, |pod| pod.node.is_some()).await;
    let pod = it.cluster.get_pod(&one.name).await.unwrap().unwrap();
    assert_eq!(pod.node, Some("riscv-runner-4".into()));

    let mut none = input("rise-riscv-runner-none00001");
    none.quarantined = all_but("");
    it.cluster.create_pod(&none, &jit).await.unwrap();
    let world = it.doors.world();
    soon(world.until(|world| {
        world
            .cluster
            .ever_unschedulable()
            .contains(none.name.as_str())
    }))
    .await;
    let pod = it.cluster.get_pod(&none.name).await.unwrap().unwrap();
    assert!(
        pod.unschedulable
            .is_some_and(|why| why.contains("nodes are available"))
    );
    assert_eq!((pod.node, pod.scheduled_at), (None, None));
}
