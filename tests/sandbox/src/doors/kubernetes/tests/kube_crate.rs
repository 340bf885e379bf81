//! The door through the client library that the product uses.

use std::pin::pin;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{
    DeleteParams, ListParams, LogParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{reflector, watcher};
use kube::{Api, Client, Config};

use super::*;

async fn client(open: &Open) -> Client {
    let read = Kubeconfig::from_yaml(&kubeconfig(&open.url, TOKEN)).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

fn typed(name: &str) -> Pod {
    serde_json::from_value(pod(name)).unwrap()
}

#[tokio::test]
async fn pods_can_be_made_listed_patched_read_and_deleted() {
    let open = Open::new().await;
    let client = client(&open).await;
    assert_eq!(client.apiserver_version().await.unwrap().minor, "35");
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let made = pods
        .create(&PostParams::default(), &typed("a"))
        .await
        .unwrap();
    let error = pods
        .create(&PostParams::default(), &typed("a"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists")
    );
    open.until_phase("a", Some(Phase::Succeeded)).await;
    let listed = pods
        .list(&ListParams::default().labels("app=rise-riscv-runner"))
        .await
        .unwrap();
    assert_eq!(listed.items.len(), 1);
    let log = pods
        .logs(
            "a",
            &LogParams {
                tail_lines: Some(3),
                ..LogParams::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(log.lines().count(), 3);
    let patch = json!({"metadata": {"annotations": {"riseproject.dev/worker": "{}"}}});
    pods.patch("a", &PatchParams::default(), &Patch::Strategic(patch))
        .await
        .unwrap();
    let stale = DeleteParams {
        preconditions: Some(Preconditions {
            resource_version: made.metadata.resource_version,
            uid: None,
        }),
        ..DeleteParams::default()
    };
    let error = pods.delete("a", &stale).await.unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.code == 409));
    pods.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(pods.get_opt("a").await.unwrap().is_none());
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let of_pod = events
        .list(&ListParams::default().fields("involvedObject.name=a"))
        .await
        .unwrap();
    assert!(
        of_pod
            .items
            .iter()
            .any(|event| event.reason.as_deref() == Some("Started"))
    );
    let nodes: Api<Node> = Api::all(client);
    let nodes = nodes.list(&ListParams::default()).await.unwrap();
    let slots = nodes.items.iter().map(|node| {
        let allocatable = node.status.as_ref().unwrap().allocatable.as_ref().unwrap();
        allocatable["riseproject.com/runner"].0.clone()
    });
    assert_eq!(slots.collect::<Vec<_>>(), ["1", "1", "1"]);
}

#[tokio::test]
async fn a_reflector_follows_the_cluster_through_cuts_and_expiry() {
    let open = Open::new().await;
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let pods: Api<Pod> = Api::default_namespaced(client(&open).await);
        let (reader, writer) = reflector::store();
        let mut stream = pin!(reflector(writer, watcher(pods, config)));
        let running = |name: &str| {
            reader.state().iter().any(|pod| {
                pod.metadata.name.as_deref() == Some(name)
                    && pod
                        .status
                        .as_ref()
                        .and_then(|status| status.phase.as_deref())
                        == Some("Running")
            })
        };
        for name in ["first", "second"] {
            open.world
                .with(|world| world.cluster.next_pod_behaves(Behaviour::NeverRegisters));
            open.create(&pod(name)).await;
            while !running(name) {
                // An expired version is an error that the watcher itself mends with its next list.
                drop(soon(stream.next()).await.unwrap());
            }
            open.world.with(|world| {
                world.cluster.cut_watches();
                world.cluster.compact();
            });
        }
        for name in ["first", "second"] {
            answer(open.request(
                reqwest::Method::DELETE,
                &format!("{PODS}/{name}?gracePeriodSeconds=0"),
            ))
            .await;
        }
        while !reader.state().is_empty() {
            drop(soon(stream.next()).await.unwrap());
        }
    }
}

#[tokio::test]
async fn logs_can_be_streamed() {
    let open = Open::new().await;
    let pods: Api<Pod> = Api::default_namespaced(client(&open).await);
    open.create(&pod("a")).await;
    open.until_phase("a", Some(Phase::Running)).await;
    let params = LogParams {
        follow: true,
        ..LogParams::default()
    };
    let lines = futures::AsyncBufReadExt::lines(pods.log_stream("a", &params).await.unwrap());
    let lines: Vec<String> = soon(lines.try_collect()).await.unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("registration has been deleted"))
    );
}
