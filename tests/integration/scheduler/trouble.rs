//! Lost answers, refusals and time-outs on the way of a worker, each operation in turn: the job is done in the end, and
//! nothing is left.

use axum::http::StatusCode;
use sandbox::doors::faults::Fault;
use sandbox::world::github::{AccountConfig, GitHubConfig};
use serde_json::json;

use crate::support::{Given, Rig};

/// What is asked of GitHub on the way of an organisation's worker, in this order.
const OF_GITHUB: [&str; 5] = [
    "create_installation_token",
    "list_runner_groups",
    "create_runner_group",
    "create_jit_config",
    "delete_runner",
];
/// What is asked of the cluster.
const OF_KUBERNETES: [&str; 3] = ["create_pod", "list_pods", "list_nodes"];
/// Each operation fails so often in a row.
const TIMES: usize = 2;

/// Every operation meets the fault, in an organisation of its own that nothing is known of yet.
async fn all_meet(fault: Fault) {
    let operations = OF_GITHUB.len() + OF_KUBERNETES.len();
    let accounts = (1..).take(operations).map(|number| {
        let login = format!("case-{number}");
        AccountConfig::organization(900_000 + number, &login, &["app"])
    });
    let given = Given::boards(2);
    let github = GitHubConfig {
        accounts: accounts.collect(),
        ..given.github
    };
    let quick = "
        [github]
        call_timeout = '2s'
        [kubernetes]
        call_timeout = '2s'
        [scheduler]
        list_every = '1s'
        ";
    let rig = Rig::start(Given { github, ..given }.config(quick)).await;
    let mut repositories = (1..).map(|number| format!("case-{number}/app"));
    for operation in OF_GITHUB {
        let mut met = rig.arm_github(operation, fault.clone(), TIMES);
        let job = rig.push(&repositories.next().unwrap());
        rig.met(&mut met, TIMES).await;
        rig.done(&[job]).await;
        rig.settled().await;
    }
    for operation in OF_KUBERNETES {
        let mut met = rig.arm_kubernetes(operation, fault.clone(), TIMES);
        let job = rig.push(&repositories.next().unwrap());
        rig.met(&mut met, TIMES).await;
        rig.done(&[job]).await;
        rig.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_lost() {
    all_meet(Fault::LoseAnswer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_500_and_do_nothing() {
    let body = json!({ "message": "Server Error" });
    all_meet(Fault::Refuse(StatusCode::INTERNAL_SERVER_ERROR, body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_429() {
    let body = json!({
        "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    });
    all_meet(Fault::Refuse(StatusCode::TOO_MANY_REQUESTS, body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_time_out_and_do_nothing() {
    all_meet(Fault::Hold).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_take_effect_and_time_out() {
    all_meet(Fault::HoldAnswer).await;
}

/// An answer that is lost costs no worker and no pod: what the lost call made is found, or replaced under its name.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_costs_no_second_worker() {
    let rig = Rig::start(Given::boards(3)).await;
    for (repository, door, operation) in [
        ("sandbox-vectorworks/fft", "kubernetes", "create_pod"),
        ("sandbox-ada/rv-notes", "github", "create_jit_config"),
        ("sandbox-openkernel/boot", "github", "create_runner_group"),
        ("sandbox-tomas/zig-rv", "github", "delete_runner"),
    ] {
        let before = rig.workers().await.len();
        let mut lost = match door {
            "github" => rig.arm_github(operation, Fault::LoseAnswer, 1),
            _ => rig.arm_kubernetes(operation, Fault::LoseAnswer, 1),
        };
        let job = rig.push(repository);
        rig.done(&[job]).await;
        rig.met(&mut lost, 1).await;
        rig.settled().await;
        let (workers, pods) = (rig.workers().await, rig.pods());
        assert_eq!(workers.len(), before + 1, "{operation}: {workers:#?}");
        assert_eq!(pods.len(), before + 1, "{operation}: {pods:#?}");
        assert!(
            workers.iter().all(|it| it.status == "completed"),
            "{operation}: {workers:#?}"
        );
    }
}
