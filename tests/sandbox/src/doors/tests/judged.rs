//! Every answer and every event, judged by GitHub's own description.

use std::collections::BTreeSet;
use std::path::Path;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::support::{Client, RISCV, installation, open};
use crate::doors::Doors;
use crate::doors::conformance::{Descriptions, Unusable};
use crate::world::github::{AppKind, Delivery, DeliveryStatus, GitHubConfig};

const FOLDER: &str = "../../../shared/data/github";

/// The judge, or nothing where its data is not there, which is then said.
fn judge(not_checked: &str) -> Option<Descriptions> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    match Descriptions::load(&folder) {
        Ok(descriptions) => Some(descriptions),
        Err(Unusable::File { file, source }) => {
            eprintln!("NOT CHECKED: {not_checked}: {file}: {source}");
            None
        }
        Err(unusable) => panic!("{unusable}"),
    }
}

/// A world with something of everything: jobs in each state, runners, groups, deliveries of each kind.
async fn lived_in() -> (Doors, Vec<Delivery>) {
    let mut config = GitHubConfig {
        announce_installations: true,
        ..GitHubConfig::quiet()
    };
    config.accounts[1].repositories[0].private = true;
    let doors = open(config).await;
    let deliveries = doors.world().with(|world| {
        let now = world.now();
        let github = &mut world.github;
        let seconds = TimeDelta::seconds;
        for repository in [
            "ggml-org/llama.cpp",
            "sandbox-vectorworks/simd-kernels",
            "sandbox-ada/rv-notes",
        ] {
            for labels in [&[RISCV][..], &[RISCV], &["other"], &["other"]] {
                github
                    .queue_job(repository, labels, seconds(5), now)
                    .unwrap();
            }
        }
        let queued: Vec<_> = github.jobs().map(|job| job.id).collect();
        github.cancel_job(queued[2], now + seconds(1)).unwrap();
        github.suspend("sandbox-tomas", now).unwrap();
        github.unsuspend("sandbox-tomas", now).unwrap();
        github.uninstall("sandbox-tomas", now).unwrap();
        github.suspend("sandbox-openkernel", now).unwrap();
        github
            .rename_account("sandbox-openkernel", "sandbox-opencore", now)
            .unwrap();
        github
            .deselect_repository("sandbox-ada/tinycc-rv", now)
            .unwrap();
        github.take_outbox()
    });
    (doors, deliveries)
}

/// Registers runners; some connect and take jobs, one of them ends well, one badly.
async fn run_jobs(doors: &Doors, client: &Client, path: &str) {
    for (number, end) in [None, Some("success"), Some("failure"), None]
        .into_iter()
        .enumerate()
    {
        let body = json!({"name": format!("r-{number}"), "runner_group_id": 1, "labels": [RISCV]});
        let made = client
            .post(&format!("{path}/generate-jitconfig"), &body)
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
        if number == 0 {
            continue;
        }
        let config = made.body["encoded_jit_config"].as_str().unwrap();
        doors.world().with(|world| {
            let now = world.now();
            let runner = world.github.runner_connect(config, now).unwrap();
            world.github.runner_poll(runner, now);
            if let Some(end) = end {
                world
                    .github
                    .runner_finish(runner, end, now + TimeDelta::seconds(5));
            }
        });
    }
}

/// Asks for everything that the description has.
async fn ask_for_everything(doors: &Doors) {
    let org_app = Client::app(doors, AppKind::Organization);
    let ggml = Client::installation(doors, AppKind::Organization, "ggml-org").await;
    let vector = Client::installation(doors, AppKind::Organization, "sandbox-vectorworks").await;
    let ada = Client::installation(doors, AppKind::Personal, "sandbox-ada").await;
    let groups = "/orgs/ggml-org/actions/runner-groups";
    let group = json!({"name": "mine", "visibility": "all", "allows_public_repositories": true});
    let group = ggml.post(groups, &group).await.body["id"].clone();
    run_jobs(doors, &ggml, "/orgs/ggml-org/actions/runners").await;
    run_jobs(doors, &ada, "/repos/sandbox-ada/rv-notes/actions/runners").await;

    let id = installation(doors.world(), AppKind::Organization, "ggml-org");
    for path in [
        "",
        "/hook/config",
        "/installations",
        &format!("/installations/{id}"),
    ] {
        org_app.get(&format!("/app{path}")).await;
    }
    for path in [
        "/orgs/ggml-org/installation",
        "/repos/ggml-org/llama.cpp/installation",
    ] {
        org_app.get(path).await;
    }
    Client::app(doors, AppKind::Personal)
        .get("/users/sandbox-ada/installation")
        .await;
    let sent = org_app.get("/app/hook/deliveries").await.body[0]["id"].clone();
    org_app.get(&format!("/app/hook/deliveries/{sent}")).await;
    org_app
        .post(&format!("/app/hook/deliveries/{sent}/attempts"), &json!({}))
        .await;

    for path in [
        "/installation/repositories",
        "/orgs/ggml-org",
        "/users/sandbox-ada",
        "/rate_limit",
        "/meta",
    ] {
        ggml.get(path).await;
    }
    ggml.get(groups).await;
    ggml.get(&format!("{groups}/{group}")).await;
    ggml.get(&format!("{groups}/1/runners")).await;
    ask_about_jobs(&ggml, "ggml-org/llama.cpp").await;
    ask_about_jobs(&vector, "sandbox-vectorworks/simd-kernels").await;
    ask_about_jobs(&ada, "sandbox-ada/rv-notes").await;
    for (client, path) in [
        (&ggml, "/orgs/ggml-org/actions/runners"),
        (&ada, "/repos/sandbox-ada/rv-notes/actions/runners"),
    ] {
        let runners = client.get(path).await.body;
        for runner in runners["runners"].as_array().unwrap() {
            client.get(&format!("{path}/{}", runner["id"])).await;
            // One is idle and goes, one is busy and stays.
            client.delete(&format!("{path}/{}", runner["id"])).await;
        }
        client.get(&format!("{path}/1")).await;
        client
            .post(&format!("{path}/generate-jitconfig"), &json!({"name": ""}))
            .await;
    }
    Client::anonymous(doors)
        .get("/orgs/ggml-org/actions/runners")
        .await;
    ada.get("/orgs/ggml-org/actions/runners").await;
}

