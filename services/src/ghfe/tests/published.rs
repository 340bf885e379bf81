//! The example payloads that GitHub publishes, each signed and delivered.

use std::path::PathBuf;

use super::*;

/// Name, event and text of each published payload; empty where they are not at hand.
fn payloads() -> Vec<(String, &'static str, Vec<u8>)> {
    const EVENTS: [&str; 10] = [
        "check_run",
        "github_app_authorization",
        "installation",
        "installation_repositories",
        "ping",
        "push",
        "repository",
        "star",
        "workflow_job",
        "workflow_run",
    ];
    let folder =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/github/webhooks");
    let Ok(files) = std::fs::read_dir(&folder) else {
        return Vec::new();
    };
    let mut payloads: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let event = name.split('.').next().unwrap();
            let event = EVENTS.iter().find(|known| **known == event);
            (
                name.clone(),
                *event.unwrap_or_else(|| panic!("{name}")),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    payloads.sort();
    payloads
}

/// The published `workflow_job` payloads.
pub(super) fn workflow_jobs() -> Vec<Value> {
    payloads()
        .into_iter()
        .filter(|(_, event, _)| *event == "workflow_job")
        .map(|(_, _, text)| serde_json::from_slice(&text).unwrap())
        .collect()
}

#[tokio::test]
async fn each_gets_its_answer_and_its_row() {
    let payloads = payloads();
    if payloads.is_empty() {
        eprintln!("skipped: the published payloads are not here");
        return;
    }
    let world = World::new().await;
    let mut rows = 0;
    for (name, event, text) in payloads {
        let body: Value = serde_json::from_slice(&text).unwrap();
        let action = body["action"].as_str().unwrap_or_default().to_owned();
        let expected = match event {
            "ping" => (200, "pong".to_owned(), "ok"),
            "installation" | "installation_repositories" => {
                (200, format!("{event}.{action} logged"), "ok")
            }
            "workflow_job" if body["installation"].is_null() => {
                (400, "Missing installation in payload".to_owned(), "")
            }
            "workflow_job" if action == "waiting" => {
                (200, "Ignoring action: waiting".to_owned(), "ignored_action")
            }
            "workflow_job" => (
                200,
                "Ignoring job: missing required platform label".to_owned(),
                "ignored_no_label",
            ),
            _ => (200, format!("Ignoring {event} event"), "ignored_event"),
        };
        let answer = world.send(Delivery::of(event, text)).await;
        let got = (answer.status.as_u16(), answer.text);
        assert_eq!(got, (expected.0, expected.1), "{name}");
        rows += i64::from(expected.0 == 200);
        let events = world.events().await;
        assert_eq!(i64::try_from(events.len()).unwrap(), rows, "{name}");
        if expected.0 == 200 {
            let last = events.last().unwrap();
            assert_eq!(last["outcome"], expected.2, "{name}");
            if !matches!(event, "workflow_job") {
                assert_eq!(last["payload"], body, "{name}: kept whole");
            }
        }
    }
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn a_routed_one_is_trimmed_as_the_replaced_service_does() {
    let Some(mut body) = workflow_jobs()
        .into_iter()
        .find(|body| body["workflow_job"]["steps"].is_array())
    else {
        eprintln!("skipped: the published payloads are not here");
        return;
    };
    body["installation"] = json!({ "id": 1 });
    body["workflow_job"]["labels"] = json!(["ubuntu-24.04-riscv"]);
    let world = World::new().await;
    let answer = world.send(Delivery::job(&body)).await;
    assert_eq!(answer.status, 200);
    let kept = world.event().await["payload"].clone();
    assert_eq!(
        kept["workflow_job"]["html_url"],
        body["workflow_job"]["html_url"]
    );
    assert_eq!(
        kept["repository"]["full_name"],
        body["repository"]["full_name"]
    );
    for gone in [
        "/workflow_job/steps",
        "/workflow_job/run_url",
        "/repository/license",
        "/repository/clone_url",
        "/repository/owner/avatar_url",
        "/sender/avatar_url",
    ] {
        assert!(body.pointer(gone).is_some(), "{gone} was sent");
        assert_eq!(kept.pointer(gone), None);
    }
    assert!(kept.to_string().len() * 3 < body.to_string().len());
}
