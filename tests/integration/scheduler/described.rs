//! What rise sends to GitHub, judged by GitHub's own description of its API.

use std::collections::BTreeSet;
use std::path::Path;

use sandbox::doors::conformance::{Descriptions, Unusable};
use sandbox::doors::faults::Fault;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO};

/// Beside the project, not in it.
const FOLDER: &str = "../../shared/data/github";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_github_is_as_github_describes_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let descriptions = match Descriptions::load(&folder) {
        Ok(descriptions) => descriptions,
        Err(Unusable::File { file, source }) => {
            eprintln!("NOT CHECKED: what is sent to GitHub: {file}: {source}");
            return;
        }
        Err(unusable) => panic!("{unusable}"),
    };
    let mut rig = Rig::start(Given::boards(3)).await;
    let plain = [rig.push(ORG_REPO), rig.push(USER_REPO)];
    rig.done(&plain).await;
    rig.settled().await;
    // With a name that is taken and a runner that must be found.
    let mut lost = rig.arm_github("create_jit_config", Fault::LoseAnswer, 1);
    let taken = rig.push(ORG_REPO);
    rig.met(&mut lost, 1).await;
    rig.done(&[taken]).await;
    rig.settled().await;
    let mut pod = rig.arm_kubernetes("create_pod", Fault::HoldAnswer, 1);
    let lost = rig.push(USER_REPO);
    rig.met(&mut pod, 1).await;
    rig.restart_scheduler();
    rig.done(&[lost]).await;
    rig.settled().await;

    let requests = rig.doors.github().requests();
    let mut sent = BTreeSet::new();
    let mut wrong = Vec::new();
    for request in requests.iter().filter(|it| it.answer.is_some()) {
        match descriptions.check_exchange(request) {
            Ok(operation) => drop(sent.insert(operation)),
            Err(violation) => wrong.push(violation.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for operation in [
        "POST /app/installations/{installation_id}/access_tokens",
        "GET /orgs/{org}/actions/runner-groups",
        "POST /orgs/{org}/actions/runner-groups",
        "POST /orgs/{org}/actions/runners/generate-jitconfig",
        "POST /repos/{owner}/{repo}/actions/runners/generate-jitconfig",
        "DELETE /orgs/{org}/actions/runners/{runner_id}",
        "GET /orgs/{org}/actions/runners",
        "GET /repos/{owner}/{repo}/actions/runners",
    ] {
        assert!(
            sent.contains(operation),
            "{operation} was not sent: {sent:#?}"
        );
    }
}
