//! PostgreSQL goes away under both services and comes back.

use std::collections::BTreeSet;

use sandbox::doors::faults::Fault;
use sandbox::pg::{Options, Postgres};
use sandbox::world::github::{Delivery, DeliveryStatus, JobId, Runner, RunnerState, Scope};
use uuid::Uuid;

use crate::support::{Given, ORG_REPO, Rig, USER_REPO, holds};

/// Every attempt to deliver that was made, of both Apps.
fn deliveries(rig: &Rig) -> Vec<Delivery> {
    rig.read(|world| {
        let apps = world.github.apps().iter().map(|app| app.id);
        apps.flat_map(|app| world.github.deliveries(app).cloned().collect::<Vec<_>>())
            .collect()
    })
}

/// The deliveries that the tables know.
async fn known(rig: &Rig) -> BTreeSet<Uuid> {
    let query = "SELECT delivery_id FROM installation_events WHERE delivery_id IS NOT NULL";
    let ids: Vec<Uuid> = sqlx::query_scalar(query).fetch_all(&rig.sql).await.unwrap();
    ids.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_delivery_is_lost_and_everything_goes_on_by_itself() {
    let mut postgres = Postgres::start(Options::for_tests()).await.unwrap();
    let database = Some(postgres.url());
    let impatient = "[ghfe]\ndatabase_timeout = '300ms'";
    let rig = Rig::start(Given {
        database,
        ..Given::boards(4).config(impatient)
    })
    .await;
    let services = [rig.ghfe().pid(), rig.scheduler().pid()];
    // It goes away while a worker is on its way, a job runs, and deliveries come all the time.
    let running = rig.push(ORG_REPO);
    rig.in_progress(running).await;
    let mut held = rig.arm_github("create_jit_config", Fault::HoldAnswer, 1);
    let mut jobs: Vec<JobId> = vec![running, rig.push(USER_REPO)];
    rig.met(&mut held, 1).await;
    let pushes = push_until_told(&rig);
    let mut restarts = 0;
    while restarts < 2 || deliveries(&rig).iter().all(is_acknowledged) {
        assert!(restarts < 20, "no delivery met a database that is away");
        postgres.restart().await.unwrap();
        restarts += 1;
    }
    held.release();
    jobs.extend(pushes.stop().await);

    rig.until("every delivery has its answer", async || {
        let waiting = rig.read(|world| world.github.outbox_len());
        let all = deliveries(&rig);
        holds(waiting == 0 && all.len() >= jobs.len(), waiting)
    })
    .await;
    // What was not acknowledged is GitHub's to deliver again, when somebody asks for it.
    rig.until("all was delivered and all jobs are done", async || {
        redeliver_the_failed(&rig);
        let rows = rig.jobs().await;
        let done = rows.iter().filter(|row| row.status == "completed");
        let done = done.count();
        holds(done == jobs.len(), format!("{done} of {}", jobs.len()))
    })
    .await;
    rig.done(&jobs).await;
    use_up_idle_runners(&rig).await;
    rig.settled().await;
    let known = known(&rig).await;
    let acknowledged = deliveries(&rig).into_iter().filter(is_acknowledged);
    for delivery in acknowledged {
        assert!(
            known.contains(&delivery.guid),
            "{} {:?}",
            delivery.guid,
            delivery.answer
        );
    }
    let ends = [rig.ghfe().pid(), rig.scheduler().pid()];
    assert_eq!(services, ends, "nobody restarted them");
    drop(rig);
    postgres.stop().await.unwrap();
}

/// A `queued` that comes late makes a runner for a job that another runner has taken meanwhile. Such a runner is no
/// leftover: it takes the next job.
async fn use_up_idle_runners(rig: &Rig) {
    let idle = rig
        .until("every live worker has an idle runner", async || {
            let workers = rig.workers().await;
            let live = workers.iter().filter(|it| it.is_live());
            let live: BTreeSet<String> = live.map(|it| it.pod_name.clone()).collect();
            let runners = rig.runners();
            let idle = runners.iter().filter(|it| it.state == RunnerState::Idle);
            let names: BTreeSet<String> = idle.map(|it| it.name.clone()).collect();
            let same = live == names && names.len() == runners.len();
            holds(same, format!("{live:?} {runners:?}")).map(|()| runners)
        })
        .await;
    let before = rig.workers().await.len();
    let push = |runner: &Runner| match runner.scope {
        Scope::Organization(_) => rig.push(ORG_REPO),
        Scope::Repository(_) => rig.push(USER_REPO),
    };
    let jobs: Vec<JobId> = idle.iter().map(push).collect();
    rig.done(&jobs).await;
    assert_eq!(
        rig.workers().await.len(),
        before,
        "they were not made use of"
    );
}

fn is_acknowledged(delivery: &Delivery) -> bool {
    let answer = delivery.answer.map(|answer| answer.status);
    answer == Some(DeliveryStatus::Answered(200))
}

/// Asks for every delivery again of which no attempt went well or is under way.
fn redeliver_the_failed(rig: &Rig) {
    rig.with(|world| {
        let now = world.now();
        let apps: Vec<i64> = world.github.apps().iter().map(|app| app.id).collect();
        for app in apps {
            let all: Vec<Delivery> = world.github.deliveries(app).cloned().collect();
            let well: BTreeSet<Uuid> = all
                .iter()
                .filter(|it| is_acknowledged(it))
                .map(|it| it.guid)
                .collect();
            let mut asked = BTreeSet::new();
            for it in all.iter().filter(|it| !well.contains(&it.guid)) {
                if asked.insert(it.guid) {
                    world.github.redeliver(app, it.id, now).unwrap();
                }
            }
        }
    });
}

/// A task that pushes.
struct Pushes {
    stop: tokio::sync::oneshot::Sender<()>,
    jobs: tokio::task::JoinHandle<Vec<JobId>>,
}

impl Pushes {
    async fn stop(self) -> Vec<JobId> {
        self.stop.send(()).unwrap();
        self.jobs.await.unwrap()
    }
}

/// Pushes all the time, so that deliveries come before, while and after the database is away.
fn push_until_told(rig: &Rig) -> Pushes {
    let world = rig.doors.world().clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let jobs = tokio::spawn(async move {
        let mut jobs = Vec::new();
        let mut every = tokio::time::interval(std::time::Duration::from_millis(50));
        let repositories = [ORG_REPO, USER_REPO];
        loop {
            tokio::select! {
                _ = every.tick() => {
                    let repository = repositories[jobs.len() % 2];
                    jobs.push(world.with(|world| {
                        let now = world.now();
                        let short = chrono::TimeDelta::milliseconds(50);
                        world.github.queue_job(repository, &[crate::support::RISCV], short, now).unwrap()
                    }));
                }
                _ = &mut stopped => return jobs,
            }
        }
    });
    Pushes { stop, jobs }
}
