//! The log of deliveries through all of its pages, and asking for one again.

use std::collections::BTreeSet;

use rise_model::{DeliveryId, EntityKind, Time};

use super::support::{ORG_REPO, is_not_found, open, soon};

#[tokio::test]
async fn the_log_is_read_through_its_pages_back_to_a_time_and_what_failed_comes_again() {
    let it = open().await;
    // Nobody answers there.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    it.doors.webhooks().set_target(Some(&nowhere));
    let jobs = 230;
    for _ in 0..jobs {
        it.queue(ORG_REPO);
    }
    let app = super::support::apps().organization.0;
    soon(
        it.doors
            .world()
            .until(|world| world.github.deliveries(app).count() == jobs),
    )
    .await;
    let long_ago = Time::from_timestamp(0, 0).unwrap();
    let kind = EntityKind::Organization;
    let log = it.github.delivery_log(kind, long_ago).await.unwrap();
    assert_eq!(log.len(), jobs);
    let guids: BTreeSet<_> = log.iter().map(|attempt| attempt.guid).collect();
    assert_eq!(guids.len(), jobs, "none twice");
    assert!(log.windows(2).all(|two| two[0].id > two[1].id));
    assert_eq!(it.asked("list_deliveries"), 3);
    let later = log[0].delivered_at + chrono::TimeDelta::seconds(1);
    let newest = it.github.delivery_log(kind, later).await.unwrap();
    assert_eq!(newest.len(), 100, "one page reaches back far enough");
    let personal = it.github.delivery_log(EntityKind::User, long_ago).await;
    assert_eq!(personal.unwrap(), []);

    it.github.redeliver(kind, log[7].id).await.unwrap();
    soon(
        it.doors
            .world()
            .until(|world| world.github.deliveries(app).count() == jobs + 1),
    )
    .await;
    let again = it.github.delivery_log(kind, later).await.unwrap();
    assert_eq!(again[0].guid, log[7].guid);
    assert!(again[0].id > log[0].id, "an attempt of its own");
    let unknown = it.github.redeliver(kind, DeliveryId(1)).await.unwrap_err();
    assert!(is_not_found(unknown.kind()), "{unknown}");
    it.assert_as_described();
}