async fn ask_about_jobs(client: &Client, full_name: &str) {
    let repository = format!("/repos/{full_name}");
    assert_eq!(client.get(&repository).await.status, 200);
    let runs = client.get(&format!("{repository}/actions/runs")).await.body;
    for run in runs["workflow_runs"].as_array().unwrap() {
        let path = format!("{repository}/actions/runs/{}", run["id"]);
        client.get(&path).await;
        let jobs = client.get(&format!("{path}/jobs")).await.body;
        for job in jobs["jobs"].as_array().unwrap() {
            client
                .get(&format!("{repository}/actions/jobs/{}", job["id"]))
                .await;
        }
    }
}

#[tokio::test]
async fn every_answer_is_as_github_describes_it() {
    let Some(descriptions) = judge("answers of the REST API") else {
        return;
    };
    let (doors, deliveries) = lived_in().await;
    doors.world().with(|world| {
        let now = world.now();
        for delivery in deliveries {
            world
                .github
                .delivery_answered(delivery.id, DeliveryStatus::Answered(200), now);
        }
    });
    ask_for_everything(&doors).await;
    let mut missing: BTreeSet<_> = descriptions.operations().collect();
    let mut violations = Vec::new();
    for request in doors.github().requests() {
        let succeeded = request
            .answer
            .as_ref()
            .is_some_and(|answer| answer.status.is_success());
        match descriptions.check_exchange(&request) {
            Ok(operation) if succeeded => drop(missing.remove(&operation)),
            Ok(_) => {}
            Err(violation) => violations.push(violation.to_string()),
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(
        missing.is_empty(),
        "never answered with success: {missing:?}"
    );
}

#[tokio::test]
async fn every_event_is_as_github_describes_it() {
    let Some(descriptions) = judge("bodies of webhooks") else {
        return;
    };
    let (doors, mut deliveries) = lived_in().await;
    ask_for_everything(&doors).await;
    deliveries.extend(doors.world().with(|world| world.github.take_outbox()));
    let mut seen = BTreeSet::new();
    for delivery in &deliveries {
        seen.insert(format!("{}.{}", delivery.event, delivery.action));
        let judged = descriptions.check_event(delivery.event, delivery.action, &delivery.payload);
        if let Err(violation) = judged {
            panic!("{violation}");
        }
    }
    let expected = [
        "installation.created",
        "installation.deleted",
        "installation.suspend",
        "installation.unsuspend",
        "installation_repositories.removed",
        "installation_target.renamed",
        "workflow_job.completed",
        "workflow_job.in_progress",
        "workflow_job.queued",
    ];
    assert_eq!(seen.iter().collect::<Vec<_>>(), expected);
}

/// The judge must be able to condemn.
#[tokio::test]
async fn the_judge_finds_what_is_wrong() {
    let Some(descriptions) = judge("the judge itself") else {
        return;
    };
    let (doors, deliveries) = lived_in().await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    client.get("/orgs/ggml-org/actions/runner-groups").await;
    let good = doors.github().requests().pop().unwrap();
    assert!(descriptions.check_exchange(&good).is_ok());
    let mut bad = good;
    let answer = bad.answer.as_mut().unwrap();
    answer.body.as_mut().unwrap()["runner_groups"][0]["name"] = Value::Null;
    assert!(descriptions.check_exchange(&bad).is_err());
    let event = deliveries
        .iter()
        .find(|delivery| delivery.event == "workflow_job")
        .unwrap();
    let mut payload = (*event.payload).clone();
    payload["workflow_job"]["extra"] = json!(1);
    assert!(
        descriptions
            .check_event("workflow_job", event.action, &payload)
            .is_err()
    );
    assert!(
        descriptions
            .check_event("workflow_job", "invented", &event.payload)
            .is_err()
    );
}
