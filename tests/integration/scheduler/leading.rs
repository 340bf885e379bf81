//! Two schedulers on the same tables: one leads, the other takes over, and no worker is made twice.

use std::time::{Duration, Instant};

use sandbox::doors::faults::Fault;
use sandbox::world::github::JobId;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO, holds};

/// The lease as it is when nothing else is said.
const AS_DEFAULT: &str = r#"
[scheduler]
lease_renew_every = "2s"
lease_stop_after = "5s"
lease_lasts = "8s"
"#;
/// A scheduler whose power went is replaced within this.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(10);
/// One that gives its lease back is replaced at the next look: sooner than any lease ends.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(5);

/// Two schedulers with the default lease; the first leads.
async fn two() -> Rig {
    let mut rig = Rig::start(Given::boards(4).config(AS_DEFAULT)).await;
    rig.start_scheduler();
    rig.until("the second knows who leads", async || {
        let first = rig.schedulers()[0].ready().await.unwrap_or_default();
        let second = rig.schedulers()[1].ready().await.unwrap_or_default();
        let follows = second["leads"] == false && !second["leader"].is_null();
        holds(follows && second["leader"] == first["leader"], second)
    })
    .await;
    rig
}

async fn leads(rig: &Rig) {
    rig.until("the scheduler leads", async || {
        let ready = rig.scheduler().ready().await.unwrap_or_default();
        holds(ready["leads"] == true, ready)
    })
    .await;
}

/// Each job was done by one worker, and nothing more was made of any kind.
async fn nothing_twice(rig: &Rig, jobs: &[JobId]) {
    rig.done(jobs).await;
    rig.settled().await;
    let (workers, pods) = (rig.workers().await, rig.pods());
    assert_eq!(workers.len(), jobs.len(), "{workers:#?}");
    assert_eq!(pods.len(), jobs.len(), "{pods:#?}");
    assert!(
        workers.iter().all(|it| it.status == "completed"),
        "{workers:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_in_ten_seconds_and_nothing_is_made_twice() {
    let mut rig = two().await;
    let mut jobs = vec![rig.push(ORG_REPO), rig.push(USER_REPO)];
    rig.done(&jobs).await;
    // Killed on the way: one pod is made but not answered, one worker has no runner yet.
    let mut pod = rig.arm_kubernetes("create_pod", Fault::HoldAnswer, 1);
    jobs.push(rig.push(ORG_REPO));
    rig.met(&mut pod, 1).await;
    let mut runner = rig.arm_github("create_jit_config", Fault::Hold, 1);
    jobs.push(rig.push(USER_REPO));
    rig.met(&mut runner, 1).await;
    let killed = Instant::now();
    rig.take_scheduler(0).kill();
    leads(&rig).await;
    let took = killed.elapsed();
    assert!(took <= TAKEN_OVER_WITHIN, "{took:?}");
    nothing_twice(&rig, &jobs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_told_to_stop_hands_over_at_once() {
    let mut rig = two().await;
    let mut jobs = vec![rig.push(ORG_REPO), rig.push(USER_REPO)];
    for job in &jobs {
        rig.in_progress(*job).await;
    }
    let stopped = Instant::now();
    rig.take_scheduler(0).terminate();
    leads(&rig).await;
    let took = stopped.elapsed();
    assert!(took <= HANDED_OVER_WITHIN, "{took:?}");
    jobs.push(rig.push(ORG_REPO));
    nothing_twice(&rig, &jobs).await;
}

/// A leader that hangs in the middle of its work and comes back later finds itself deposed: it writes nothing any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_hangs_for_a_while_does_no_harm_when_it_comes_back() {
    let rig = two().await;
    let mut held = rig.arm_github("create_jit_config", Fault::HoldAnswer, 1);
    let first = rig.push(ORG_REPO);
    rig.met(&mut held, 1).await;
    rig.schedulers()[0].freeze();
    rig.until("the second leads", async || {
        let ready = rig.schedulers()[1].ready().await.unwrap_or_default();
        holds(ready["leads"] == true, ready)
    })
    .await;
    let second = rig.push(USER_REPO);
    rig.done(&[first, second]).await;
    held.release();
    rig.schedulers()[0].thaw();
    rig.until("the first follows", async || {
        let first = rig.schedulers()[0].ready().await.unwrap_or_default();
        let second = rig.schedulers()[1].ready().await.unwrap_or_default();
        let follows = first["leads"] == false && second["leads"] == true;
        holds(follows && first["leader"] == second["leader"], first)
    })
    .await;
    let third = rig.push(ORG_REPO);
    nothing_twice(&rig, &[first, second, third]).await;
}
