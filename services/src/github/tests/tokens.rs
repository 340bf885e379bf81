//! Tokens: made once, renewed when refused, never seen.

use std::time::Duration;

use http::StatusCode;
use rise_model::span::Span;
use sandbox::doors::faults::Fault;
use sandbox::world::github::GitHubConfig;
use serde_json::json;

use super::support::{ORG, ORG_REPO, open, open_with, org, soon};
use crate::github::{GitHubErrorKind, Operation};

const MINT: &str = "create_installation_token";

#[tokio::test]
async fn many_calls_at_once_make_one_token() {
    let it = open().await;
    let access = it.access(ORG);
    let mut held = it.doors.github().faults().arm(MINT, Fault::Hold, 1);
    let org = org();
    let calls = (0..20).map(|_| it.github.list_runners(access, &org, None));
    let all = futures::future::join_all(calls);
    let release = async {
        held.met(1).await;
        held.release();
    };
    let (lists, ()) = soon(async { tokio::join!(all, release) }).await;
    assert!(lists.iter().all(Result::is_ok));
    assert_eq!(it.asked(MINT), 1);
    it.github.list_runners(access, &org, None).await.unwrap();
    assert_eq!(it.asked(MINT), 1, "later calls use it too");
}

#[tokio::test]
async fn installations_do_not_wait_for_each_other() {
    let it = open().await;
    let (one, other) = (it.access(ORG), it.access("sandbox-ada"));
    let mut held = it.doors.github().faults().arm(MINT, Fault::Hold, 1);
    let both = async {
        tokio::join!(it.github.check_token(one), async {
            held.met(1).await;
            it.github.check_token(other).await.unwrap();
            held.release();
        })
    };
    soon(both).await.0.unwrap();
}

#[tokio::test]
async fn who_waits_does_not_depend_on_who_asked_first() {
    let it = open().await;
    let access = it.access(ORG);
    let mut held = it.doors.github().faults().arm(MINT, Fault::Hold, 1);
    let mut first = Box::pin(it.github.check_token(access));
    soon(async {
        tokio::select! {
            _ = &mut first => panic!("it is held"),
            () = held.met(1) => {}
        }
    })
    .await;
    let mut second = Box::pin(it.github.check_token(access));
    // The second one joins in, then the first one goes away.
    assert!(futures::poll!(&mut second).is_pending());
    drop(first);
    held.release();
    soon(second).await.unwrap();
    assert_eq!(it.asked(MINT), 1);
}

#[tokio::test]
async fn when_all_who_waited_went_away_the_next_one_asks_anew() {
    let it = open().await;
    let access = it.access(ORG);
    let mut held = it.doors.github().faults().arm(MINT, Fault::Hold, 1);
    soon(async {
        tokio::select! {
            _ = it.github.check_token(access) => panic!("it is held"),
            () = held.met(1) => {}
        }
    })
    .await;
    soon(it.github.check_token(access)).await.unwrap();
    assert_eq!(it.asked(MINT), 2);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let it = open().await;
    let access = it.access(ORG);
    let job = it.queue(ORG_REPO);
    let refuse = || {
        Fault::Refuse(
            StatusCode::UNAUTHORIZED,
            json!({"message": "Bad credentials"}),
        )
    };
    let once = it.doors.github().faults().arm("get_job", refuse(), 1);
    it.github.get_job(access, ORG_REPO, job).await.unwrap();
    assert_eq!((it.asked(MINT), it.asked("get_job")), (2, 2));
    drop(once);
    let _always = it.doors.github().faults().arm("get_job", refuse(), 10);
    let error = it.github.get_job(access, ORG_REPO, job).await.unwrap_err();
    assert!(
        matches!(error.kind(), GitHubErrorKind::Unauthorized { .. }),
        "{error}"
    );
    assert_eq!((it.asked(MINT), it.asked("get_job")), (3, 4));
}

#[tokio::test]
async fn a_token_near_its_end_is_not_used() {
    let mut world = GitHubConfig::quiet();
    world.rules.token_life = chrono::TimeDelta::seconds(30);
    let it = open_with(world, Span::seconds(10)).await;
    let access = it.access(ORG);
    it.github.check_token(access).await.unwrap();
    it.github.check_token(access).await.unwrap();
    assert_eq!(
        it.asked(MINT),
        2,
        "30 s are less than the minute that must be left"
    );
}

#[tokio::test]
async fn a_failed_token_fails_those_who_wait_and_is_forgotten() {
    let it = open_with(GitHubConfig::quiet(), Span::seconds(1)).await;
    let access = it.access(ORG);
    let held = it.doors.github().faults().arm(MINT, Fault::Hold, 1);
    let began = std::time::Instant::now();
    let waiting = (0..5).map(|_| it.github.check_token(access));
    for failed in soon(futures::future::join_all(waiting)).await {
        let error = failed.unwrap_err();
        assert_eq!(error.operation(), Operation::CreateInstallationToken);
        assert!(matches!(error.kind(), GitHubErrorKind::TimedOut));
        assert!(!error.answer_unknown());
    }
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "together, not one after the other"
    );
    drop(held);
    soon(it.github.check_token(access)).await.unwrap();
}

#[tokio::test]
async fn no_secret_is_in_what_is_printed() {
    let it = open().await;
    it.github.check_token(it.access(ORG)).await.unwrap();
    let printed = format!("{:?}", it.github);
    assert!(
        !printed.contains("ghs_") && !printed.contains("PRIVATE"),
        "{printed}"
    );
}
