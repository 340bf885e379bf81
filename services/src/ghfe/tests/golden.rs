//! The behaviours of the replaced service that its users' tools rest on, and where ours differs on purpose.

use super::*;

#[tokio::test]
async fn signatures_that_do_not_match_are_refused_without_a_trace() {
    let world = World::new().await;
    let signed = sign(SECRET, b"{}");
    for signature in [
        None,
        Some("sha256=bogus".to_owned()),
        Some(format!("sha256={}", "0".repeat(64))),
        Some(signed.replace("sha256=", "sha1=")),
        Some(sign("another-secret", b"{}")),
        Some(sign(SECRET, b"{} ")),
    ] {
        let mut delivery = Delivery::of("ping", "{}");
        delivery.signature = signature;
        let answer = world.send(delivery).await;
        answer.is(401, "Request signatures didn't match!");
    }
    assert_eq!(world.count("installation_events").await, 0);
    world.send(Delivery::of("ping", "{}")).await.is(200, "pong");
}

#[tokio::test]
async fn missing_headers_and_broken_bodies_are_refused_without_a_trace() {
    let world = World::new().await;
    let mut no_event = Delivery::job(&base());
    no_event.event = None;
    no_event.signature = None;
    world
        .send(no_event)
        .await
        .is(400, "Missing X-Github-Event header");
    for (app, text) in [
        (None, "Missing X-GitHub-Hook-Installation-Target-Id header"),
        (
            Some("abc"),
            "Invalid X-GitHub-Hook-Installation-Target-Id header",
        ),
    ] {
        let mut delivery = Delivery::job(&base());
        delivery.app = app;
        world.send(delivery).await.is(400, text);
    }
    for body in ["{bogus", "", "[]"] {
        let answer = world.send(Delivery::of("workflow_job", body)).await;
        answer.is(400, "Invalid JSON payload");
    }
    assert_eq!(world.count("installation_events").await, 0);
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn ping_writes_its_row() {
    let world = World::new().await;
    let delivery = Delivery::json("ping", &json!({ "zen": "hi" }));
    let id = delivery.id.clone();
    world.send(delivery).await.is(200, "pong");
    let event = world.event().await;
    assert_eq!(event["event"], "ping");
    assert_eq!(event["outcome"], "ok");
    assert_eq!(event["source"], "webhook");
    assert_eq!(event["app_id"], 2_167_633);
    assert_eq!(event["payload"], json!({ "zen": "hi" }));
    assert_eq!(event["delivery_id"], json!(id));
    assert_eq!(event["entity_id"], Value::Null);
}

#[tokio::test]
async fn installation_events_are_logged_with_their_account() {
    let account = json!({ "id": 1, "target_id": 99, "target_type": "Organization", "account": { "login": "org" } });
    let renamed = json!({ "action": "renamed", "target_type": "Organization",
        "account": { "id": 42, "login": "new" }, "installation": { "id": 1 } });
    for (event, body, named, outcome, text, entity) in [
        (
            "installation",
            json!({ "action": "created", "installation": account }),
            "installation.created",
            "ok",
            "installation.created logged",
            json!([1, "Organization", 99, "org"]),
        ),
        (
            "installation_repositories",
            json!({ "action": "added", "installation": account }),
            "installation_repositories.added",
            "ok",
            "installation_repositories.added logged",
            json!([1, "Organization", 99, "org"]),
        ),
        (
            "installation_target",
            renamed,
            "installation_target.renamed",
            "ok",
            "installation_target.renamed logged",
            json!([1, "Organization", 42, "new"]),
        ),
        (
            "unknown_event",
            json!({}),
            "unknown_event",
            "ignored_event",
            "Ignoring unknown_event event",
            json!([null, null, null, null]),
        ),
    ] {
        let world = World::new().await;
        world.send(Delivery::json(event, &body)).await.is(200, text);
        let row = world.event().await;
        assert_eq!(row["event"], named);
        assert_eq!(row["outcome"], outcome);
        assert_eq!(row["source"], "webhook");
        assert_eq!(row["payload"], body);
        let found = ["installation_id", "entity_type", "entity_id", "entity_name"];
        assert_eq!(json!(found.map(|column| row[column].clone())), entity);
    }
}

#[tokio::test]
async fn installation_events_without_their_account_are_refused() {
    let world = World::new().await;
    for (event, body, text) in [
        (
            "installation",
            json!({ "action": "created" }),
            "Missing installation in payload",
        ),
        (
            "installation",
            json!({ "action": "created", "installation": { "id": 1 } }),
            "Missing installation.account in payload",
        ),
        (
            "installation_repositories",
            json!({ "action": "added" }),
            "Missing installation in payload",
        ),
        (
            "installation_target",
            json!({ "action": "renamed", "installation": { "id": 1 } }),
            "Missing account or installation in payload",
        ),
    ] {
        world.send(Delivery::json(event, &body)).await.is(400, text);
    }
    assert_eq!(world.count("installation_events").await, 0);
}

#[tokio::test]
async fn actions_that_mean_nothing_store_no_job() {
    let world = World::new().await;
    let answer = world.send(Delivery::job(&action("waiting"))).await;
    answer.is(200, "Ignoring action: waiting");
    let event = world.event().await;
    assert_eq!(event["outcome"], "ignored_action");
    assert_eq!(event["event"], "workflow_job.waiting");
    assert_eq!(event["job_id"], 7);
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn a_job_without_our_labels_leaves_what_explains_it() {
    let world = World::new().await;
    let mut body = base();
    body["workflow_job"]["labels"] = json!(["ubuntu-26.04-riscv"]);
    body["workflow_job"]["run_id"] = json!(70);
    body["workflow_job"]["url"] = json!("u");
    body["workflow_job"]["steps"] = json!([{}]);
    body["repository"]["owner"]["url"] = json!("u");
    let answer = world.send(Delivery::job(&body)).await;
    answer.is(200, "Ignoring job: missing required platform label");
    let event = world.event().await;
    assert_eq!(event["outcome"], "ignored_no_label");
    assert_eq!(event["job_id"], 7);
    assert_eq!(event["entity_id"], 99);
    assert_eq!(
        event["payload"],
        json!({ "workflow_job": { "id": 7, "run_id": 70, "labels": ["ubuntu-26.04-riscv"],
                "html_url": "https://example.com" }, "repository": { "full_name": "x/y" } })
    );
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn a_queued_job_is_stored() {
    let world = World::new().await;
    let mut body = base();
    body["workflow_job"]["labels"] = json!(["ubuntu-24.04-riscv"]);
    body["workflow_job"]["created_at"] = json!("2026-01-02T03:04:05Z");
    body["workflow_job"]["run_id"] = json!(5_000_000_000_i64);
    body["workflow_job"]["run_attempt"] = json!(3);
    body["workflow_job"]["workflow_name"] = json!("CI");
    body["workflow_job"]["head_branch"] = json!("main");
    body["repository"]["private"] = json!(true);
    body["sender"] = json!({ "id": 8, "login": "someone" });
    world
        .send(Delivery::job(&body))
        .await
        .is(200, "Job 7 stored.");
    let job = world.job(7).await;
    for (column, value) in [
        ("status", json!("pending")),
        ("provider", json!("github")),
        ("entity_id", json!(99)),
        ("entity_name", json!("x")),
        ("entity_type", json!("Organization")),
        ("repo_full_name", json!("x/y")),
        ("installation_id", json!(1)),
        ("job_labels", json!(["ubuntu-24.04-riscv"])),
        ("k8s_pool", json!("scw-em-rv1")),
        ("k8s_image", json!("example/runner:24-staging")),
        ("k8s_pod", Value::Null),
        ("html_url", json!("https://example.com")),
        ("run_id", json!(5_000_000_000_i64)),
        ("run_attempt", json!(3)),
        ("repo_id", json!(2)),
        ("workflow_name", json!("CI")),
        ("job_name", json!("build")),
        ("head_branch", json!("main")),
        ("sender_id", json!(8)),
        ("sender_login", json!("someone")),
        ("private", json!(true)),
        ("queued_at", json!("2026-01-02T03:04:05+00:00")),
        ("started_at", Value::Null),
        ("finished_at", Value::Null),
        ("conclusion", Value::Null),
        ("failure_info", Value::Null),
        ("waiting_reason", Value::Null),
    ] {
        assert_eq!(job[column], value, "{column}");
    }
    let event = world.event().await;
    assert_eq!(event["outcome"], "job_stored");
    assert_eq!(event["event"], "workflow_job.queued");
    let found = [
        "installation_id",
        "entity_type",
        "entity_id",
        "entity_name",
        "job_id",
    ];
    assert_eq!(
        json!(found.map(|column| event[column].clone())),
        json!([1, "Organization", 99, "x", 7])
    );
}

#[tokio::test]
async fn a_job_that_is_there_is_not_stored_again() {
    let world = World::new().await;
    let without_id = || {
        let mut delivery = Delivery::job(&base());
        delivery.id = None;
        delivery
    };
    world.send(without_id()).await.is(200, "Job 7 stored.");
    world
        .send(without_id())
        .await
        .is(200, "Job 7 already exists.");
    assert_eq!(world.count("jobs").await, 1);
    let events = world.events().await;
    let outcomes: Vec<_> = events.iter().map(|event| &event["outcome"]).collect();
    assert_eq!(outcomes, ["job_stored", "job_already_exists"]);
    assert_eq!(events[0]["delivery_id"], Value::Null);
}

#[tokio::test]
async fn jobs_without_what_they_need_are_refused() {
    let world = World::new().await;
    for (pointer, text) in [
        ("/repository", "Missing repository in payload"),
        ("/installation", "Missing installation in payload"),
        ("/workflow_job", "Missing workflow_job in payload"),
        ("/repository/owner", "Missing repository.owner in payload"),
        ("/workflow_job/id", "Job ID is missing in payload"),
        (
            "/repository/full_name",
            "Repository full name is missing in payload",
        ),
        ("/repository/id", "Repository ID is missing in payload"),
        ("/repository/owner/id", "Owner ID is missing in payload"),
        ("/installation/id", "Installation ID is missing in payload"),
        ("/workflow_job/html_url", "HTML URL is missing in payload"),
        (
            "/repository/owner/login",
            "Entity name is missing in payload",
        ),
    ] {
        world
            .send(Delivery::job(&without(pointer)))
            .await
            .is(400, text);
    }
    let mut bot = base();
    bot["repository"]["owner"]["type"] = json!("Bot");
    let answer = world.send(Delivery::job(&bot)).await;
    answer.is(400, "unsupported entity type: \"Bot\"");
    assert_eq!(world.count("installation_events").await, 0);
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn a_job_runs_and_completes() {
    let world = World::new().await;
    world
        .send(Delivery::job(&base()))
        .await
        .is(200, "Job 7 stored.");
    let mut running = action("in_progress");
    running["workflow_job"]["started_at"] = json!("2026-01-02T03:05:00Z");
    let answer = world.send(Delivery::job(&running)).await;
    answer.is(200, "Job 7 marked running (was pending).");
    let job = world.job(7).await;
    assert_eq!(
        (&job["status"], &job["k8s_pod"]),
        (&json!("running"), &json!("r-1"))
    );
    assert_eq!(job["started_at"], "2026-01-02T03:05:00+00:00");

    let mut completed = action("completed");
    completed["workflow_job"]["completed_at"] = json!("2026-01-02T03:06:00Z");
    completed["workflow_job"]["conclusion"] = json!("failure");
    let answer = world.send(Delivery::job(&completed)).await;
    answer.is(200, "Job 7 completed (was running).");
    let answer = world.send(Delivery::job(&running)).await;
    answer.is(200, "Job 7 marked running (was completed).");
    let answer = world.send(Delivery::job(&completed)).await;
    answer.is(200, "Job 7 completed (was completed).");
    let job = world.job(7).await;
    assert_eq!(
        (&job["status"], &job["k8s_pod"]),
        (&json!("completed"), &json!("r-1"))
    );
    assert_eq!(job["finished_at"], "2026-01-02T03:06:00+00:00");
    assert_eq!(job["conclusion"], "failure");
    let events = world.events().await;
    let outcomes: Vec<_> = events.iter().map(|event| &event["outcome"]).collect();
    assert_eq!(
        outcomes,
        [
            "job_stored",
            "job_marked_running",
            "job_marked_completed",
            "job_marked_running",
            "job_marked_completed"
        ]
    );
}

#[tokio::test]
async fn an_unknown_job_is_stored_as_it_is_told() {
    for (word, text, status, outcome) in [
        (
            "in_progress",
            "Job 7 marked running (was unknown).",
            "running",
            "job_marked_running",
        ),
        (
            "completed",
            "Job 7 completed (was unknown).",
            "completed",
            "job_marked_completed",
        ),
    ] {
        let world = World::new().await;
        world.send(Delivery::job(&action(word))).await.is(200, text);
        world
            .send(Delivery::job(&base()))
            .await
            .is(200, "Job 7 already exists.");
        let job = world.job(7).await;
        assert_eq!(
            (&job["status"], &job["k8s_pod"]),
            (&json!(status), &json!("r-1"))
        );
        assert_eq!(world.events().await[0]["outcome"], outcome);
    }
}

#[tokio::test]
async fn labels_and_owner_decide_the_pool() {
    let world = World::new().await;
    for (job, entity, name, labels, pool) in [
        (
            1,
            999,
            "o/r",
            json!(["ubuntu-24.04-riscv"]),
            json!("scw-em-rv1"),
        ),
        (2, 999, "o/r", json!([]), Value::Null),
        (3, 999, "o/r", json!(["ubuntu-26.04-riscv"]), Value::Null),
        (
            4,
            134_263_123,
            "g/x",
            json!(["ubuntu-24.04-riscv"]),
            json!("cloudv10x-jupiter"),
        ),
        (
            5,
            134_263_123,
            "g/x",
            json!(["ubuntu-24.04-riscv", "extra"]),
            Value::Null,
        ),
        (
            6,
            152_654_596,
            "r/llama.cpp",
            json!(["ubuntu-24.04-riscv"]),
            json!("cloudv10x-jupiter"),
        ),
    ] {
        let mut body = base();
        body["workflow_job"]["id"] = json!(job);
        body["workflow_job"]["labels"] = labels;
        body["repository"]["owner"]["id"] = json!(entity);
        body["repository"]["full_name"] = json!(name);
        assert_eq!(world.send(Delivery::job(&body)).await.status, 200);
        assert_eq!(world.job(job).await["k8s_pool"], pool, "job {job}");
    }
}

#[tokio::test]
async fn labels_are_stored_as_sent_and_sorted() {
    let world = World::with(|config| {
        let mut open = config.routing.routes[1].clone();
        open.labels = LabelSet::new(["b"]);
        open.label_match = LabelMatch::Contains;
        config.routing.routes.push(open);
    })
    .await;
    let mut body = base();
    body["workflow_job"]["labels"] = json!(["b", "a", "B", "b"]);
    world
        .send(Delivery::job(&body))
        .await
        .is(200, "Job 7 stored.");
    assert_eq!(
        world.job(7).await["job_labels"],
        json!(["B", "a", "b", "b"])
    );
}

#[tokio::test]
async fn those_who_are_not_allowed_and_private_repositories_hear_so() {
    let world = World::with(|config| {
        config.section.public_only = true;
        config.routing.routes[1].allow = vec![EntityId(99)];
    })
    .await;
    let mut body = base();
    let answer = world.send(Delivery::job(&body)).await;
    answer.is(200, "Ignoring job: repository is private");
    body["repository"]["private"] = json!(false);
    body["repository"]["owner"]["id"] = json!(100);
    let answer = world.send(Delivery::job(&body)).await;
    answer.is(200, "Ignoring job: entity may not use these labels");
    let events = world.events().await;
    let outcomes: Vec<_> = events.iter().map(|event| &event["outcome"]).collect();
    assert_eq!(outcomes, ["ignored_private", "not_allowed"]);
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn another_app_s_deliveries_are_logged_only() {
    let world = World::new().await;
    let mut delivery = Delivery::job(&base());
    delivery.app = Some("42");
    world
        .send(delivery)
        .await
        .is(200, "Ignoring delivery: unknown App 42");
    let event = world.event().await;
    assert_eq!(
        (&event["outcome"], &event["app_id"]),
        (&json!("unknown_app"), &json!(42))
    );
    assert_eq!(world.count("jobs").await, 0);
    let mut personal = Delivery::job(&base());
    personal.app = Some("3131217");
    world.send(personal).await.is(200, "Job 7 stored.");
}

#[tokio::test]
async fn every_path_takes_deliveries_and_other_methods_are_refused() {
    let world = World::new().await;
    for path in ["/", "/health", "/ready", "/trace/job/1", "/any/where"] {
        let answer = world
            .service
            .send_to(path, Delivery::of("ping", "{}"))
            .await;
        answer.is(200, "pong");
    }
    assert_eq!(world.count("installation_events").await, 5);
    world.service.get("/health", None).await.is(200, "ok");
    world.service.get("/ready", None).await.is(200, "ready");
    for path in ["/", "/any/where", "/trace/nothing/1"] {
        assert_eq!(world.service.get(path, None).await.status, 405, "{path}");
    }
    for (method, path, status) in [
        (http::Method::HEAD, "/health", 200),
        (http::Method::HEAD, "/", 405),
        (http::Method::PUT, "/", 405),
        (http::Method::DELETE, "/health", 405),
    ] {
        let url = format!("{}{path}", world.service.base);
        let response = world
            .service
            .client
            .request(method, url)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), status);
        assert!(status == 200 || response.headers().contains_key("allow"));
    }
}

#[tokio::test]
async fn forms_are_read_and_signed_as_they_came() {
    let world = World::new().await;
    let form = |fields: &[(&str, &str)]| {
        let body = serde_urlencoded::to_string(fields).unwrap();
        let mut delivery = Delivery::of("workflow_job", body);
        delivery.content_type = "application/x-www-form-urlencoded";
        delivery
    };
    let body = base().to_string();
    let answer = world
        .send(form(&[("other", "1"), ("payload", &body)]))
        .await;
    answer.is(200, "Job 7 stored.");
    world
        .send(form(&[("other", "1")]))
        .await
        .is(400, "Invalid JSON payload");
    world
        .send(form(&[("payload", "{bogus")]))
        .await
        .is(400, "Invalid JSON payload");
    let mut misnamed = Delivery::job(&base());
    misnamed.content_type = "application/x-www-form-urlencoded";
    world.send(misnamed).await.is(200, "Job 7 already exists.");
}

#[tokio::test]
async fn the_secret_can_be_rotated() {
    let world = World::with(|config| config.webhook_secret = "old\nnew\n".into()).await;
    for (secret, status) in [
        ("old", 200),
        ("new", 200),
        ("old\nnew\n", 200),
        ("older", 401),
    ] {
        let mut delivery = Delivery::of("ping", "{}");
        delivery.signature = Some(sign(secret, b"{}"));
        assert_eq!(world.send(delivery).await.status, status, "{secret}");
    }
}
