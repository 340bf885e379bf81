//! The door as plain HTTP.

use reqwest::Method;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_util::io::StreamReader;

use super::*;
use crate::doors::faults::Fault;

/// The lines of an answer that goes on.
struct Lines(tokio::io::Lines<BufReader<Box<dyn tokio::io::AsyncRead + Send + Unpin>>>);

impl Lines {
    async fn of(open: &Open, path: &str) -> Self {
        let response = soon(open.request(Method::GET, path).send()).await.unwrap();
        assert_eq!(response.status(), 200);
        let stream = futures::StreamExt::map(response.bytes_stream(), |chunk| {
            chunk.map_err(std::io::Error::other)
        });
        let reader: Box<dyn tokio::io::AsyncRead + Send + Unpin> =
            Box::new(StreamReader::new(stream));
        Self(BufReader::new(reader).lines())
    }

    async fn next(&mut self) -> Option<String> {
        soon(self.0.next_line()).await.unwrap()
    }

    /// The type and the name of the next event, and its object.
    async fn event(&mut self) -> (String, String, Value) {
        let event: Value = serde_json::from_str(&self.next().await.unwrap()).unwrap();
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            word(&event["type"]),
            word(&event["object"]["metadata"]["name"]),
            event["object"].clone(),
        )
    }

    /// Passes over events until one is of this type and name.
    async fn until(&mut self, what: &str, name: &str) -> Value {
        loop {
            let (kind, of, object) = self.event().await;
            if (kind.as_str(), of.as_str()) == (what, name) {
                return object;
            }
        }
    }
}

#[tokio::test]
async fn who_has_no_token_is_refused() {
    let open = Open::new().await;
    let url = format!("{}{PODS}", open.url);
    for request in [
        open.http.get(&url),
        open.http.get(&url).bearer_auth("another"),
    ] {
        let (status, body) = answer(request).await;
        assert_eq!((status, &body["reason"]), (401, &json!("Unauthorized")));
    }
    let (status, _) = answer(
        open.http
            .get(format!("{}/token/{TOKEN}{PODS}?limit=1", open.url)),
    )
    .await;
    assert_eq!(status, 200);
    let (status, _) = answer(open.http.get(format!("{}/token/{TOKEN}x{PODS}", open.url))).await;
    assert_eq!(status, 401);
    let (status, version) = answer(open.http.get(format!("{}/version", open.url))).await;
    assert_eq!((status, &version["gitVersion"]), (200, &json!("v1.35.0")));
}

