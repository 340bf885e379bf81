//! The scheduler hears of changes: soon, not too often, and also of the last one.

use super::*;

fn with_id(id: i64) -> Value {
    let mut body = base();
    body["workflow_job"]["id"] = json!(id);
    body
}

#[tokio::test]
async fn a_change_wakes_the_scheduler_and_a_repetition_does_not() {
    let mut world = World::with(|config| config.section.wake_up_every = Span::millis(1)).await;
    let mut channel = world.database.listen("staging_queue_event").await;
    for word in ["queued", "in_progress", "completed"] {
        world.send(Delivery::job(&action(word))).await;
        channel.next().await;
    }
    for word in ["queued", "in_progress", "completed", "waiting"] {
        world.send(Delivery::job(&action(word))).await;
    }
    world.send(Delivery::of("ping", "{}")).await;
    let mut unrouted = base();
    unrouted["workflow_job"]["labels"] = json!([]);
    world.send(Delivery::job(&unrouted)).await;
    // Everything that is due is sent before the end.
    world.service.stop().await;
    let end = "SELECT pg_notify('staging_queue_event', 'end')";
    world.database.execute(end).await;
    channel.next().await;
    assert_eq!(channel.waiting(), 0, "the last one was the test's own");
}

#[tokio::test]
async fn many_changes_are_few_wake_ups_and_the_last_is_among_them() {
    let mut world = World::with(|config| config.section.wake_up_every = Span::seconds(3_600)).await;
    let mut channel = world.database.listen("staging_queue_event").await;
    world.send(Delivery::job(&with_id(1))).await;
    channel.next().await;
    for id in 2..20 {
        world.send(Delivery::job(&with_id(id))).await;
    }
    assert_eq!(channel.waiting(), 0);
    world.service.stop().await;
    channel.next().await;
    assert_eq!(channel.waiting(), 0);
}
