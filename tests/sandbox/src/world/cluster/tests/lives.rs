//! The lives of pods: scheduled, pulled, started, ended, deleted.

use super::*;

#[test]
fn a_pod_starts_within_two_seconds_and_tells_its_story() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.create(runner_pod("a", "scw-em-rv1"));
    assert_eq!(scene.phase("a"), Some(Phase::Pending));
    scene.pass(0.9);
    assert_eq!(scene.phase("a"), Some(Phase::Pending));
    scene.pass(1.1);
    assert_eq!(scene.phase("a"), Some(Phase::Running));
    let pod = scene.document("a");
    assert_eq!(pod["spec"]["nodeName"], "riscv-runner-1");
    assert_eq!(pod["status"]["podIP"], pod["status"]["hostIP"]);
    assert!(pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"].is_string());
    // GitHub does not know its registration: the runner gives up, the entrypoint swallows its exit status.
    scene.pass(2.0);
    assert_eq!(scene.phase("a"), Some(Phase::Succeeded));
    assert_eq!(
        scene.happenings("a"),
        ["Scheduled", "Pulling", "Pulled", "Created", "Started"]
    );
    let log = scene.world.cluster.log_of("a");
    assert!(
        log.iter()
            .any(|line| line.contains("registration has been deleted")),
        "{log:?}"
    );
    assert!(
        !log.iter().any(|line| line.contains("Running job:")),
        "{log:?}"
    );
    assert_eq!(
        scene.document("a")["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"],
        0
    );
}

#[test]
fn a_board_keeps_the_images_it_pulled() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    for name in ["a", "b"] {
        scene.create(runner_pod(name, "scw-em-rv1"));
        scene.pass(5.0);
    }
    assert_eq!(
        scene.happenings("b"),
        ["Scheduled", "Pulled", "Created", "Started"]
    );
}

#[test]
fn one_pod_more_than_slots_waits_until_one_is_free() {
    let mut scene = Scene::new(&[("scw-em-rv1", 2), ("cloudv10x-jupiter", 2)]);
    for _ in 0..3 {
        scene
            .world
            .cluster
            .next_pod_behaves(Behaviour::NeverRegisters);
    }
    for name in ["a", "b", "c"] {
        scene.create(runner_pod(name, "scw-em-rv1"));
        scene.pass(0.1);
    }
    scene.pass(3.0);
    assert_ne!(scene.node_of("a"), scene.node_of("b"));
    let waiting = scene.document("c");
    let condition = &waiting["status"]["conditions"][0];
    assert_eq!(
        (condition["status"].as_str(), condition["reason"].as_str()),
        (Some("False"), Some("Unschedulable"))
    );
    assert!(condition["message"].as_str().unwrap().starts_with(
        "0/4 nodes are available: 2 Insufficient ephemeral-storage, 2 Insufficient riseproject.com/runner, \
         2 node(s) didn't match Pod's node affinity/selector."
    ));
    assert_eq!(scene.happenings("c"), ["FailedScheduling"]);
    // A pod that has ended frees its slot at once, while its object stays.
    scene.set_deadline("a", json!(1)).unwrap();
    scene.pass(4.0);
    assert_eq!(scene.phase("a"), Some(Phase::Failed));
    assert_eq!(scene.phase("c"), Some(Phase::Running));
    assert_eq!(scene.node_of("c"), scene.node_of("a"));
    assert_eq!(scene.world.cluster.over_capacity(), 0);
    assert!(scene.world.cluster.ever_unschedulable().contains("c"));
}

#[test]
fn a_deadline_counts_from_the_kubelets_first_sight_and_may_only_be_lowered() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene
        .world
        .cluster
        .next_pod_behaves(Behaviour::NeverRegisters);
    scene.create(runner_pod("a", "scw-em-rv1"));
    scene.pass(10.0);
    for wrong in [json!(525_601), Value::Null, json!(0), json!("x")] {
        let error = scene.set_deadline("a", wrong.clone()).unwrap_err();
        assert_eq!(error.reason, Reason::Invalid, "{wrong}");
    }
    scene.set_deadline("a", json!(20)).unwrap();
    scene.pass(9.0);
    assert_eq!(scene.phase("a"), Some(Phase::Running));
    scene.pass(3.0);
    let pod = scene.document("a");
    assert_eq!(pod["status"]["phase"], "Failed");
    assert_eq!(pod["status"]["reason"], "DeadlineExceeded");
    assert_eq!(
        pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"],
        137
    );
    assert!(!scene.world.cluster.log_of("a").is_empty());
}

#[test]
fn a_deadline_does_nothing_for_a_pod_on_no_node() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.create(runner_pod("a", "cloudv10x-pioneer"));
    scene.pass(1.0);
    scene.set_deadline("a", json!(1)).unwrap();
    scene.pass(60.0);
    assert_eq!(scene.phase("a"), Some(Phase::Pending));
}

#[test]
fn deletion_is_immediate_for_pods_that_nothing_runs_in() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.create(runner_pod("unbound", "cloudv10x-pioneer"));
    scene.create(runner_pod("finished", "scw-em-rv1"));
    scene.pass(5.0);
    assert_eq!(scene.phase("finished"), Some(Phase::Succeeded));
    for name in ["unbound", "finished"] {
        scene.delete(name, &DeleteOptions::default());
        assert_eq!(scene.phase(name), None);
    }
}

