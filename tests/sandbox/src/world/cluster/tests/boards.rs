//! Boards that die, come back, are cordoned, do not let go.

use super::*;

/// A pod that runs until it is ended.
fn lasting(scene: &mut Scene, name: &str, pod: Value) {
    scene
        .world
        .cluster
        .next_pod_behaves(Behaviour::NeverRegisters);
    scene.create(pod);
    scene.pass(3.0);
    assert_eq!(scene.phase(name), Some(Phase::Running));
}

fn ready(scene: &Scene, node: &str) -> String {
    let node = scene.node(node);
    let conditions = node["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|c| c["type"] == "Ready").unwrap();
    found["status"].as_str().unwrap().to_owned()
}

#[test]
fn the_default_world_has_eight_ready_boards() {
    let scene = Scene::with(ClusterConfig::default(), 1);
    let count = |pool: &str| {
        let selector = format!("riseproject.dev/board={pool},kubernetes.io/arch=riscv64");
        let selection = Selection::parse(Kind::Node, None, &selector, "").unwrap();
        let nodes = scene.world.cluster.list(Kind::Node, &selection);
        assert!(
            nodes
                .iter()
                .all(|node| node["status"]["allocatable"]["riseproject.com/runner"] == "1")
        );
        nodes.len()
    };
    assert_eq!((count("scw-em-rv1"), count("cloudv10x-jupiter")), (6, 2));
}

#[test]
fn a_dead_board_keeps_its_pods_running_on_paper() {
    let mut scene = Scene::new(&[("scw-em-rv1", 2)]);
    lasting(&mut scene, "a", tolerant(runner_pod("a", "scw-em-rv1")));
    let board = scene.node_of("a").unwrap();
    let now = scene.now();
    scene
        .world
        .cluster
        .lose_board(&board, BoardLoss::PoweredOff, now)
        .unwrap();
    scene.pass(40.0);
    assert_eq!(ready(&scene, &board), "True");
    scene.pass(6.0);
    assert_eq!(ready(&scene, &board), "Unknown");
    assert_eq!(scene.phase("a"), Some(Phase::Running));
    assert_eq!(scene.has("a", "Ready").as_deref(), Some("False"));
    let log = scene
        .world
        .cluster
        .pod_log("default", "a", None, 0)
        .unwrap_err();
    assert_eq!((log.reason, log.reason.code()), (Reason::None, 500));
    // Without seconds in its tolerations it is never evicted; deleted it stays, until grace 0.
    scene.pass(3600.0);
    assert!(!scene.world.cluster.pod("a").unwrap().deleting);
    scene.delete("a", &DeleteOptions::default());
    scene.set_deadline("a", &json!(1)).unwrap();
    scene.pass(600.0);
    assert_eq!(scene.phase("a"), Some(Phase::Running));
    scene.delete("a", &DeleteOptions::with_grace(0));
    assert_eq!(scene.phase("a"), None);
    let now = scene.now();
    scene.world.cluster.restore_board(&board, now).unwrap();
    assert_eq!(ready(&scene, &board), "True");
    assert!(scene.node(&board)["spec"]["taints"].is_null());
}

#[test]
fn default_tolerations_end_after_five_minutes() {
    let mut scene = Scene::new(&[("scw-em-rv1", 2)]);
    lasting(&mut scene, "a", runner_pod("a", "scw-em-rv1"));
    let board = scene.node_of("a").unwrap();
    let now = scene.now();
    scene
        .world
        .cluster
        .set_node_ready(&board, false, now)
        .unwrap();
    scene.pass(299.0);
    assert!(!scene.world.cluster.pod("a").unwrap().deleting);
    scene.pass(2.0);
    assert!(scene.world.cluster.pod("a").unwrap().deleting);
    assert_eq!(scene.has("a", "DisruptionTarget").as_deref(), Some("True"));
    assert_eq!(scene.phase("a"), Some(Phase::Running));
    let now = scene.now();
    scene.world.cluster.restore_board(&board, now).unwrap();
    assert_eq!(scene.phase("a"), None);
}

#[test]
fn nothing_is_evicted_while_every_board_is_away() {
    let mut scene = Scene::new(&[("scw-em-rv1", 2)]);
    lasting(&mut scene, "a", runner_pod("a", "scw-em-rv1"));
    let now = scene.now();
    for board in ["riscv-runner-1", "riscv-runner-2"] {
        scene
            .world
            .cluster
            .lose_board(board, BoardLoss::Unreachable, now)
            .unwrap();
    }
    scene.pass(1000.0);
    assert!(!scene.world.cluster.pod("a").unwrap().deleting);
    let (now, board) = (scene.now(), scene.node_of("a").unwrap());
    scene.world.cluster.restore_board(&board, now).unwrap();
    scene.pass(1000.0);
    assert_eq!(scene.phase("a"), Some(Phase::Running));
    assert_eq!(scene.has("a", "Ready").as_deref(), Some("True"));
}

#[test]
fn a_board_that_was_off_fails_its_pods_when_it_is_back() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    lasting(&mut scene, "a", tolerant(runner_pod("a", "scw-em-rv1")));
    scene.create(tolerant(runner_pod("b", "scw-em-rv1")));
    let now = scene.now();
    scene
        .world
        .cluster
        .lose_board("riscv-runner-1", BoardLoss::PoweredOff, now)
        .unwrap();
    scene.pass(100.0);
    let now = scene.now();
    scene
        .world
        .cluster
        .restore_board("riscv-runner-1", now)
        .unwrap();
    let state =
        scene.document("a")["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    assert_eq!(
        (scene.phase("a"), state["exitCode"].as_i64()),
        (Some(Phase::Failed), Some(255))
    );
    scene.pass(3.0);
    assert_eq!(scene.node_of("b").as_deref(), Some("riscv-runner-1"));
}

