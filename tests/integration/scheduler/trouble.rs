//! Lost answers, refusals and time-outs on the way of a worker, each operation in turn: the job is done in the end, and
//! nothing is left.

use axum::http::StatusCode;
use sandbox::doors::faults::Fault;
use sandbox::world::github::{AccountConfig, GitHubConfig};
use serde_json::json;

use crate::support::{Given, Rig, refusal_of_kubernetes};

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
/// What took effect is found when it is looked for, so that some operations are not asked for again.
const ONCE: usize = 1;
/// What did nothing is asked for again each time.
const TWICE: usize = 2;

/// Every operation meets the fault so often in a row, in an organisation of its own that nothing is known of yet.
async fn all_meet(of_github: Fault, of_kubernetes: Fault, times: usize) {
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
        call_timeout = '1s'
        [kubernetes]
        call_timeout = '1s'
        [scheduler]
        list_every = '1s'
        ";
    let rig = Rig::start(Given { github, ..given }.config(quick)).await;
    let mut repositories = (1..).map(|number| format!("case-{number}/app"));
    for operation in OF_GITHUB {
        let mut met = rig.arm_github(operation, of_github.clone(), times);
        let job = rig.push(&repositories.next().unwrap());
        rig.met(&mut met, times).await;
        rig.done(&[job]).await;
        rig.settled().await;
    }
    for operation in OF_KUBERNETES {
        let mut met = rig.arm_kubernetes(operation, of_kubernetes.clone(), times);
        let job = rig.push(&repositories.next().unwrap());
        rig.met(&mut met, times).await;
        rig.done(&[job]).await;
        rig.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_lost() {
    all_meet(Fault::LoseAnswer, Fault::LoseAnswer, ONCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_500_and_do_nothing() {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let body = json!({ "message": "Server Error" });
    let of_kubernetes = refusal_of_kubernetes(status, "InternalError");
    all_meet(Fault::Refuse(status, body), of_kubernetes, TWICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_429() {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let body = json!({
        "message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    });
    let of_kubernetes = refusal_of_kubernetes(status, "TooManyRequests");
    all_meet(Fault::Refuse(status, body), of_kubernetes, TWICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_time_out_and_do_nothing() {
    all_meet(Fault::Hold, Fault::Hold, TWICE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_take_effect_and_time_out() {
    all_meet(Fault::HoldAnswer, Fault::HoldAnswer, ONCE).await;
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

/// A name that is taken again after its owner was removed is given up; the next worker does the job.
#[tokio::test(flavor = "multi_thread")]
async fn a_runner_whose_answer_is_lost_twice_is_given_up_and_removed() {
    let rig = Rig::start(Given::boards(2)).await;
    let mut lost = rig.arm_github("create_jit_config", Fault::LoseAnswer, 1);
    let mut removed = rig.arm_github("delete_runner", Fault::HoldAnswer, 1);
    let job = rig.push("sandbox-ada/rv-notes");
    rig.met(&mut lost, 1).await;
    rig.met(&mut removed, 1).await;
    let mut lost_again = rig.arm_github("create_jit_config", Fault::LoseAnswer, 1);
    removed.release();
    rig.met(&mut lost_again, 1).await;
    rig.done(&[job]).await;
    rig.settled().await;
    let workers = rig.workers().await;
    assert_eq!(workers.len(), 2, "{workers:#?}");
    assert_eq!(workers[0].reason(), Some("pod_allocation_failure"));
    assert_eq!(rig.pods().len(), 1, "a given up worker never had a pod");
}

/// A definite no is not asked again: the worker fails with GitHub's words, its key waits, another one does the job.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_runner_fails_its_worker_with_the_reason() {
    let rig = Rig::start(Given::boards(2)).await;
    let body = json!({ "message": "Resource not accessible by integration" });
    let refused = Fault::Refuse(StatusCode::FORBIDDEN, body);
    let mut met = rig.arm_github("create_jit_config", refused, 1);
    let job = rig.push("sandbox-ada/rv-notes");
    rig.met(&mut met, 1).await;
    rig.done(&[job]).await;
    rig.settled().await;
    let workers = rig.workers().await;
    assert_eq!(workers.len(), 2, "{workers:#?}");
    assert_eq!(workers[0].reason(), Some("pod_allocation_failure"));
    let info = workers[0].failure_info.clone().unwrap().to_string();
    assert!(info.contains("not accessible by integration"), "{info}");
}
