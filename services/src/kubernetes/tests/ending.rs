//! Pods deleted and killed.

use rise_model::cluster::{Phase, Pod};
use rise_model::{PodName, ResourceVersion};

use super::support::{Pretend, open};
use crate::kubernetes::{Grace, PodDeletion, PodKill, PodSeen};

async fn get(it: &Pretend, name: &PodName) -> Pod {
    it.cluster.get_pod(name).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_pod_is_deleted_only_as_it_was_seen() {
    let it = open().await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    let seen = get(&it, &name).await;
    it.until_logged(&name, "Listening for Jobs").await;
    let as_seen = PodSeen {
        uid: Some(seen.uid.clone()),
        resource_version: Some(seen.resource_version.clone()),
    };
    let deletion = it
        .cluster
        .delete_pod(&name, &as_seen, Grace::Own)
        .await
        .unwrap();
    assert_eq!(deletion, PodDeletion::Changed, "it has started since");
    let other = PodSeen {
        uid: Some("another".into()),
        ..PodSeen::default()
    };
    let deletion = it
        .cluster
        .delete_pod(&name, &other, Grace::None)
        .await
        .unwrap();
    assert_eq!(deletion, PodDeletion::Changed);
    assert_eq!(get(&it, &name).await.deletion_at, None, "untouched");

    let now = PodSeen {
        resource_version: Some(get(&it, &name).await.resource_version),
        ..as_seen
    };
    let deletion = it
        .cluster
        .delete_pod(&name, &now, Grace::None)
        .await
        .unwrap();
    assert_eq!(deletion, PodDeletion::Deleted);
    for seen in [PodSeen::default(), now] {
        let deletion = it
            .cluster
            .delete_pod(&name, &seen, Grace::Own)
            .await
            .unwrap();
        assert_eq!(deletion, PodDeletion::Absent);
    }
}

#[tokio::test]
async fn a_pod_on_a_dead_board_goes_only_without_grace() {
    let it = open().await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    it.until_logged(&name, "Listening for Jobs").await;
    let node = get(&it, &name).await.node.unwrap();
    it.doors.world().with(|world| {
        let now = world.now();
        world
            .cluster
            .set_node_ready(node.as_str(), false, now)
            .unwrap();
    });
    let any = PodSeen::default();
    let deletion = it
        .cluster
        .delete_pod(&name, &any, Grace::Own)
        .await
        .unwrap();
    assert_eq!(deletion, PodDeletion::Deleted);
    let lingering = get(&it, &name).await;
    assert!(lingering.deletion_at.is_some() && lingering.phase == Phase::Running);
    it.cluster
        .delete_pod(&name, &any, Grace::None)
        .await
        .unwrap();
    assert_eq!(it.cluster.get_pod(&name).await.unwrap(), None);
}

#[tokio::test]
async fn a_killed_pod_fails_and_keeps_its_log() {
    let it = open().await;
    let name = it.make("rise-riscv-runner-abc123xyz").await;
    it.until_logged(&name, "Listening for Jobs").await;
    let PodKill::Ordered(pod) = it.cluster.kill_pod(&name).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!(pod.active_deadline_seconds, Some(1));
    assert_ne!(pod.resource_version, ResourceVersion::new(""));
    it.until(&name, |pod| pod.is_terminal()).await;
    let ended = get(&it, &name).await;
    assert_eq!(ended.phase, Phase::Failed);
    assert_eq!(ended.reason.as_deref(), Some("DeadlineExceeded"));
    let log = it.cluster.read_log_marks(&name).await.unwrap();
    assert!(log.listening_at.is_some());
    it.cluster.kill_pod(&name).await.unwrap();
    assert_eq!(
        it.cluster.kill_pod(&"nobody".into()).await.unwrap(),
        PodKill::Absent
    );
}