#[test]
fn a_cordoned_node_keeps_what_it_has_and_takes_nothing() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    lasting(&mut scene, "a", runner_pod("a", "scw-em-rv1"));
    let patch = json!({"spec": {"unschedulable": true}});
    let now = scene.now();
    scene
        .world
        .cluster
        .patch(
            Kind::Node,
            "",
            "riscv-runner-1",
            PatchType::Strategic,
            &patch,
            now,
        )
        .unwrap();
    assert_eq!(
        scene.node("riscv-runner-1")["spec"]["taints"][0]["key"],
        "node.kubernetes.io/unschedulable"
    );
    scene.delete("a", &DeleteOptions::default());
    scene.create(runner_pod("b", "scw-em-rv1"));
    scene.pass(10.0);
    assert_eq!((scene.phase("a"), scene.node_of("b")), (None, None));
    let patch = json!({"spec": {"unschedulable": null}});
    let now = scene.now();
    scene
        .world
        .cluster
        .patch(
            Kind::Node,
            "",
            "riscv-runner-1",
            PatchType::Strategic,
            &patch,
            now,
        )
        .unwrap();
    assert!(scene.node("riscv-runner-1")["spec"]["taints"].is_null());
    scene.pass(1.0);
    assert!(scene.node_of("b").is_some());
}

#[test]
fn affinity_keeps_a_pod_off_a_board() {
    let mut scene = Scene::new(&[("scw-em-rv1", 3)]);
    for index in 0..3 {
        let mut pod = runner_pod(&format!("p{index}"), "scw-em-rv1");
        pod["spec"]["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [
                {"key": "metadata.name", "operator": "NotIn", "values": ["riscv-runner-2"]}]}]}}});
        scene
            .world
            .cluster
            .next_pod_behaves(Behaviour::NeverRegisters);
        scene.create(pod);
    }
    scene.pass(5.0);
    assert_eq!(scene.world.cluster.most_slots_used("riscv-runner-2"), 0);
    assert_eq!(scene.world.cluster.ever_unschedulable().len(), 1);
}