#[test]
fn a_running_pod_terminates_before_it_is_gone_and_its_name_stays_taken() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene
        .world
        .cluster
        .next_pod_behaves(Behaviour::NeverRegisters);
    scene.create(runner_pod("a", "scw-em-rv1"));
    scene.pass(3.0);
    let marked = scene.delete("a", &DeleteOptions::default());
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert!(scene.world.cluster.pod("a").unwrap().deleting);
    let now = scene.now();
    let error = scene
        .world
        .cluster
        .create_pod("default", runner_pod("a", "scw-em-rv1"), false, now)
        .unwrap_err();
    assert_eq!(
        error.message,
        "object is being deleted: pods \"a\" already exists"
    );
    // Its deadline can still be lowered.
    scene.set_deadline("a", json!(100)).unwrap();
    scene.pass(2.0);
    assert_eq!(scene.phase("a"), None);
    scene.create(runner_pod("a", "scw-em-rv1"));
}

#[test]
fn preconditions_guard_a_deletion() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.create(runner_pod("a", "cloudv10x-pioneer"));
    let seen = scene.document("a")["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned();
    let options = DeleteOptions {
        preconditions: Preconditions {
            resource_version: Some(seen),
            uid: None,
        },
        ..DeleteOptions::default()
    };
    scene.pass(1.0);
    let now = scene.now();
    let error = scene
        .world
        .cluster
        .delete_pod("default", "a", &options, now)
        .unwrap_err();
    assert_eq!(error.reason, Reason::Conflict);
    assert!(scene.phase("a").is_some());
}

#[test]
fn a_broken_image_backs_off_until_it_is_there() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.world.cluster.set_image_broken(IMAGE, true);
    scene.create(runner_pod("a", "scw-em-rv1"));
    scene.pass(0.9);
    let waiting = |scene: &Scene| {
        scene.document("a")["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone()
    };
    assert_eq!(waiting(&scene), "ErrImagePull");
    scene.pass(2.0);
    assert_eq!(waiting(&scene), "ImagePullBackOff");
    scene.pass(100.0);
    assert_eq!(scene.phase("a"), Some(Phase::Pending));
    assert!(scene.happenings("a").contains(&"BackOff".to_owned()));
    scene.world.cluster.set_image_broken(IMAGE, false);
    scene
        .world
        .cluster
        .next_pod_behaves(Behaviour::NeverRegisters);
    scene.pass(310.0);
    assert_eq!(scene.phase("a"), Some(Phase::Running));
}

#[test]
fn an_impossible_image_name_waits_for_ever() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    let mut pod = runner_pod("a", "scw-em-rv1");
    pod["spec"]["containers"][0]["image"] = json!("Not An Image");
    scene.create(pod);
    scene.pass(600.0);
    let pod = scene.document("a");
    assert_eq!(pod["status"]["phase"], "Pending");
    assert_eq!(
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
        "InvalidImageName"
    );
}

#[test]
fn pods_misbehave_when_told_to() {
    let mut scene = Scene::new(&[("scw-em-rv1", 2)]);
    scene
        .world
        .cluster
        .next_pod_behaves(Behaviour::FailsBeforeJob);
    scene.create(runner_pod("fails", "scw-em-rv1"));
    scene.pass(4.0);
    let pod = scene.document("fails");
    assert_eq!(pod["status"]["phase"], "Failed");
    let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(
        (ended["exitCode"].as_i64(), ended["reason"].as_str()),
        (Some(1), Some("Error"))
    );

    scene
        .world
        .cluster
        .next_pod_behaves(Behaviour::NeverRegisters);
    scene.create(runner_pod("mute", "scw-em-rv1"));
    scene.pass(3600.0);
    assert_eq!(scene.phase("mute"), Some(Phase::Running));
}

#[test]
fn a_container_without_a_runner_prints_and_ends() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    let mut pod = runner_pod("probe", "scw-em-rv1");
    pod["spec"]["containers"][0]["env"] = json!([]);
    pod["spec"]["containers"][0]["command"] = json!(["docker", "info"]);
    scene.create(pod);
    scene.pass(4.0);
    assert_eq!(scene.phase("probe"), Some(Phase::Succeeded));
    assert_eq!(scene.world.cluster.log_of("probe"), ["ok"]);
}

#[test]
fn equal_seeds_make_equal_worlds() {
    let story = |seed: u64| {
        let mut scene = Scene::with(ClusterConfig::default(), seed);
        for index in 0..12 {
            scene.create(runner_pod(
                &format!("w{index}"),
                if index % 3 == 0 {
                    "cloudv10x-jupiter"
                } else {
                    "scw-em-rv1"
                },
            ));
            scene.pass(0.7);
        }
        let now = scene.now();
        scene
            .world
            .cluster
            .set_node_ready("riscv-runner-2", false, now)
            .unwrap();
        scene.pass(30.0);
        scene.dump()
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5), story(6));
}

#[test]
fn events_are_forgotten_after_an_hour() {
    let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
    scene.create(runner_pod("a", "scw-em-rv1"));
    scene.pass(3700.0);
    scene.create(runner_pod("b", "scw-em-rv1"));
    scene.pass(3.0);
    assert!(scene.happenings("a").is_empty());
    assert!(!scene.happenings("b").is_empty());
}
