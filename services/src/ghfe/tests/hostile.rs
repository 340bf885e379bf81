//! What nobody well-meaning sends. Nothing of it harms the deliveries beside it.

use super::*;

const LARGEST: usize = 26_214_400;

#[tokio::test]
async fn nul_and_lone_surrogates_in_every_string_are_stored() {
    for (n, evil) in [r"\u0000", r"\ud800", r"\udfff", r"\ud800\ud800"]
        .into_iter()
        .enumerate()
    {
        let world = World::new().await;
        let mut body = base();
        body["workflow_job"]["id"] = json!(n + 1);
        body["workflow_job"]["workflow_name"] = json!("w");
        body["workflow_job"]["head_branch"] = json!("h");
        body["workflow_job"]["conclusion"] = json!("c");
        body["sender"] = json!({ "id": 5, "login": "s" });
        body["action"] = json!("completed");
        let mut text = body.to_string();
        for part in [
            "\"x/y", "\"x\"", "\"build", "\"https:", "\"r-1", "\"w", "\"h\"", "\"c\"", "\"s\"",
        ] {
            let spoiled = format!("\"{evil}{}", part.strip_prefix('"').unwrap());
            text = text.replace(&format!(":{part}"), &format!(":{spoiled}"));
        }
        assert!(text.matches(evil).count() >= 9, "{text}");
        let answer = world.send(Delivery::of("workflow_job", text)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let job = world.job(i64::try_from(n).unwrap() + 1).await;
        assert_eq!(job["status"], "completed");
        for column in [
            "repo_full_name",
            "entity_name",
            "job_name",
            "k8s_pod",
            "conclusion",
        ] {
            assert!(
                job[column].as_str().unwrap().starts_with('\u{FFFD}'),
                "{column}"
            );
        }
        let keys = format!("{{\"{evil}\":\"{evil}\"}}");
        world
            .send(Delivery::of("star", keys))
            .await
            .is(200, "Ignoring star event");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_stored() {
    let world = World::new().await;
    let body = b"{\"a\":\"\xff\xfe\xed\xa0\x80\"}".to_vec();
    world
        .send(Delivery::of("star", body))
        .await
        .is(200, "Ignoring star event");
    let kept = world.event().await["payload"]["a"].clone();
    assert!(kept.as_str().unwrap().chars().all(|c| c == '\u{FFFD}'));
}

#[tokio::test]
async fn the_largest_bodies_are_taken_and_larger_ones_are_not() {
    let world = World::new().await;
    let padded = |bytes: usize| {
        let mut body = b"{\"zen\":\"hi\",\"pad\":\"".to_vec();
        body.resize(bytes - 2, b'x');
        body.extend_from_slice(b"\"}");
        body
    };
    world
        .send(Delivery::of("ping", padded(LARGEST)))
        .await
        .is(200, "pong");
    let kept = world.event().await["payload"].clone();
    let note = json!({ "truncated": true, "bytes": LARGEST, "keys": ["zen", "pad"] });
    assert_eq!(kept, note);
    let answer = world.send(Delivery::of("ping", padded(LARGEST + 1))).await;
    answer.is(413, "Payload too large");
    let mut unsigned = Delivery::of("ping", padded(LARGEST));
    unsigned.signature = Some(sign("wrong", b""));
    assert_eq!(world.send(unsigned).await.status, 401);
    let mut nameless = Delivery::of("ping", padded(LARGEST));
    nameless.signature = None;
    assert_eq!(world.send(nameless).await.status, 401);
    assert_eq!(world.count("installation_events").await, 1);
    // A large job is a job like any other.
    let mut body = base();
    body["workflow_job"]["steps"] = json!("s".repeat(LARGEST - 1_000));
    world
        .send(Delivery::job(&body))
        .await
        .is(200, "Job 7 stored.");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_bounded_too() {
    let world = World::with(|config| config.section.max_body_bytes = 10_000).await;
    let mut stream = world.service.raw().await;
    let delivery = Delivery::of("ping", "");
    let head = delivery
        .head()
        .replace("content-length: 0", "transfer-encoding: chunked");
    write(&mut stream, head.as_bytes()).await;
    let chunk = format!("{:x}\r\n{}\r\n", 4_000, "x".repeat(4_000));
    for _ in 0..3 {
        write(&mut stream, chunk.as_bytes()).await;
    }
    write(&mut stream, b"0\r\n\r\n").await;
    let answer = raw_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn nesting_numbers_and_keys_without_end_harm_nothing() {
    let world = World::new().await;
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    world
        .send(Delivery::of("star", nested(100)))
        .await
        .is(200, "Ignoring star event");
    let answer = world.send(Delivery::of("star", nested(10_000))).await;
    answer.is(400, "Invalid JSON payload");
    // Too large to be stored whole, so never read in depth.
    let answer = world.send(Delivery::of("star", nested(10_000_000))).await;
    answer.is(200, "Ignoring star event");
    let answer = world.send(Delivery::of("star", "{\"a\":1e400}")).await;
    answer.is(400, "Invalid JSON payload");
    let digits = format!("{{\"a\":{}}}", "9".repeat(200_000));
    let answer = world.send(Delivery::of("star", digits)).await;
    answer.is(400, "Invalid JSON payload");
    let mut keys = String::from("{\"a0\":0");
    for n in 1..1_000_000 {
        keys.push_str(&format!(",\"a{n}\":0"));
    }
    keys.push('}');
    world
        .send(Delivery::of("star", keys))
        .await
        .is(200, "Ignoring star event");
    let numbers = format!("{{\"a\":[{}0]}}", "0,".repeat(10_000_000));
    world
        .send(Delivery::of("star", numbers))
        .await
        .is(200, "Ignoring star event");
    world
        .send(Delivery::job(&base()))
        .await
        .is(200, "Job 7 stored.");
}

#[tokio::test]
async fn what_the_tables_cannot_hold_is_refused_for_good() {
    let world = World::with(|config| {
        config.routing.routes[1].label_match = LabelMatch::Contains;
    })
    .await;
    // An index entry has an end.
    let mut body = base();
    let labels = (0..500).map(|n| sign("label", format!("{n}").as_bytes()));
    let labels: Vec<_> = labels.chain(["ubuntu-24.04-riscv".to_owned()]).collect();
    body["workflow_job"]["labels"] = json!(labels);
    let unstorable = "The delivery holds a value that the database cannot store";
    let answer = world.send(Delivery::job(&body)).await;
    answer.is(400, unstorable);
    assert_eq!(
        (
            world.count("jobs").await,
            world.count("installation_events").await
        ),
        (0, 0)
    );
    let mut date = base();
    date["workflow_job"]["created_at"] = json!("-200000-01-01T00:00:00Z");
    let answer = world.send(Delivery::job(&date)).await;
    answer.is(400, unstorable);
    world
        .send(Delivery::job(&base()))
        .await
        .is(200, "Job 7 stored.");
}

#[tokio::test]
async fn huge_ids_are_ids() {
    let world = World::new().await;
    let mut body = base();
    body["workflow_job"]["id"] = json!(i64::MAX);
    body["installation"]["id"] = json!(i64::MAX);
    body["repository"]["id"] = json!(i64::MAX);
    body["repository"]["owner"]["id"] = json!(i64::MAX);
    let answer = world.send(Delivery::job(&body)).await;
    answer.is(200, &format!("Job {} stored.", i64::MAX));
    body["workflow_job"]["id"] = json!(u64::MAX);
    let answer = world.send(Delivery::job(&body)).await;
    answer.is(400, "Invalid workflow_job.id in payload");
}