#[test]
fn a_kill_that_does_not_take_leaves_the_pod_running() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    lasting(&mut scene, "a", runner_pod("a", "scw-em-rv1"));
    let now = scene.now();
    scene
        .world
        .cluster
        .set_kill_stuck("riscv-runner-1", true, now)
        .unwrap();
    scene.set_deadline("a", &json!(1)).unwrap();
    scene.pass(60.0);
    assert_eq!(scene.phase("a"), Some(Phase::Running));
    scene.delete("a", &DeleteOptions::default());
    scene.pass(120.0);
    assert!(scene.world.cluster.pod("a").unwrap().deleting);
    // The object can be forced away; the board then has no slot although the scheduler thinks so.
    scene.delete("a", &DeleteOptions::with_grace(0));
    scene.create(runner_pod("b", "scw-em-rv1"));
    scene.pass(5.0);
    assert_eq!(
        scene.document("b")["status"]["reason"],
        "UnexpectedAdmissionError"
    );
    let now = scene.now();
    scene
        .world
        .cluster
        .set_kill_stuck("riscv-runner-1", false, now)
        .unwrap();
    scene.pass(1.0);
    lasting(&mut scene, "c", runner_pod("c", "scw-em-rv1"));
    assert_eq!(scene.world.cluster.over_capacity(), 0);
}

#[test]
fn a_slow_board_takes_a_hundred_times_as_long() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.world.cluster.set_slow("riscv-runner-1", 100).unwrap();
    scene.create(runner_pod("a", "scw-em-rv1"));
    scene.pass(60.0);
    assert_eq!(scene.phase("a"), Some(Phase::Pending));
    scene.pass(140.0);
    assert_eq!(scene.phase("a"), Some(Phase::Running));
}

#[test]
fn a_device_plugin_roll_out_hides_the_slots() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    let now = scene.now();
    scene
        .world
        .cluster
        .set_allocatable("riscv-runner-1", 0, now)
        .unwrap();
    scene.create(runner_pod("a", "scw-em-rv1"));
    scene.pass(5.0);
    assert_eq!(scene.node_of("a"), None);
    let now = scene.now();
    scene
        .world
        .cluster
        .set_allocatable("riscv-runner-1", 1, now)
        .unwrap();
    scene.pass(1.0);
    assert!(scene.node_of("a").is_some());
}

#[test]
fn a_pod_placed_past_the_scheduler_is_refused_by_a_full_board() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    lasting(&mut scene, "a", runner_pod("a", "scw-em-rv1"));
    let mut pod = runner_pod("b", "scw-em-rv1");
    pod["spec"]["nodeName"] = json!("riscv-runner-1");
    scene.create(pod);
    scene.pass(1.0);
    assert_eq!(
        scene.document("b")["status"]["reason"],
        "OutOfriseproject.com/runner"
    );
}

#[test]
fn a_deleted_node_takes_its_pods_with_it() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    lasting(&mut scene, "a", runner_pod("a", "scw-em-rv1"));
    let now = scene.now();
    scene
        .world
        .cluster
        .delete_node("riscv-runner-1", &DeleteOptions::default(), now)
        .unwrap();
    scene.pass(1.0);
    assert_eq!(scene.phase("a"), None);
    let now = scene.now();
    scene
        .world
        .cluster
        .add_board(NodeConfig::new("riscv-runner-1", "scw-em-rv1"), now);
    lasting(&mut scene, "b", runner_pod("b", "scw-em-rv1"));
}

#[test]
fn what_is_left_on_a_board_does_not_touch_a_new_pod_of_its_name() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    lasting(&mut scene, "a", runner_pod("a", "scw-em-rv1"));
    let now = scene.now();
    let board = "riscv-runner-1";
    scene
        .world
        .cluster
        .lose_board(board, BoardLoss::PoweredOff, now)
        .unwrap();
    scene.delete("a", &DeleteOptions::with_grace(0));
    scene.create(runner_pod("a", "scw-em-rv1"));
    scene
        .world
        .cluster
        .delete_node(board, &DeleteOptions::default(), now)
        .unwrap();
    scene.pass(1.0);
    assert_eq!(scene.phase("a"), Some(Phase::Pending));
    scene.delete("a", &DeleteOptions::default());
    assert!(scene.world.cluster.pods.is_empty());
}