#[tokio::test]
async fn a_pod_is_made_found_patched_and_deleted() {
    let open = Open::new().await;
    open.lasting("a").await;
    let (status, error) = open.create(&pod("a")).await;
    assert_eq!(
        (status, &error["reason"], &error["details"]["kind"]),
        (409, &json!("AlreadyExists"), &json!("pods"))
    );
    let (_, list) = open
        .get(&format!(
            "{PODS}?labelSelector=app%3Drise-riscv-runner&fieldSelector=status.phase%3DRunning"
        ))
        .await;
    assert_eq!(
        (&list["kind"], list["items"].as_array().unwrap().len()),
        (&json!("PodList"), 1)
    );
    let (_, other) = open.get("/api/v1/namespaces/kube-system/pods").await;
    assert_eq!(other["items"], json!([]));
    let (status, _) = open
        .get(&format!("{PODS}?fieldSelector=spec.colour%3Dred"))
        .await;
    assert_eq!(status, 400);
    let one = format!("{PODS}/a");
    let (status, patched) = open
        .patch(
            &one,
            STRATEGIC,
            &json!({"spec": {"activeDeadlineSeconds": 100}}),
        )
        .await;
    assert_eq!(
        (status, &patched["spec"]["activeDeadlineSeconds"]),
        (200, &json!(100))
    );
    assert_eq!(
        open.patch(
            &one,
            STRATEGIC,
            &json!({"spec": {"activeDeadlineSeconds": 200}})
        )
        .await
        .0,
        422
    );
    assert_eq!(
        open.patch(&one, "application/json", &json!({})).await.0,
        415
    );
    let stale = json!({"metadata": {"resourceVersion": "1", "labels": {"x": "y"}}});
    assert_eq!(
        open.patch(&one, "application/merge-patch+json", &stale)
            .await
            .0,
        409
    );
    let options = json!({"preconditions": {"uid": "another"}});
    assert_eq!(
        answer(open.request(Method::DELETE, &one).json(&options))
            .await
            .0,
        409
    );
    let (status, deleted) =
        answer(open.request(Method::DELETE, &format!("{one}?gracePeriodSeconds=7"))).await;
    assert_eq!(
        (status, &deleted["metadata"]["deletionGracePeriodSeconds"]),
        (200, &json!(7))
    );
    open.until_phase("a", None).await;
    let (status, error) = open.get(&one).await;
    assert_eq!(
        (status, &error["message"]),
        (404, &json!("pods \"a\" not found"))
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_request() {
    let open = Open::new().await;
    let body = |text: &'static str| {
        open.request(Method::POST, PODS)
            .header("content-type", "application/json")
            .body(text)
    };
    let (status, error) = answer(body("{\"kind\": \"Pod\", ")).await;
    assert_eq!((status, &error["reason"]), (400, &json!("BadRequest")));
    assert_eq!(answer(body("[]")).await.0, 400);
    let yaml = open
        .request(Method::POST, PODS)
        .header("content-type", "application/yaml")
        .body("kind: Pod");
    assert_eq!(answer(yaml).await.0, 415);
    let mut wrong = pod("a");
    wrong["metadata"]["labels"] = json!({"riseproject.dev/entity_name": "ends-"});
    let (status, error) = open.create(&wrong).await;
    assert_eq!(
        (status, &error["details"]["causes"][0]["field"]),
        (422, &json!("metadata.labels"))
    );
    assert_eq!(open.get("/apis/apps/v1/deployments").await.0, 404);
    assert_eq!(answer(open.request(Method::PUT, PODS)).await.0, 405);
    let protobuf = open
        .request(Method::GET, PODS)
        .header("accept", "application/vnd.kubernetes.protobuf");
    assert_eq!(answer(protobuf).await.0, 406);
    let dry = answer(
        open.request(Method::POST, &format!("{PODS}?dryRun=All"))
            .json(&pod("b")),
    )
    .await;
    assert_eq!((dry.0, open.get(&format!("{PODS}/b")).await.0), (201, 404));
}

#[tokio::test]
async fn a_watch_tells_a_pods_whole_life() {
    let open = Open::new().await;
    let (_, list) = open.get(PODS).await;
    let version = list["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = Lines::of(
        &open,
        &format!("{PODS}?watch=true&resourceVersion={version}"),
    )
    .await;
    open.create(&pod("a")).await;
    assert_eq!(watch.event().await.0, "ADDED");
    let mut phases = vec!["Pending".to_owned()];
    while phases.last().unwrap() != "Succeeded" {
        let pod = watch.until("MODIFIED", "a").await;
        phases.push(pod["status"]["phase"].as_str().unwrap().to_owned());
    }
    phases.dedup();
    assert_eq!(phases, ["Pending", "Running", "Succeeded"]);
    answer(open.request(Method::DELETE, &format!("{PODS}/a"))).await;
    watch.until("DELETED", "a").await;
}

#[tokio::test]
async fn a_watch_with_a_selector_sees_pods_come_and_go() {
    let open = Open::new().await;
    let selector = "fieldSelector=status.phase%3DRunning";
    let mut watch = Lines::of(&open, &format!("{PODS}?watch=true&{selector}")).await;
    open.create(&pod("a")).await;
    let (what, _, pod) = watch.event().await;
    assert_eq!(
        (what.as_str(), &pod["status"]["phase"]),
        ("ADDED", &json!("Running"))
    );
    let last = watch.until("DELETED", "a").await;
    assert_eq!(last["status"]["phase"], "Running");
}

#[tokio::test]
async fn a_watch_can_stand_for_a_list() {
    let open = Open::new().await;
    open.lasting("a").await;
    let path = format!(
        "{PODS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1"
    );
    let mut watch = Lines::of(&open, &path).await;
    assert_eq!(watch.event().await.0, "ADDED");
    let (what, _, bookmark) = watch.event().await;
    assert_eq!(
        (
            what.as_str(),
            &bookmark["metadata"]["annotations"]["k8s.io/initial-events-end"]
        ),
        ("BOOKMARK", &json!("true"))
    );
    // The time-out ends it, after one last bookmark.
    assert_eq!(watch.event().await.0, "BOOKMARK");
    assert_eq!(watch.next().await, None);
    assert_eq!(
        open.get(&format!("{PODS}?watch=1&sendInitialEvents=true"))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn an_old_version_has_expired() {
    let open = Open::new().await;
    open.create(&pod("a")).await;
    open.world.with(|world| world.cluster.compact());
    let mut watch = Lines::of(&open, &format!("{PODS}?watch=true&resourceVersion=1001")).await;
    let (what, _, status) = watch.event().await;
    assert_eq!(
        (what.as_str(), &status["code"], &status["reason"]),
        ("ERROR", &json!(410), &json!("Expired"))
    );
    assert_eq!(watch.next().await, None);
    let (status, error) = open
        .get(&format!("{PODS}?limit=1&continue=1001/default/a"))
        .await;
    assert_eq!((status, &error["reason"]), (410, &json!("Expired")));
}

#[tokio::test]
async fn watches_can_fall_silent_and_be_cut() {
    let open = Open::new().await;
    let mut watch = Lines::of(&open, "/api/v1/nodes?watch=true").await;
    for _ in 0..3 {
        assert_eq!(watch.event().await.0, "ADDED");
    }
    let cordon = |cordoned: bool| {
        open.world.with(|world| {
            let now = world.now();
            world
                .cluster
                .set_cordoned("riscv-runner-1", cordoned, now)
                .unwrap();
        });
    };
    open.world
        .with(|world| world.cluster.set_watches_silent(true));
    cordon(true);
    tokio::time::timeout(Duration::from_millis(200), watch.0.next_line())
        .await
        .unwrap_err();
    open.world
        .with(|world| world.cluster.set_watches_silent(false));
    let node = watch.until("MODIFIED", "riscv-runner-1").await;
    assert_eq!(node["spec"]["unschedulable"], true);
    open.world.with(|world| world.cluster.cut_watches());
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let open = Open::new().await;
    for name in ["a", "b", "c"] {
        open.create(&pod(name)).await;
    }
    let (_, first) = open.get(&format!("{PODS}?limit=2")).await;
    assert_eq!(
        (
            first["items"].as_array().unwrap().len(),
            &first["metadata"]["remainingItemCount"]
        ),
        (2, &json!(1))
    );
    let next = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = open.get(&format!("{PODS}?limit=2&continue={next}")).await;
    assert_eq!(second["items"][0]["metadata"]["name"], "c");
    assert_eq!(
        second["metadata"]["resourceVersion"],
        first["metadata"]["resourceVersion"]
    );
    assert_eq!(open.get(&format!("{PODS}?limit=x")).await.0, 400);
}

#[tokio::test]
async fn a_collection_can_be_deleted() {
    let open = Open::new().await;
    open.lasting("a").await;
    open.create(&pod("b")).await;
    let (status, list) =
        answer(open.request(Method::DELETE, &format!("{PODS}?labelSelector=app"))).await;
    assert_eq!((status, list["items"].as_array().unwrap().len()), (200, 2));
    for name in ["a", "b"] {
        open.until_phase(name, None).await;
    }
}

#[tokio::test]
async fn logs_are_read_and_followed() {
    let open = Open::new().await;
    let log = format!("{PODS}/a/log");
    assert_eq!(open.get(&log).await.0, 404);
    open.create(&pod("a")).await;
    open.until_phase("a", Some(Phase::Running)).await;
    let mut follow = Lines::of(&open, &format!("{log}?follow=true&timestamps=true")).await;
    let mut lines = Vec::new();
    while let Some(line) = follow.next().await {
        lines.push(line);
    }
    assert!(
        lines
            .iter()
            .any(|line| line.contains("registration has been deleted")),
        "{lines:?}"
    );
    assert!(lines[0].split(' ').next().unwrap().ends_with('Z'));
    // The end of the log is the end of the container.
    open.until_phase("a", Some(Phase::Succeeded)).await;
    let (status, whole) = open.get(&log).await;
    assert_eq!(
        (status, whole.as_str().unwrap().lines().count()),
        (200, lines.len())
    );
    let (_, tail) = open.get(&format!("{log}?tailLines=1")).await;
    assert_eq!(tail.as_str().unwrap().lines().count(), 1);
    let (_, short) = open.get(&format!("{log}?limitBytes=10")).await;
    assert_eq!(short.as_str().unwrap().len(), 10);
    let (_, recent) = open.get(&format!("{log}?sinceSeconds=3600")).await;
    assert_eq!(recent, whole);
    assert_eq!(open.get(&format!("{log}?container=other")).await.0, 400);
    assert_eq!(open.get(&format!("{log}?tailLines=x")).await.0, 400);
    let mut elsewhere = pod("unbound");
    elsewhere["spec"]["nodeSelector"] = json!({"riseproject.dev/board": "none"});
    open.create(&elsewhere).await;
    assert_eq!(
        open.get(&format!("{PODS}/unbound/log")).await,
        (200, json!(""))
    );
}

#[tokio::test]
async fn the_log_of_a_dead_board_is_an_error() {
    let open = Open::new().await;
    open.lasting("a").await;
    open.world.with(|world| {
        let (now, board) = (world.now(), world.cluster.pod("a").unwrap().node.unwrap());
        world.cluster.set_node_ready(&board, false, now).unwrap();
    });
    let (status, error) = open.get(&format!("{PODS}/a/log")).await;
    assert_eq!((status, &error["reason"]), (500, &Value::Null));
}

#[tokio::test]
async fn faults_meet_operations_by_name() {
    let open = Open::new().await;
    let _refused = open.faults.arm(
        "create_pod",
        Fault::Refuse(http::StatusCode::FORBIDDEN, json!({"reason": "Forbidden"})),
        1,
    );
    assert_eq!(open.create(&pod("a")).await.0, 403);
    let mut lost = open.faults.arm("create_pod", Fault::LoseAnswer, 1);
    assert!(
        open.request(Method::POST, PODS)
            .json(&pod("a"))
            .send()
            .await
            .is_err()
    );
    lost.met(1).await;
    assert_eq!(open.get(&format!("{PODS}/a")).await.0, 200);
    let mut held = open.faults.arm("list_nodes", Fault::HoldAnswer, 1);
    let list = open.get("/api/v1/nodes");
    let release = async {
        held.met(1).await;
        held.release();
    };
    assert_eq!(tokio::join!(list, release).0.0, 200);
}

#[tokio::test]
async fn rights_can_be_missing() {
    let open = Open::new().await;
    open.world
        .with(|world| world.cluster.set_forbidden("watch", "nodes", true));
    let (status, error) = open.get("/api/v1/nodes?watch=true").await;
    assert_eq!((status, &error["reason"]), (403, &json!("Forbidden")));
    assert_eq!(open.get("/api/v1/nodes").await.0, 200);
    let review = |verb: &str, resource: &str, part: &str| {
        let attributes = json!({"verb": verb, "resource": resource, "subresource": part});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        answer(
            open.request(Method::POST, path)
                .json(&json!({"spec": {"resourceAttributes": attributes}})),
        )
    };
    assert_eq!(
        review("watch", "nodes", "").await.1["status"]["allowed"],
        false
    );
    assert_eq!(
        review("get", "pods", "log").await.1["status"]["allowed"],
        true
    );
}
