//! Numbers and texts of the replaced service that decisions must reproduce.

use std::collections::BTreeMap;

use serde_json::json;

use crate::cluster::{Node, Phase, Pod, Readiness};
use crate::config::BOARD_LABEL;
use crate::github::Run;
use crate::jobs::{JobChange, Reading, read_missing, read_run};
use crate::plan::{PoolSlots, slots};
use crate::settings::InForce;
use crate::testing::{at, demand, job, node, pod, pool, running_pod};
use crate::view::ClusterView;

/// A board of that pool with so many slots.
fn board(name: &str, of: &str, slots: u32) -> Node {
    Node {
        labels: BTreeMap::from([(BOARD_LABEL.to_owned(), of.to_owned())]),
        allocatable_slots: slots,
        ..node(name)
    }
}

#[test]
fn available_slots() {
    let pool = pool();
    let ended = Pod {
        phase: Phase::Succeeded,
        ..running_pod("w-ended", "a")
    };
    let pods = vec![pod("w-pending"), running_pod("w-running", "a"), ended];
    let free = |nodes: Vec<Node>| {
        let mut view = ClusterView::default();
        view.nodes_listed(nodes, at(1));
        view.pods_listed(pods.clone(), at(1));
        slots(&pool, &BTreeMap::new(), &view, &InForce::default())
    };
    let nodes = || {
        let name = pool.name.as_str();
        vec![
            board("a", name, 3),
            board("b", name, 2),
            board("c", "another", 5),
        ]
    };
    let takes_pods = 5;
    assert_eq!(
        free(nodes()),
        PoolSlots {
            takes_pods,
            free: 3
        }
    );
    // The replaced service counted these as well.
    let mut lost = nodes();
    lost[1].ready = Readiness::NotReady;
    assert_eq!(
        free(lost),
        PoolSlots {
            takes_pods: 3,
            free: 1
        }
    );
    let mut cordoned = nodes();
    cordoned[1].unschedulable = true;
    assert_eq!(
        free(cordoned),
        PoolSlots {
            takes_pods: 3,
            free: 1
        }
    );
}

#[test]
fn what_is_written_of_a_job_that_cannot_run() {
    let row = job(7, demand(99));
    let gone = "job not found for job_id=7 entity=org-99 entity_id=99 entity_type=Organization";
    assert_eq!(
        read_missing(&row, at(25 * 3600)),
        Reading::Changes(JobChange::Failed(gone.to_owned()))
    );
    let run = json!({ "id": 70, "status": "completed", "conclusion": "cancelled", "created_at": "2026-11-24T10:00:00Z" });
    let run: Run = serde_json::from_value(run).expect("a run");
    let stuck = "workflow run 70 completed (conclusion=cancelled) while job 7 stayed queued";
    assert_eq!(
        read_run(&row, &run),
        Reading::Changes(JobChange::Failed(stuck.to_owned()))
    );
}
