//! Handing deliveries to staging: what arrives there, what comes back, what is written.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::IntoResponse;
use http::{HeaderMap, Method};
use rise_model::config::{Cap, Caps, EntitySettings};

use super::*;
use crate::ghfe::StagingConfig;

/// The organisation and its repository that are staging's.
const OWNER: i64 = 152_654_596;
const REPOSITORY: &str = "riseproject-dev/riscv-runner-sample-staging";

/// What staging heard.
#[derive(Debug, Clone)]
struct Heard {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What staging does.
#[derive(Debug, Clone, Copy)]
enum Manners {
    /// Takes it: 202, `staging-ok`, and a header of its own.
    Accepts,
    /// Answers 500.
    Fails,
    /// Redirects elsewhere.
    Redirects,
    /// Says nothing at all.
    Silent,
    /// Answers with more than a person would read.
    Chatters,
}

/// A staging on loopback.
struct Upstream {
    url: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    manners: Arc<Mutex<Manners>>,
}

impl Upstream {
    async fn with(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let manners = Arc::new(Mutex::new(manners));
        let (log, mood) = (Arc::clone(&heard), Arc::clone(&manners));
        let router = Router::new().fallback(async move |request: Request| {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
            log.lock().unwrap().push(Heard {
                method: parts.method,
                path: parts.uri.to_string(),
                headers: parts.headers,
                body,
            });
            let manners = *mood.lock().unwrap();
            match manners {
                Manners::Accepts => {
                    let headers = [("x-staging-echo", "yes"), ("keep-alive", "timeout=5")];
                    (StatusCode::ACCEPTED, headers, "staging-ok").into_response()
                }
                Manners::Fails => (StatusCode::INTERNAL_SERVER_ERROR, "it broke").into_response(),
                Manners::Redirects => {
                    let headers = [("location", "/elsewhere")];
                    (StatusCode::TEMPORARY_REDIRECT, headers, "").into_response()
                }
                Manners::Silent => std::future::pending().await,
                Manners::Chatters => vec![b'x'; 1024 * 1024 + 1].into_response(),
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            heard,
            manners,
        }
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    fn be(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }
}

/// An address at which nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn staging(url: &str) -> StagingConfig {
    let caps = Caps {
        default_max_workers: Cap::Unlimited,
        entities: vec![EntitySettings {
            id: EntityId(OWNER),
            name: "riseproject-dev".into(),
            max_workers: None,
            staging: vec!["riscv-runner-sample-staging".into()],
        }],
    };
    StagingConfig {
        url: format!("{url}/").parse().unwrap(),
        repositories: caps.staging(),
    }
}

/// Production with that staging.
async fn production(url: &str) -> World {
    let staging = staging(url);
    World::with(move |config| config.staging = Some(staging)).await
}

/// A delivery of staging's repository.
fn body() -> Value {
    let mut body = base();
    body["repository"]["full_name"] = json!(REPOSITORY);
    body["repository"]["owner"] =
        json!({ "id": OWNER, "type": "Organization", "login": "riseproject-dev" });
    body["repository"]["url"] = json!("https://example.com/noise");
    body
}

#[tokio::test]
async fn staging_s_answer_is_the_answer() {
    let upstream = Upstream::with(Manners::Accepts).await;
    let world = production(&upstream.url).await;
    // Spaces that no writer of JSON would put there: the body is not made anew.
    let text = format!(" {} \n", body()).replace(':', " : ");
    let delivery = Delivery::of("workflow_job", text.clone());
    let (id, signature) = (delivery.id.clone().unwrap(), delivery.signature.clone());

    let mut request = world.service.client.post(&world.service.base);
    for (name, value) in delivery.headers() {
        request = request.header(name, value);
    }
    let response = request
        .header("user-agent", "GitHub-Hookshot/044aadd")
        .header("x-hub-signature", "sha1=legacy")
        .header("x-github-hook-id", "9")
        .header("connection", "keep-alive, x-of-this-hop")
        .header("x-of-this-hop", "1")
        .body(delivery.body)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(response.headers()["x-staging-echo"], "yes");
    assert!(!response.headers().contains_key("keep-alive"));
    assert_eq!(response.text().await.unwrap(), "staging-ok");

    let heard = upstream.heard();
    assert_eq!(heard.len(), 1);
    let heard = &heard[0];
    assert_eq!((heard.method.as_str(), heard.path.as_str()), ("POST", "/"));
    assert_eq!(String::from_utf8(heard.body.clone()).unwrap(), text);
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "GitHub-Hookshot/044aadd"),
        ("x-github-delivery", id.as_str()),
        ("x-github-event", "workflow_job"),
        ("x-github-hook-id", "9"),
        ("x-github-hook-installation-target-id", "2167633"),
        ("x-hub-signature", "sha1=legacy"),
        ("x-hub-signature-256", signature.as_deref().unwrap()),
    ] {
        assert_eq!(heard.headers[name], value, "{name}");
    }
    assert_eq!(
        heard.headers["host"],
        upstream.url.trim_start_matches("http://")
    );
    assert!(!heard.headers.contains_key("x-of-this-hop"));

