//! What the API server refuses, and how it says so.

use super::*;

fn refusal(pod: Value) -> ApiError {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    let now = scene.now();
    scene
        .world
        .cluster
        .create_pod("default", pod, false, now)
        .unwrap_err()
}

fn with(pointer: &str, value: Value) -> Value {
    let mut pod = runner_pod("a", "scw-em-rv1");
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    pod.pointer_mut(parent).unwrap()[last] = value;
    pod
}

#[test]
fn what_is_not_valid_is_named_by_its_field() {
    let key = "riseproject.dev/entity_name";
    for (pod, field) in [
        (with("/metadata/name", json!("Upper")), "metadata.name"),
        (with("/metadata/name", json!("a..b")), "metadata.name"),
        (
            with("/metadata/labels", json!({key: "ends-"})),
            "metadata.labels",
        ),
        (
            with("/metadata/labels", json!({key: "x".repeat(64)})),
            "metadata.labels",
        ),
        (
            with("/metadata/labels", json!({"-bad": "x"})),
            "metadata.labels",
        ),
        (with("/spec/containers", json!([])), "spec.containers"),
        (
            with("/spec/restartPolicy", json!("Sometimes")),
            "spec.restartPolicy",
        ),
        (
            with("/spec/activeDeadlineSeconds", json!(0)),
            "spec.activeDeadlineSeconds",
        ),
        (
            with("/spec/volumes", json!([])),
            "spec.containers[0].volumeMounts[0].name",
        ),
        (
            with(
                "/spec/tolerations",
                json!([{"key": "", "operator": "Equal"}]),
            ),
            "spec.tolerations[0].operator",
        ),
    ] {
        let error = refusal(pod);
        assert_eq!(error.reason, Reason::Invalid, "{field}");
        assert_eq!(error.details["causes"][0]["field"], field);
        assert_eq!(error.status()["code"], 422);
    }
}

#[test]
fn an_extended_resource_needs_a_limit() {
    let mut pod = runner_pod("a", "scw-em-rv1");
    pod["spec"]["containers"][0]["resources"] =
        json!({"requests": {"riseproject.com/runner": "1"}});
    let error = refusal(pod);
    assert_eq!(
        error.message,
        "Pod \"a\" is invalid: spec.containers[0].resources.limits: Required value: Limit must be set for non \
         overcommitable resources"
    );
    let mut pod = runner_pod("a", "scw-em-rv1");
    pod["spec"]["containers"][0]["resources"] =
        json!({"limits": {"riseproject.com/runner": "500m"}});
    assert_eq!(refusal(pod).reason, Reason::Invalid);
}

#[test]
fn what_is_no_pod_is_a_bad_request() {
    for wrong in [
        json!([]),
        json!({"metadata": 3, "spec": {}}),
        json!({"metadata": {"name": "a"}, "spec": {"containers": ["x"]}}),
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"resources": "x"}]}}),
        json!({"metadata": {"name": "a", "labels": {"x": 1}}, "spec": {}}),
        json!({"kind": "Node", "metadata": {"name": "a"}, "spec": {}}),
        json!({"metadata": {"name": "a", "namespace": "other"}, "spec": {}}),
    ] {
        assert_eq!(refusal(wrong.clone()).reason, Reason::BadRequest, "{wrong}");
    }
}

#[test]
fn a_taken_name_is_a_conflict() {
    let mut scene = Scene::new(&[]);
    scene.create(runner_pod("a", "scw-em-rv1"));
    let now = scene.now();
    let error = scene
        .world
        .cluster
        .create_pod("default", runner_pod("a", "scw-em-rv1"), false, now)
        .unwrap_err();
    assert_eq!(
        (error.reason, error.reason.code()),
        (Reason::AlreadyExists, 409)
    );
    assert_eq!(error.message, "pods \"a\" already exists");
    let error = scene
        .world
        .cluster
        .create_pod("nowhere", runner_pod("a", "scw-em-rv1"), false, now)
        .unwrap_err();
    assert_eq!(error.message, "namespaces \"nowhere\" not found");
}

#[test]
fn defaults_are_filled_in() {
    let mut scene = Scene::new(&[]);
    scene.create(runner_pod("a", "scw-em-rv1"));
    let pod = scene.document("a");
    assert_eq!(
        pod["status"],
        json!({"phase": "Pending", "qosClass": "BestEffort"})
    );
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 30);
    assert_eq!(pod["spec"]["tolerations"].as_array().unwrap().len(), 2);
    assert_eq!(pod["spec"]["tolerations"][0]["tolerationSeconds"], 300);
    assert_eq!(
        pod["spec"]["containers"][0]["resources"]["requests"]["riseproject.com/runner"],
        "1"
    );
    scene.create(tolerant(runner_pod("b", "scw-em-rv1")));
    assert_eq!(
        scene.document("b")["spec"]["tolerations"],
        tolerant(runner_pod("b", "x"))["spec"]["tolerations"]
    );
}

#[test]
fn an_update_changes_only_what_may_change() {
    let mut scene = Scene::new(&[]);
    scene.create(runner_pod("a", "scw-em-rv1"));
    let now = scene.now();
    let mut patch = |patch: Value| {
        scene
            .world
            .cluster
            .patch(Kind::Pod, "default", "a", PatchType::Merge, &patch, now)
    };
    let labelled =
        patch(json!({"metadata": {"labels": {"x": "y"}}, "status": {"phase": "Running"}})).unwrap();
    assert_eq!(
        (
            &labelled["metadata"]["labels"]["x"],
            &labelled["status"]["phase"]
        ),
        (&json!("y"), &json!("Pending"))
    );
    for (wrong, reason) in [
        (
            json!({"spec": {"nodeSelector": {"a": "b"}}}),
            Reason::Invalid,
        ),
        (json!({"spec": {"tolerations": []}}), Reason::Invalid),
        (json!({"metadata": {"labels": {"x": "-"}}}), Reason::Invalid),
        (
            json!({"metadata": {"resourceVersion": "1"}}),
            Reason::Conflict,
        ),
        (json!({"metadata": {"uid": "other"}}), Reason::Conflict),
        (json!({"spec": {"containers": "x"}}), Reason::BadRequest),
        (json!([]), Reason::BadRequest),
    ] {
        assert_eq!(patch(wrong.clone()).unwrap_err().reason, reason, "{wrong}");
    }
}

#[test]
fn pages_are_of_one_moment() {
    let mut scene = Scene::new(&[]);
    for name in ["a", "b", "c", "d"] {
        scene.create(runner_pod(name, "scw-em-rv1"));
    }
    let all = Selection::in_namespace("default");
    let first = scene
        .world
        .cluster
        .list_page(Kind::Pod, &all, 2, None)
        .unwrap();
    assert_eq!((first.items.len(), first.remaining), (2, 2));
    scene.delete("d", &DeleteOptions::default());
    scene.create(runner_pod("e", "scw-em-rv1"));
    let second = scene
        .world
        .cluster
        .list_page(Kind::Pod, &all, 2, first.next.as_deref())
        .unwrap();
    let names: Vec<_> = second
        .items
        .iter()
        .map(|pod| pod["metadata"]["name"].clone())
        .collect();
    assert_eq!(
        (names, second.next, second.version),
        (vec![json!("c"), json!("d")], None, first.version)
    );
    scene.world.cluster.compact();
    let error = scene
        .world
        .cluster
        .list_page(Kind::Pod, &all, 2, first.next.as_deref())
        .unwrap_err();
    assert_eq!((error.reason, error.reason.code()), (Reason::Expired, 410));
}
