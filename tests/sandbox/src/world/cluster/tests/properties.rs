//! What holds whatever is done: histories of random calls and troubles, and documents of any shape.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Act {
    Create(usize, bool),
    Delete(usize, Option<i64>),
    Deadline(usize, u32),
    Cordon(usize, bool),
    Lose(usize, BoardLoss),
    Restore(usize),
    Stuck(usize, bool),
    PullFails(usize, bool),
    Next(Behaviour),
    Evict(usize),
    DeleteNode(usize),
    Pass(u32),
}

fn act() -> impl Strategy<Value = Act> {
    let (pod, board) = (0..6_usize, 1..4_usize);
    prop_oneof![
        6 => (pod.clone(), any::<bool>()).prop_map(|(pod, tolerant)| Act::Create(pod, tolerant)),
        3 => (pod.clone(), prop_oneof![Just(None), Just(Some(0)), Just(Some(5))]).prop_map(|(pod, grace)| Act::Delete(pod, grace)),
        2 => (pod.clone(), 1..100_u32).prop_map(|(pod, seconds)| Act::Deadline(pod, seconds)),
        1 => (board.clone(), any::<bool>()).prop_map(|(board, on)| Act::Cordon(board, on)),
        1 => (board.clone(), prop_oneof![Just(BoardLoss::PoweredOff), Just(BoardLoss::Unreachable)])
            .prop_map(|(board, loss)| Act::Lose(board, loss)),
        2 => board.clone().prop_map(Act::Restore),
        1 => (board.clone(), any::<bool>()).prop_map(|(board, on)| Act::Stuck(board, on)),
        1 => (board.clone(), any::<bool>()).prop_map(|(board, on)| Act::PullFails(board, on)),
        1 => prop_oneof![
            Just(Behaviour::NeverRegisters), Just(Behaviour::FailsBeforeJob), Just(Behaviour::DockerNotReady)
        ].prop_map(Act::Next),
        1 => pod.prop_map(Act::Evict),
        1 => board.prop_map(Act::DeleteNode),
        8 => (1..60_000_u32).prop_map(Act::Pass),
    ]
}

impl Scene {
    fn act(&mut self, act: &Act) {
        let now = self.now();
        let pod = |index: &usize| format!("p{index}");
        let board = |index: &usize| format!("riscv-runner-{index}");
        let cluster = &mut self.world.cluster;
        // Calls may be refused, as a real server would; what must hold is checked elsewhere.
        match act {
            Act::Create(index, tolerates) => {
                let made = runner_pod(&pod(index), "scw-em-rv1");
                let made = if *tolerates { tolerant(made) } else { made };
                let _ = cluster.create_pod("default", made, false, now);
            }
            Act::Delete(index, grace) => {
                let options = grace.map_or_else(DeleteOptions::default, DeleteOptions::with_grace);
                let _ = cluster.delete_pod("default", &pod(index), &options, now);
            }
            Act::Deadline(index, seconds) => {
                let _ = self.set_deadline(&pod(index), &json!(seconds));
            }
            Act::Cordon(index, on) => drop(cluster.set_cordoned(&board(index), *on, now)),
            Act::Lose(index, loss) => drop(cluster.lose_board(&board(index), *loss, now)),
            Act::Restore(index) => {
                if cluster.restore_board(&board(index), now).is_err() {
                    cluster.add_board(NodeConfig::new(&board(index), "scw-em-rv1"), now);
                }
            }
            Act::Stuck(index, on) => drop(cluster.set_kill_stuck(&board(index), *on, now)),
            Act::PullFails(index, on) => drop(cluster.set_pull_fails(&board(index), *on)),
            Act::Next(behaviour) => cluster.next_pod_behaves(*behaviour),
            Act::Evict(index) => {
                drop(cluster.evict_pod("default", &pod(index), &DeleteOptions::default(), now));
            }
            Act::DeleteNode(index) => {
                drop(cluster.delete_node(&board(index), &DeleteOptions::default(), now));
            }
            Act::Pass(milliseconds) => self.pass(f64::from(*milliseconds) / 1000.0),
        }
    }
}

/// A watcher's copy of the pods, and what it has seen of each one's phase.
#[derive(Default)]
struct Copy {
    version: u64,
    pods: BTreeMap<Key, Arc<Value>>,
    phases: BTreeMap<String, usize>,
}