    let event = world.event().await;
    assert_eq!(event["event"], "workflow_job.queued");
    assert_eq!(event["outcome"], "proxied_to_staging");
    assert_eq!(event["source"], "webhook");
    assert_eq!(event["installation_id"], 1);
    assert_eq!(event["entity_id"], OWNER);
    assert_eq!(event["entity_type"], "Organization");
    assert_eq!(event["entity_name"], "riseproject-dev");
    assert_eq!(event["delivery_id"], json!(id));
    assert_eq!(event["payload"]["repository"]["full_name"], REPOSITORY);
    assert_eq!(event["payload"]["repository"]["url"], Value::Null);
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn every_action_goes_there_and_nothing_in_it_is_judged() {
    let upstream = Upstream::with(Manners::Accepts).await;
    let world = production(&upstream.url).await;
    let with = |pointer: &str, value: Value| {
        let mut body = body();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for body in [
        with("/action", json!("in_progress")),
        with("/action", json!("completed")),
        with("/action", json!("waiting")),
        with("/workflow_job/id", json!(null)),
        with("/workflow_job/labels", json!(["other"])),
        with("/repository/owner/type", json!("Bot")),
    ] {
        let answer = world.send(Delivery::job(&body)).await;
        answer.is(202, "staging-ok");
    }
    assert_eq!(upstream.heard().len(), 6);
    for event in world.events().await {
        assert_eq!(event["outcome"], "proxied_to_staging");
    }
    assert_eq!(world.count("installation_events").await, 6);
    assert_eq!(world.count("jobs").await, 0);
}

#[tokio::test]
async fn any_answer_that_arrives_is_passed_on() {
    let upstream = Upstream::with(Manners::Fails).await;
    let world = production(&upstream.url).await;
    let answer = world.send(Delivery::job(&body())).await;
    answer.is(500, "it broke");
    upstream.be(Manners::Redirects);
    let direct = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let delivery = Delivery::job(&body());
    let mut request = direct.post(&world.service.base);
    for (name, value) in delivery.headers() {
        request = request.header(name, value);
    }
    let redirected = request.body(delivery.body).send().await.unwrap();
    assert_eq!(redirected.status(), 307);
    assert_eq!(redirected.headers()["location"], "/elsewhere");
    assert_eq!(upstream.heard().len(), 2, "ghfe follows no redirect");
    for event in world.events().await {
        assert_eq!(event["outcome"], "proxied_to_staging");
    }
}

#[tokio::test]
async fn what_does_not_get_there_is_said_and_written() {
    let silent = Upstream::with(Manners::Silent).await;
    let chatters = Upstream::with(Manners::Chatters).await;
    for url in [nowhere().await, silent.url.clone(), chatters.url.clone()] {
        let there = staging(&url);
        let is_silent = url == silent.url;
        let world = World::with(move |config| {
            config.staging = Some(there);
            // Only the silent one is waited for until this is over.
            if is_silent {
                config.section.staging_timeout = Span::millis(200);
            }
        })
        .await;
        let answer = world.send(Delivery::job(&body())).await;
        answer.is(502, "staging proxy failed");
        let event = world.event().await;
        assert_eq!(event["outcome"], "proxy_failed");
        assert_eq!(event["entity_id"], OWNER);
        assert_eq!(world.count("jobs").await, 0);
    }
}

#[tokio::test]
async fn a_delivery_that_comes_again_goes_there_again_and_has_one_row() {
    let upstream = Upstream::with(Manners::Silent).await;
    let there = staging(&upstream.url);
    let world = World::with(move |config| {
        config.staging = Some(there);
        // Long enough for an answer that comes, on a busy machine.
        config.section.staging_timeout = Span::seconds(2);
    })
    .await;
    let id = uuid::Uuid::new_v4().to_string();
    let deliver = || world.send(Delivery::job(&body()).id(&id));
    deliver().await.is(502, "staging proxy failed");
    let failed = world.event().await;
    assert_eq!(failed["outcome"], "proxy_failed");

    upstream.be(Manners::Accepts);
    deliver().await.is(202, "staging-ok");
    let proxied = world.event().await;
    assert_eq!(proxied["outcome"], "proxied_to_staging");
    assert_eq!(proxied["id"], failed["id"]);
    assert_eq!(proxied["received_at"], failed["received_at"]);

    // Once it got there, it got there.
    upstream.be(Manners::Silent);
    deliver().await.is(502, "staging proxy failed");
    assert_eq!(world.event().await["outcome"], "proxied_to_staging");
    assert_eq!(upstream.heard().len(), 3);
}

#[tokio::test]
async fn a_row_of_another_outcome_is_left_as_it_is() {
    let upstream = Upstream::with(Manners::Accepts).await;
    let mut world = World::new().await;
    let id = uuid::Uuid::new_v4().to_string();
    let first = world.send(Delivery::job(&body()).id(&id)).await;
    first.is(200, "Job 7 stored.");
    // The repository became staging's in between.
    let there = staging(&upstream.url);
    world.service.stop().await;
    world.service = Service::start(world.database.store(), move |config| {
        config.staging = Some(there);
    })
    .await;
    let second = world.send(Delivery::job(&body()).id(&id)).await;
    second.is(202, "staging-ok");
    assert_eq!(world.event().await["outcome"], "job_stored");
}

#[tokio::test]
async fn nothing_else_goes_there() {
    let upstream = Upstream::with(Manners::Accepts).await;
    let world = production(&upstream.url).await;
    let mut other_repository = body();
    other_repository["repository"]["full_name"] = json!("riseproject-dev/sample");
    let mut other_owner = body();
    other_owner["repository"]["owner"]["id"] = json!(99);
    other_owner["workflow_job"]["id"] = json!(8);
    let stored = world.send(Delivery::job(&other_repository)).await;
    stored.is(200, "Job 7 stored.");
    let stored = world.send(Delivery::job(&other_owner)).await;
    stored.is(200, "Job 8 stored.");
    let other_event = world.send(Delivery::json("workflow_run", &body())).await;
    other_event.is(200, "Ignoring workflow_run event");
    world
        .send(Delivery::json("ping", &body()))
        .await
        .is(200, "pong");

    // Not staging itself: it has nowhere to hand to.
    let itself = World::new().await;
    let stored = itself.send(Delivery::job(&body())).await;
    stored.is(200, "Job 7 stored.");

    assert!(upstream.heard().is_empty());
}

#[tokio::test]
async fn what_is_not_verified_goes_nowhere() {
    let upstream = Upstream::with(Manners::Accepts).await;
    let world = production(&upstream.url).await;
    for signature in [
        None,
        Some(sign("another-secret", body().to_string().as_bytes())),
    ] {
        let mut delivery = Delivery::job(&body());
        delivery.signature = signature;
        let answer = world.send(delivery).await;
        answer.is(401, "Request signatures didn't match!");
    }
    let mut no_app = Delivery::job(&body());
    no_app.app = None;
    assert_eq!(world.send(no_app).await.status, 400);
    let broken = Delivery::of("workflow_job", body().to_string().replace('}', ""));
    assert_eq!(world.send(broken).await.status, 400);
    assert_eq!(world.count("installation_events").await, 0);
    assert!(upstream.heard().is_empty());
}

#[tokio::test]
async fn a_staging_url_that_leads_back_ends_at_once() {
    let database = TestDatabase::create().await;
    // Two productions, each of which takes the other one for staging: one is told where the other is.
    let upstream = Upstream::with(Manners::Accepts).await;
    let there = staging(&upstream.url);
    let inner = Service::start(database.store(), |config| config.staging = Some(there)).await;
    let back = staging(&inner.base);
    let outer = Service::start(database.store(), |config| config.staging = Some(back)).await;
    let answer = outer.send(Delivery::job(&body())).await;
    answer.is(502, "staging proxy failed");
    assert!(upstream.heard().is_empty(), "the second one ends it");
}

#[tokio::test]
async fn while_nothing_can_be_written_nobody_is_told_that_it_is_done() {
    let upstream = Upstream::with(Manners::Accepts).await;
    let there = staging(&upstream.url);
    let world = World::with(move |config| {
        config.staging = Some(there);
        config.section.database_timeout = Span::millis(300);
    })
    .await;
    let lock = world
        .database
        .hold("LOCK TABLE installation_events IN ACCESS EXCLUSIVE MODE")
        .await;
    let id = uuid::Uuid::new_v4().to_string();
    let answer = world.send(Delivery::job(&body()).id(&id)).await;
    assert_eq!(answer.status, 503);
    drop(lock);
    until("the delivery is taken", async || {
        let again = world.send(Delivery::job(&body()).id(&id)).await;
        again.status == 202
    })
    .await;
    assert_eq!(world.event().await["outcome"], "proxied_to_staging");
}
