//! A database that is slow, locked, restarted, read-only or away: 503, and nothing half-written.

use super::*;

#[tokio::test]
async fn a_database_that_is_away_is_503() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let section = crate::config::DatabaseSection {
        connections: 2,
        connect_timeout: Span::millis(200),
    };
    let store = Store::new(
        &format!("postgres://rise@{address}/rise"),
        "staging",
        &section,
    )
    .unwrap();
    let service = Service::start(store, |config| {
        config.section.database_timeout = Span::millis(300);
    })
    .await;
    for delivery in [Delivery::job(&base()), Delivery::of("ping", "{}")] {
        let answer = service.send(delivery).await;
        answer.is(503, "The database cannot take deliveries now");
        assert_eq!(answer.retry_after.as_deref(), Some("5"));
    }
    service.get("/health", None).await.is(200, "ok");
    let ready = service.get("/ready", None).await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.text.starts_with("not ready: the database"),
        "{}",
        ready.text
    );
    let trace = service.get("/trace/entity/1", Some(TRACE_SECRET)).await;
    assert_eq!(trace.status, 503);
}

#[tokio::test]
async fn a_locked_table_is_503_and_leaves_nothing() {
    let world = World::with(|config| config.section.database_timeout = Span::millis(300)).await;
    for table in ["jobs", "installation_events"] {
        let held = world.database.hold(&format!("LOCK TABLE {table}")).await;
        let answer = world.send(Delivery::job(&base())).await;
        answer.is(503, "The database cannot take deliveries now");
        drop(held);
        // The server has ended the statement too: it is not carried out when the lock is gone.
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%WITH prev%' AND state = 'active'";
        let over = || async { world.database.value(waiting).await == json!(0) };
        until("the end of the statement", over).await;
        assert_eq!(
            (
                world.count("jobs").await,
                world.count("installation_events").await
            ),
            (0, 0)
        );
    }
    world
        .send(Delivery::job(&base()))
        .await
        .is(200, "Job 7 stored.");
}

#[tokio::test]
async fn a_lock_on_workers_stops_no_delivery() {
    let world = World::new().await;
    let _held = world
        .database
        .hold("LOCK TABLE workers IN ACCESS EXCLUSIVE MODE")
        .await;
    for (word, text) in [
        ("queued", "Job 7 stored."),
        ("in_progress", "Job 7 marked running (was pending)."),
        ("completed", "Job 7 completed (was running)."),
    ] {
        world.send(Delivery::job(&action(word))).await.is(200, text);
    }
}

#[tokio::test]
async fn sessions_that_the_server_ended_are_not_noticed() {
    let world = World::new().await;
    let pings = (0..8).map(|_| world.send(Delivery::of("ping", "{}")));
    for answer in futures::future::join_all(pings).await {
        answer.is(200, "pong");
    }
    world.database.end_sessions().await;
    world
        .send(Delivery::job(&base()))
        .await
        .is(200, "Job 7 stored.");
    assert_eq!(world.count("installation_events").await, 9);
}

#[tokio::test]
async fn a_server_that_was_read_only_is_used_again() {
    let world = World::new().await;
    world.database.set_read_only(true).await;
    world.database.end_sessions().await;
    let answer = world.send(Delivery::job(&base())).await;
    answer.is(503, "The database cannot take deliveries now");
    world.database.set_read_only(false).await;
    world
        .send(Delivery::job(&base()))
        .await
        .is(200, "Job 7 stored.");
}