impl Copy {
    fn follow(&mut self, cluster: &Cluster) {
        for change in cluster.changes_after(self.version.max(1000)).unwrap() {
            assert!(change.version > self.version, "versions increase");
            self.version = change.version;
            if change.kind != Kind::Pod {
                continue;
            }
            let before = match change.what {
                ChangeType::Deleted => self.pods.remove(&change.key),
                ChangeType::Added | ChangeType::Modified => self
                    .pods
                    .insert(change.key.clone(), Arc::clone(&change.object)),
            };
            assert_eq!(
                before, change.before,
                "each change begins where the last one ended"
            );
            let order = ["Pending", "Running", "Succeeded", "Failed"];
            let phase = order
                .iter()
                .position(|phase| change.object["status"]["phase"] == *phase)
                .unwrap();
            let uid = change.object["metadata"]["uid"]
                .as_str()
                .unwrap()
                .to_owned();
            let seen = self.phases.entry(uid).or_insert(phase);
            let moves_on = *seen == phase || *seen < 2 && phase > *seen;
            assert!(
                moves_on,
                "a phase never moves back: {} to {}",
                order[*seen], order[phase]
            );
            *seen = phase;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_cluster_is_consistent(acts in prop::collection::vec(act(), 1..60), seed in any::<u64>()) {
        let mut config = ClusterConfig::with_boards(&[("scw-em-rv1", 3)]);
        config.history = 100_000;
        let mut scene = Scene::with(config, seed);
        let mut copy = Copy::default();
        for act in &acts {
            scene.act(act);
            let now = scene.now();
            scene.world.advance(now);
            copy.follow(&scene.world.cluster);
            let listed = scene.world.cluster.list(Kind::Pod, &Selection::default());
            prop_assert!(copy.pods.values().eq(listed.iter()), "a watch sees what a list sees");
            prop_assert_eq!(scene.world.cluster.pods().len(), listed.len());
            prop_assert_eq!(scene.world.cluster.over_capacity(), 0);
            prop_assert!(scene.world.next_due().is_none_or(|due| due > now), "nothing stays due");
        }
        // With all boards back and letting go, every deleted pod goes in the end.
        for index in 1..4 {
            scene.act(&Act::Restore(index));
            scene.act(&Act::Stuck(index, false));
        }
        for index in 0..6 {
            scene.act(&Act::Delete(index, None));
        }
        scene.pass(60.0);
        prop_assert!(scene.world.cluster.pods().is_empty());
        prop_assert!(scene.world.cluster.pods.is_empty(), "no container is left on any board");
    }

    #[test]
    fn no_document_confuses_the_api_server(document in any_json(), place in 0..PLACES.len()) {
        let mut scene = Scene::new(&[("scw-em-rv1", 1)]);
        let mut pod = runner_pod("a", "scw-em-rv1");
        *pod.pointer_mut(PLACES[place]).unwrap() = document.clone();
        let now = scene.now();
        let made = scene.world.cluster.create_pod("default", pod.clone(), false, now);
        scene.pass(5.0);
        if made.is_err() {
            scene.create(runner_pod("a", "scw-em-rv1"));
        }
        let now = scene.now();
        for how in [PatchType::Merge, PatchType::Strategic, PatchType::Json] {
            for kind in [Kind::Pod, Kind::Node] {
                let (namespace, name) = if kind == Kind::Pod { ("default", "a") } else { ("", "riscv-runner-1") };
                for patch in [&pod, &document] {
                    let _ = scene.world.cluster.patch(kind, namespace, name, how, patch, now);
                }
            }
        }
        scene.pass(100.0);
    }
}

const PLACES: &[&str] = &[
    "",
    "/metadata",
    "/metadata/labels",
    "/spec",
    "/spec/containers",
    "/spec/containers/0",
    "/spec/containers/0/env",
    "/spec/containers/0/env/0",
    "/spec/containers/0/resources",
    "/spec/containers/0/resources/limits",
    "/spec/containers/0/image",
    "/spec/nodeSelector",
    "/spec/volumes",
    "/spec/activeDeadlineSeconds",
    "/spec/hostNetwork",
];

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        "name",
        "metadata",
        "spec",
        "status",
        "containers",
        "image",
        "1",
        "-1",
        "1e9",
        "9999999999999999999",
        "$patch",
        "delete",
        "replace",
        "tolerations",
        "taints",
        "labels",
        "resources",
        "key",
        "operator",
        "Exists",
        "op",
        "path",
        "add",
        "/metadata/labels/x",
        "value",
        "conditions",
        "affinity",
        "nodeAffinity",
        "a",
        "9223372036854775807",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word.clone().prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
