//! GitHub's REST API and its webhooks.

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::json;

use super::support::{Answer, Client, RISCV, Receiver, config, installation, open, soon};
use crate::doors::Doors;
use crate::doors::faults::Fault;
use crate::doors::trouble::{ApiTrouble, WebhookTrouble};
use crate::doors::webhooks::signature;
use crate::world::World;
use crate::world::github::{AppKind, DeliveryStatus, GitHubConfig, JobId, Poll, RunnerId};

fn queue(doors: &Doors, repository: &str) -> JobId {
    doors.world().with(|world| {
        let now = world.now();
        world
            .github
            .queue_job(repository, &[RISCV], TimeDelta::seconds(5), now)
            .unwrap()
    })
}

/// What a runner process does: connect, take a job.
fn connect_and_poll(doors: &Doors, jit: &Answer) -> (RunnerId, Poll) {
    let config = jit.body["encoded_jit_config"].as_str().unwrap();
    doors.world().with(|world| {
        let now = world.now();
        let runner = world.github.runner_connect(config, now).unwrap();
        (runner, world.github.runner_poll(runner, now))
    })
}

fn finish(doors: &Doors, runner: RunnerId) {
    doors.world().with(|world| {
        let now = world.now();
        world.github.runner_finish(runner, "success", now);
    });
}

fn jit(name: &str) -> serde_json::Value {
    json!({"name": name, "runner_group_id": 1, "labels": [RISCV], "work_folder": "../../../work"})
}

