//! `/trace/`: who may read, and what they see.

use super::*;

async fn trace(world: &World, path: &str) -> (u16, Value) {
    let answer = world.service.get(path, Some(TRACE_SECRET)).await;
    let body = serde_json::from_str(&answer.text).unwrap_or(Value::String(answer.text));
    (answer.status.as_u16(), body)
}

#[tokio::test]
async fn only_the_token_opens_it() {
    let world = World::new().await;
    for path in [
        "/trace/entity/1",
        "/trace/installation/1",
        "/trace/job/1",
        "/trace/payload/x",
    ] {
        for token in [
            None,
            Some(""),
            Some("trace-secre"),
            Some("trace-secret2"),
            Some(SECRET),
        ] {
            world.service.get(path, token).await.is(401, "Unauthorized");
        }
    }
}

#[tokio::test]
async fn an_id_is_a_number() {
    let world = World::new().await;
    for (path, text) in [
        ("/trace/entity/abc", "Invalid entity_id"),
        ("/trace/installation/1.5", "Invalid installation_id"),
        ("/trace/job/99999999999999999999", "Invalid job_id"),
        ("/trace/payload/%20", "Invalid event_id"),
    ] {
        world
            .service
            .get(path, Some(TRACE_SECRET))
            .await
            .is(400, text);
    }
}

#[tokio::test]
async fn what_is_unknown_is_said_to_be() {
    let world = World::new().await;
    assert_eq!(
        trace(&world, "/trace/entity/1").await,
        (200, json!({ "events": [] }))
    );
    for (path, text) in [
        ("/trace/installation/1", "Entity not found"),
        ("/trace/job/1", "Entity not found"),
        ("/trace/payload/1", "Payload not found"),
    ] {
        assert_eq!(trace(&world, path).await, (404, json!(text)));
    }
}

#[tokio::test]
async fn events_have_the_shape_of_the_replaced_service() {
    let world = World::new().await;
    let installed = json!({ "action": "created", "installation": {
        "id": 1, "target_id": 99, "target_type": "Organization", "account": { "login": "x" } } });
    world.send(Delivery::json("installation", &installed)).await;
    world.send(Delivery::job(&base())).await;
    // As the replaced service writes it: without the added columns.
    world
        .database
        .execute(
            "INSERT INTO installation_events (source, event, outcome, entity_id, payload, received_at)
             VALUES ('webhook', 'workflow_job.completed', 'job_marked_completed', 99,
                     '{\"workflow_job\": {\"id\": 6}, \"repository\": {\"full_name\": \"x/z\"}}',
                     '2026-01-02T03:04:05.678901Z')",
        )
        .await;
    for path in ["/trace/entity/99", "/trace/installation/1", "/trace/job/7"] {
        let text = world.service.get(path, Some(TRACE_SECRET)).await.text;
        let first = r#"{"events":[{"id":3,"source":"webhook","event":"workflow_job.completed","outcome":"job_marked_completed","entity_id":99,"received_at":"2026-01-02T03:04:05.678901Z","job_id":"6","repo_full_name":"x/z"},{"id":1,"#;
        assert!(text.starts_with(first), "{text}");
        let mut body: Value = serde_json::from_str(&text).unwrap();
        let events = body["events"].as_array_mut().unwrap();
        assert_eq!(events.len(), 3);
        for event in events.iter_mut().skip(1) {
            let at = event
                .as_object_mut()
                .unwrap()
                .remove("received_at")
                .unwrap();
            assert!(
                at.as_str()
                    .unwrap()
                    .parse::<chrono::DateTime<chrono::Utc>>()
                    .is_ok()
            );
        }
        assert_eq!(
            events[1],
            json!({ "id": 1, "source": "webhook", "event": "installation.created", "outcome": "ok",
                    "installation_id": 1, "app_id": 2_167_633, "entity_type": "Organization", "entity_id": 99,
                    "entity_name": "x" })
        );
        assert_eq!(
            events[2],
            json!({ "id": 2, "source": "webhook", "event": "workflow_job.queued", "outcome": "job_stored",
                    "installation_id": 1, "app_id": 2_167_633, "entity_type": "Organization", "entity_id": 99,
                    "entity_name": "x", "job_id": "7", "repo_full_name": "x/y" })
        );
    }
}

#[tokio::test]
async fn a_payload_is_shown_whole() {
    let world = World::new().await;
    world.send(Delivery::of("star", r#"{"k": "v"}"#)).await;
    let url = format!("{}/trace/payload/1", world.service.base);
    let request = world.service.client.get(url).bearer_auth(TRACE_SECRET);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().await.unwrap(), r#"{"payload":{"k":"v"}}"#);
}

#[tokio::test]
async fn a_job_that_was_ignored_leads_to_its_account() {
    let world = World::new().await;
    let mut body = base();
    body["workflow_job"]["labels"] = json!(["ubuntu-26.04-riscv"]);
    world.send(Delivery::job(&body)).await;
    let (status, body) = trace(&world, "/trace/job/7").await;
    assert_eq!(status, 200);
    assert_eq!(body["events"][0]["outcome"], "ignored_no_label");
    assert_eq!(body["events"][0]["job_id"], "7");
    assert_eq!(body["events"][0]["repo_full_name"], "x/y");
}

#[tokio::test]
async fn a_personal_account_is_found_by_a_row_that_names_its_repository() {
    let world = World::new().await;
    let installed = json!({ "action": "created", "installation": {
        "id": 5, "target_id": 42, "target_type": "User", "account": { "login": "someone" } } });
    world.send(Delivery::json("installation", &installed)).await;
    // The replaced service's ancestor wrote the repository's id where the account's belongs.
    let job = |id: i64, installation: i64| {
        format!(
            "INSERT INTO jobs (job_id, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
             k8s_pool, k8s_image) VALUES ({id}, 'github', 777, 'someone', 'User', 'someone/r', {installation}, 'p', 'i')"
        )
    };
    world.database.execute(&job(1, 5)).await;
    world.database.execute(&job(2, 6)).await;
    let (_, body) = trace(&world, "/trace/job/1").await;
    assert_eq!(body["events"][0]["entity_id"], 42);
    // Without a log of the installation there is the row only.
    assert_eq!(
        trace(&world, "/trace/job/2").await,
        (200, json!({ "events": [] }))
    );
    assert_eq!(
        trace(&world, "/trace/installation/6").await,
        (200, json!({ "events": [] }))
    );
}