#[tokio::test]
async fn an_organisations_job_end_to_end() {
    let mut doors = open(GitHubConfig::quiet()).await;
    let receiver = Receiver::listen(&mut doors).await;
    let job = queue(&doors, "ggml-org/llama.cpp");
    let queued = receiver.at_least(1).await.remove(0);
    assert_eq!(queued.name(), "workflow_job.queued");
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;

    let groups = client.get("/orgs/ggml-org/actions/runner-groups").await;
    assert_eq!(groups.body["total_count"], 1);
    let group = json!({
        "name": "RISE RISC-V Runners",
        "visibility": "all",
        "allows_public_repositories": true,
    });
    let group = client
        .post("/orgs/ggml-org/actions/runner-groups", &group)
        .await;
    assert_eq!(group.status, 201);
    let mut request = jit("rise-1");
    request["runner_group_id"] = group.body["id"].clone();
    let made = client
        .post(
            "/orgs/ggml-org/actions/runners/generate-jitconfig",
            &request,
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.body["runner"]["status"], "offline");
    let path = format!(
        "/orgs/ggml-org/actions/runners/{}",
        made.body["runner"]["id"]
    );

    let (runner, poll) = connect_and_poll(&doors, &made);
    assert!(matches!(poll, Poll::Job(assigned) if assigned.job_id == job.0));
    let seen = client.get(&path).await.body;
    assert_eq!(
        (&seen["status"], &seen["busy"]),
        (&json!("online"), &json!(true))
    );
    let refused = client.delete(&path).await;
    assert_eq!(refused.status, 422);
    assert_eq!(
        refused.message(),
        "Bad request - Runner \"rise-1\" is still running a job\""
    );
    let job_path = format!("/repos/ggml-org/llama.cpp/actions/jobs/{}", job.0);
    let running = client.get(&job_path).await.body;
    assert_eq!(
        (&running["status"], &running["runner_name"]),
        (&json!("in_progress"), &json!("rise-1"))
    );

    finish(&doors, runner);
    let done = client.get(&job_path).await.body;
    assert_eq!(
        (&done["status"], &done["conclusion"]),
        (&json!("completed"), &json!("success"))
    );
    assert_eq!(client.get(&path).await.status, 404);
    let mut heard: Vec<_> = receiver
        .at_least(3)
        .await
        .iter()
        .map(|it| it.name())
        .collect();
    heard.sort();
    assert_eq!(
        heard,
        [
            "workflow_job.completed",
            "workflow_job.in_progress",
            "workflow_job.queued"
        ]
    );
    doors.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_personal_accounts_job_end_to_end() {
    let mut doors = open(GitHubConfig::quiet()).await;
    let receiver = Receiver::listen(&mut doors).await;
    let job = queue(&doors, "sandbox-ada/rv-notes");
    let client = Client::installation(&doors, AppKind::Personal, "sandbox-ada").await;
    let path = "/repos/sandbox-ada/rv-notes/actions/runners";
    let made = client
        .post(&format!("{path}/generate-jitconfig"), &jit("rise-p"))
        .await;
    let (runner, poll) = connect_and_poll(&doors, &made);
    assert!(matches!(poll, Poll::Job(assigned) if assigned.job_id == job.0));
    assert_eq!(client.get(path).await.body["runners"][0]["busy"], true);
    let run = client
        .get(&format!(
            "/repos/sandbox-ada/rv-notes/actions/jobs/{}",
            job.0
        ))
        .await;
    let run = &run.body["run_id"];
    let run_path = format!("/repos/sandbox-ada/rv-notes/actions/runs/{run}");
    assert_eq!(client.get(&run_path).await.body["status"], "in_progress");
    finish(&doors, runner);
    assert_eq!(client.get(&run_path).await.body["conclusion"], "success");
    let jobs = client
        .get(&format!("{run_path}/jobs?filter=latest&per_page=100"))
        .await
        .body;
    assert_eq!(
        (&jobs["total_count"], &jobs["jobs"][0]["id"]),
        (&json!(1), &json!(job.0))
    );
    assert_eq!(client.get(path).await.body["total_count"], 0);
    let heard = receiver.at_least(3).await;
    for event in heard {
        assert_eq!(
            event.headers["x-github-hook-installation-target-id"],
            "3131217"
        );
        assert!(event.payload.get("organization").is_none());
        assert_eq!(event.payload["repository"]["owner"]["type"], "User");
    }
}

#[tokio::test]
async fn deliveries_carry_githubs_headers_and_a_good_signature() {
    let mut doors = open(GitHubConfig {
        announce_installations: true,
        ..GitHubConfig::quiet()
    })
    .await;
    let receiver = Receiver::listen(&mut doors).await;
    let all = receiver.at_least(5).await;
    for event in &all {
        assert_eq!(event.name(), "installation.created");
        let header = |name: &str| event.headers[name].as_str();
        assert_eq!(
            header("x-hub-signature-256"),
            signature("sandbox-webhook-secret", &event.raw)
        );
        assert_eq!(header("content-type"), "application/json");
        assert!(header("user-agent").starts_with("GitHub-Hookshot/"));
        assert_eq!(
            header("x-github-hook-installation-target-type"),
            "integration"
        );
        assert_eq!(header("x-github-delivery").len(), 36);
        let app = event.payload["installation"]["app_id"].to_string();
        assert_eq!(header("x-github-hook-installation-target-id"), app);
    }
}

#[tokio::test]
async fn a_failed_delivery_is_not_repeated_until_somebody_asks() {
    let mut doors = open(GitHubConfig::quiet()).await;
    let receiver = Receiver::listen(&mut doors).await;
    receiver.answer_with(StatusCode::INTERNAL_SERVER_ERROR);
    queue(&doors, "ggml-org/llama.cpp");
    receiver.at_least(1).await;
    let app = Client::app(&doors, AppKind::Organization);
    let answered = |world: &World| world.github.deliveries(2_167_633).count() == 1;
    soon(doors.world().until(answered)).await;
    let failures = app.get("/app/hook/deliveries?status=failure").await.body;
    assert_eq!(
        (&failures[0]["status_code"], &failures[0]["redelivery"]),
        (&json!(500), &json!(false))
    );
    assert_eq!(
        app.get("/app/hook/deliveries?status=success").await.body,
        json!([])
    );

    receiver.answer_with(StatusCode::OK);
    let id = &failures[0]["id"];
    let again = app
        .post(&format!("/app/hook/deliveries/{id}/attempts"), &json!({}))
        .await;
    assert_eq!(again.status, 202);
    let received = receiver.at_least(2).await;
    let guid = |index: usize| received[index].headers["x-github-delivery"].clone();
    assert_eq!((received.len(), guid(0)), (2, guid(1)));
    let answered = |world: &World| world.github.deliveries(2_167_633).count() == 2;
    soon(doors.world().until(answered)).await;
    let newest = &app.get("/app/hook/deliveries?per_page=1").await;
    assert_eq!(
        (
            &newest.body[0]["status_code"],
            &newest.body[0]["redelivery"]
        ),
        (&json!(200), &json!(true))
    );
    let older = app.get(&newest.next().unwrap()).await;
    assert_eq!(older.body[0]["id"], *id);
    assert_eq!(older.next(), None);
}

#[tokio::test]
async fn a_receiver_that_is_away_is_a_failure_to_connect() {
    let doors = open(GitHubConfig::quiet()).await;
    queue(&doors, "ggml-org/llama.cpp");
    // A port that was just free: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    doors
        .webhooks()
        .set_target(Some(&format!("http://{address}/")));
    let answered = |world: &World| world.github.deliveries(2_167_633).count() == 1;
    soon(doors.world().until(answered)).await;
    let app = Client::app(&doors, AppKind::Organization);
    let failure = &app.get("/app/hook/deliveries").await.body[0];
    assert_eq!(failure["status"], "failed to connect to host");
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_times_out_and_does_not_hold_up_others() {
    let mut config = config(GitHubConfig::quiet());
    config.webhooks.timeout = std::time::Duration::from_millis(200);
    config.webhooks.parallel = 2;
    let mut doors = Doors::start(config).await.unwrap();
    let silent = axum::Router::new().fallback(std::future::pending::<()>);
    let url = doors.serve("silent", silent).await.unwrap();
    doors.webhooks().set_target(Some(&url));
    for _ in 0..5 {
        queue(&doors, "ggml-org/llama.cpp");
    }
    let all = |world: &World| world.github.deliveries(2_167_633).count() == 5;
    soon(doors.world().until(all)).await;
    doors.world().read(|world| {
        for delivery in world.github.deliveries(2_167_633) {
            assert_eq!(delivery.answer.unwrap().status, DeliveryStatus::TimedOut);
        }
    });
}

#[tokio::test]
async fn a_task_that_ends_by_itself_is_noticed() {
    let mut doors = open(GitHubConfig::quiet()).await;
    doors.own("short", async {});
    assert!(soon(doors.task_ended()).await.to_string().contains("short"));
}

#[tokio::test]
async fn apps_prove_themselves_with_a_signed_jwt() {
    let doors = open(GitHubConfig::quiet()).await;
    let now = doors.world().read(|world| world.now()).timestamp();
    let org = AppKind::Organization;
    let claims = |iss: serde_json::Value, iat: i64, exp: i64| json!({"iss": iss, "iat": now + iat, "exp": now + exp});
    let client_id = doors
        .world()
        .read(|world| world.github.apps()[0].client_id.clone());
    for (key, claims, status) in [
        (org, claims(json!("2167633"), -60, 540), 200),
        (org, claims(json!(2_167_633), -60, 540), 200),
        (org, claims(json!(client_id), -60, 540), 200),
        (AppKind::Personal, claims(json!("2167633"), -60, 540), 401),
        (org, claims(json!("1"), -60, 540), 404),
        (org, claims(json!("2167633"), -60, 3_600), 401),
        (org, claims(json!("2167633"), -600, -1), 401),
        (org, claims(json!("2167633"), 300, 540), 401),
        (org, json!({"iat": now, "exp": now + 60}), 401),
    ] {
        let answer = Client::jwt(&doors, key, &claims).get("/app").await;
        assert_eq!(answer.status, status, "{claims}: {}", answer.body);
    }
    let nobody = Client::anonymous(&doors);
    assert_eq!(nobody.get("/app").await.status, 401);
    assert_eq!(nobody.with_secret("a.b.c").get("/app").await.status, 401);
    assert_eq!(
        nobody
            .with_secret("ghs_guess")
            .get("/rate_limit")
            .await
            .status,
        401
    );
    assert_eq!(
        nobody
            .with_secret("ghp_guess")
            .get("/rate_limit")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn credentials_reach_only_what_is_theirs() {
    let mut config = GitHubConfig::quiet();
    config.accounts[0].repositories[1].private = true;
    config.actions_permission = false;
    let doors = open(config).await;
    let app = Client::app(&doors, AppKind::Organization);
    let ggml = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    let ada = Client::installation(&doors, AppKind::Personal, "sandbox-ada").await;
    let nobody = Client::anonymous(&doors);
    let ggml_runners = "/orgs/ggml-org/actions/runners";
    let ada_runners = "/repos/sandbox-ada/rv-notes/actions/runners";
    for (who, client, path, status) in [
        ("own runners", &ggml, ggml_runners, 200),
        (
            "another organisation's",
            &ggml,
            "/orgs/sandbox-openkernel/actions/runners",
            403,
        ),
        (
            "no organisation's",
            &ggml,
            "/orgs/nobody/actions/runners",
            404,
        ),
        (
            "a user is no organisation",
            &ggml,
            "/orgs/sandbox-ada/actions/runners",
            404,
        ),
        (
            "the wrong App for repositories",
            &ggml,
            "/repos/ggml-org/llama.cpp/actions/runners",
            403,
        ),
        ("own repository's", &ada, ada_runners, 200),
        (
            "somebody's repository's",
            &ada,
            "/repos/sandbox-tomas/zig-rv/actions/runners",
            403,
        ),
        (
            "no repository's",
            &ada,
            "/repos/sandbox-ada/gone/actions/runners",
            404,
        ),
        ("the wrong App for organisations", &ada, ggml_runners, 403),
        ("a JWT is no token", &app, ggml_runners, 403),
        ("a token is no JWT", &ggml, "/app", 401),
        ("nobody", &nobody, ggml_runners, 401),
        (
            "public runs are everybody's",
            &nobody,
            "/repos/ggml-org/llama.cpp/actions/runs",
            200,
        ),
        (
            "private repositories are hidden",
            &nobody,
            "/repos/ggml-org/whisper.cpp",
            404,
        ),
        (
            "private repositories are seen by their own",
            &ggml,
            "/repos/ggml-org/whisper.cpp",
            200,
        ),
        (
            "runs need a permission",
            &ggml,
            "/repos/ggml-org/whisper.cpp/actions/runs",
            403,
        ),
        ("unknown paths", &nobody, "/nothing/here", 404),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status, status, "{who}: {}", answer.body);
    }
    let other = installation(doors.world(), AppKind::Personal, "sandbox-ada");
    let path = format!("/app/installations/{other}/access_tokens");
    assert_eq!(
        app.post(&path, &json!({})).await.status,
        404,
        "another App's installation"
    );
}

#[tokio::test]
async fn suspension_and_uninstallation_are_told_apart() {
    let doors = open(GitHubConfig::quiet()).await;
    let app = Client::app(&doors, AppKind::Organization);
    let token = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    let id = installation(doors.world(), AppKind::Organization, "ggml-org");
    let path = format!("/app/installations/{id}/access_tokens");
    doors.world().with(|world| {
        let now = world.now();
        world.github.suspend("ggml-org", now).unwrap();
    });
    let refused = app.post(&path, &json!({})).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.message(), "This installation has been suspended");
    assert_eq!(
        token.get("/orgs/ggml-org/actions/runners").await.status,
        403
    );
    doors.world().with(|world| {
        let now = world.now();
        world.github.uninstall("ggml-org", now).unwrap();
    });
    assert_eq!(app.post(&path, &json!({})).await.status, 404);
    assert_eq!(
        app.get(&format!("/app/installations/{id}")).await.status,
        404
    );
    assert_eq!(app.get("/orgs/ggml-org/installation").await.status, 404);
    assert_eq!(
        token.get("/orgs/ggml-org/actions/runners").await.status,
        401
    );
}

#[tokio::test]
async fn bad_registrations_are_refused_in_githubs_words() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    let path = "/orgs/ggml-org/actions/runners/generate-jitconfig";
    assert_eq!(client.post(path, &jit("twice")).await.status, 201);
    let taken = client.post(path, &jit("twice")).await;
    assert_eq!(taken.status, 409);
    assert_eq!(
        taken.message(),
        "Already exists - A runner with the name *** already exists."
    );
    let mut no_labels = jit("other");
    no_labels["labels"] = json!([]);
    assert_eq!(client.post(path, &no_labels).await.status, 422);
    let mut no_group = jit("other");
    no_group["runner_group_id"] = json!(77);
    assert_eq!(client.post(path, &no_group).await.status, 404);
    assert_eq!(client.post(path, &json!({"name": "x"})).await.status, 422);
}

#[tokio::test]
async fn lists_come_in_pages_that_link_to_the_next() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    for number in 0..35 {
        let path = "/orgs/ggml-org/actions/runners/generate-jitconfig";
        assert_eq!(
            client.post(path, &jit(&format!("r-{number}"))).await.status,
            201
        );
    }
    let first = client.get("/orgs/ggml-org/actions/runners").await;
    assert_eq!(first.body["runners"].as_array().unwrap().len(), 30);
    assert_eq!(first.body["total_count"], 35);
    let second = client.get(&first.next().unwrap()).await;
    assert_eq!(second.body["runners"].as_array().unwrap().len(), 5);
    assert_eq!(second.next(), None);
    let named = client.get("/orgs/ggml-org/actions/runners?name=r-7").await;
    assert_eq!(named.body["runners"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn unchanged_answers_cost_nothing_and_belong_to_a_token() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    let path = "/orgs/ggml-org/actions/runner-groups";
    let first = client.get(path).await;
    let used = first.header("x-ratelimit-used").to_owned();
    let again = client.get_if_changed(path, first.header("etag")).await;
    assert_eq!(again.status, 304);
    assert_eq!(again.header("x-ratelimit-used"), used);
    let other = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    assert_eq!(
        other
            .get_if_changed(path, first.header("etag"))
            .await
            .status,
        200
    );
    client.post(path, &json!({"name": "new"})).await;
    assert_eq!(
        client
            .get_if_changed(path, first.header("etag"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn who_asks_too_often_is_refused_until_the_window_ends() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    doors
        .world()
        .with(|world| world.github.set_request_limit(3));
    let path = "/orgs/ggml-org/actions/runners";
    for left in ["2", "1", "0"] {
        assert_eq!(client.get(path).await.header("x-ratelimit-remaining"), left);
    }
    let refused = client.get(path).await;
    assert_eq!(refused.status, 403);
    assert!(
        refused
            .message()
            .starts_with("API rate limit exceeded for installation ID")
    );
    assert_eq!(refused.header("x-ratelimit-remaining"), "0");
    let limit = client.get("/rate_limit").await;
    assert_eq!(limit.status, 200, "asking for the limit is free");
    assert_eq!(limit.body["resources"]["core"]["remaining"], 0);
    assert_eq!(
        limit.body["resources"]["core"]["reset"].to_string(),
        refused.header("x-ratelimit-reset")
    );
}

#[tokio::test]
async fn who_asks_too_fast_meets_the_secondary_limit() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    doors
        .world()
        .with(|world| world.github.set_points_limit(Some(11)));
    let path = "/orgs/ggml-org/actions/runners";
    for name in ["a", "b"] {
        let made = client
            .post(&format!("{path}/generate-jitconfig"), &jit(name))
            .await;
        assert_eq!(made.status, 201);
    }
    let refused = client
        .post(&format!("{path}/generate-jitconfig"), &jit("c"))
        .await;
    assert_eq!(refused.status, 403);
    assert!(refused.message().contains("secondary rate limit"));
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait));
    assert_eq!(client.get(path).await.status, 200, "reading costs less");
}

#[tokio::test]
async fn trouble_by_chance_is_what_was_asked_for() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    let path = "/orgs/ggml-org/actions/runners/generate-jitconfig";
    doors.github().set_trouble(ApiTrouble {
        refuse_one_in: 1,
        ..ApiTrouble::default()
    });
    assert_eq!(client.post(path, &jit("a")).await.status, 502);
    doors.github().set_trouble(ApiTrouble {
        garble_one_in: 1,
        ..ApiTrouble::default()
    });
    assert_eq!(client.post(path, &jit("b")).await.status, 502);
    doors.github().set_trouble(ApiTrouble {
        limit_one_in: 1,
        retry_after: std::time::Duration::from_secs(6),
        ..ApiTrouble::default()
    });
    let limited = client.post(path, &jit("c")).await;
    assert_eq!(
        (limited.status, limited.header("retry-after")),
        (StatusCode::FORBIDDEN, "6")
    );
    doors.github().set_trouble(ApiTrouble::default());
    let there = client.get("/orgs/ggml-org/actions/runners").await.body;
    assert_eq!(
        (&there["total_count"], &there["runners"][0]["name"]),
        (&json!(1), &json!("b"))
    );
}

#[tokio::test]
async fn webhooks_are_lost_doubled_and_delayed_on_demand() {
    let mut doors = open(GitHubConfig::quiet()).await;
    doors.webhooks().lose_next(1);
    let receiver = Receiver::listen(&mut doors).await;
    queue(&doors, "ggml-org/llama.cpp");
    let listed = |count| move |world: &World| world.github.deliveries(2_167_633).count() == count;
    soon(doors.world().until(listed(1))).await;
    let app = Client::app(&doors, AppKind::Organization);
    let failures = app.get("/app/hook/deliveries?status=failure").await.body;
    assert_eq!(
        failures.as_array().unwrap().len(),
        1,
        "the first one is lost, and listed"
    );
    let delay_up_to = std::time::Duration::from_millis(20);
    let trouble = WebhookTrouble {
        lose_one_in: 0,
        double_one_in: 1,
        delay_one_in: 1,
        delay_up_to,
    };
    doors.webhooks().set_trouble(trouble);
    queue(&doors, "ggml-org/llama.cpp");
    let twice = receiver.at_least(2).await;
    assert_eq!(
        twice[0].headers["x-github-delivery"],
        twice[1].headers["x-github-delivery"]
    );
    soon(doors.world().until(listed(2))).await;
}

#[tokio::test]
async fn armed_trouble_meets_the_named_operation() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::installation(&doors, AppKind::Organization, "ggml-org").await;
    let path = "/orgs/ggml-org/actions/runners/generate-jitconfig";
    let faults = doors.github().faults();
    let trouble = Fault::Refuse(StatusCode::BAD_GATEWAY, json!({"message": "Server Error"}));
    let mut refused = faults.arm("create_jit_config", trouble, 1);
    assert_eq!(
        client.get("/orgs/ggml-org/actions/runners").await.status,
        200
    );
    assert_eq!(client.post(path, &jit("a")).await.status, 502);
    soon(refused.met(1)).await;
    let _lost = faults.arm("create_jit_config", Fault::LoseAnswer, 1);
    assert!(client.try_post(path, &jit("b")).await.is_err());
    // The world acted although nobody heard of it.
    assert_eq!(client.post(path, &jit("b")).await.status, 409);
    let answers: Vec<_> = doors
        .github()
        .requests()
        .into_iter()
        .filter(|request| request.operation == "create_jit_config")
        .map(|request| request.answer.map(|answer| answer.status.as_u16()))
        .collect();
    assert_eq!(answers, [Some(502), None, Some(409)]);
}

#[tokio::test]
async fn a_held_request_ends_with_the_doors() {
    let doors = open(GitHubConfig::quiet()).await;
    let client = Client::anonymous(&doors);
    let mut held = doors.github().faults().arm("get_meta", Fault::Hold, 1);
    let asking = tokio::spawn(async move { client.get("/meta").await.status });
    soon(held.met(1)).await;
    soon(doors.shutdown()).await.unwrap();
    assert_eq!(soon(asking).await.unwrap(), 503);
}

#[tokio::test]
async fn traffic_reaches_the_receiver_by_itself() {
    let mut config = GitHubConfig::default();
    if let Some(traffic) = &mut config.traffic {
        traffic.every = TimeDelta::milliseconds(20);
    }
    let mut doors = open(config).await;
    let receiver = Receiver::listen(&mut doors).await;
    let all = receiver.at_least(15).await;
    assert!(
        all.iter()
            .filter(|it| it.name() == "workflow_job.queued")
            .count()
            >= 10
    );
}
