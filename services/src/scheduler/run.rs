//! The loop: it takes what is seen and what came of actions, lets the machine decide, and starts what was decided as
//! tasks that it owns. It never waits for an action.

use std::sync::Arc;
use std::time::Duration;

use rise_model::Time;
use rise_model::effects::{Action, ActionId, Outcome};
use rise_model::machine::{Machine, Observation};
use rise_model::state::{StateReport, report};
use serde_json::json;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::causes::WithCauses;
use crate::store::{Lease, Newcomers, Rows, StoreError, Write};

use super::act::{Doors, perform};
use super::leader::{Leadership, keep};
use super::metrics::Begun;
use super::observe;
use super::status::{Reachability, SchedulerStatus};

/// `scheduler_state` is written at most this often.
const STATE_NOT_OFTENER_THAN: Duration = Duration::from_secs(1);

/// Between two terms of the same lease.
const NEXT_TERM_AFTER: Duration = Duration::from_secs(1);

/// Schedules whenever this process leads, until `stop` is cancelled; then gives the lease back.
pub(super) async fn run(
    doors: Arc<Doors>,
    holder: Uuid,
    status: watch::Sender<SchedulerStatus>,
    stop: CancellationToken,
) {
    let (leadership, mut led) = watch::channel(Leadership::Unknown);
    let lease_stop = CancellationToken::new();
    let keeper = tokio::spawn({
        let (doors, lease_stop) = (Arc::clone(&doors), lease_stop.clone());
        async move {
            keep(
                &doors.store,
                holder,
                &doors.config.section,
                &doors.clock,
                leadership,
                lease_stop,
            )
            .await;
        }
    });
    loop {
        let now = *led.borrow_and_update();
        follow_status(&status, now, holder);
        match now {
            Leadership::Leader(lease) if !stop.is_cancelled() => {
                lead(&doors, lease, led.clone(), &status, &stop).await;
                // A term that ended although the lease seems ours is not begun again at once.
                tokio::select! {
                    () = stop.cancelled() => break,
                    changed = led.changed() => if changed.is_err() { break },
                    () = sleep(NEXT_TERM_AFTER) => {}
                }
            }
            Leadership::Leader(_) => break,
            Leadership::Unknown | Leadership::Follower(_) => {
                tokio::select! {
                    changed = led.changed() => if changed.is_err() { break },
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    lease_stop.cancel();
    let last = *led.borrow();
    // The keeper's task ends with its token; a panic in it has been told by the runtime.
    let _ = keeper.await;
    if let Leadership::Leader(lease) = last {
        match doors.store.release_lease(lease).await {
            Ok(()) => tracing::info!(lease.epoch = lease.epoch.0, "the lease is given back"),
            Err(error) => tracing::warn!(
                error = %WithCauses(&error),
                "the lease could not be given back; it expires by itself"
            ),
        }
    }
}

fn follow_status(status: &watch::Sender<SchedulerStatus>, now: Leadership, holder: Uuid) {
    status.send_modify(|status| {
        status.leads = matches!(now, Leadership::Leader(_));
        status.other_scheduler = None;
        status.leader = match now {
            Leadership::Leader(_) => Some(holder),
            Leadership::Follower(other) => other,
            Leadership::Unknown => None,
        };
        status.database = match (now, status.database) {
            (Leadership::Unknown, Reachability::Reachable) => Reachability::Unreachable {
                since: chrono::DateTime::from(std::time::SystemTime::now()),
            },
            (Leadership::Unknown, known) => known,
            (Leadership::Leader(_) | Leadership::Follower(_), _) => Reachability::Reachable,
        };
    });
}

/// Leads until the lease is lost or `stop` is cancelled. Begins with an empty memory: where everything stands is in the
/// rows and in the cluster.
async fn lead(
    doors: &Arc<Doors>,
    lease: Lease,
    mut led: watch::Receiver<Leadership>,
    status: &watch::Sender<SchedulerStatus>,
    stop: &CancellationToken,
) {
    let ended = stop.child_token();
    let _ends_everything = ended.clone().drop_guard();
    let mut helpers = JoinSet::new();
    let (reachable, cluster_state) = watch::channel(Reachability::Unknown);
    let observations = observe::cluster(doors, &mut helpers, reachable, &ended);
    let wake = Arc::new(Notify::new());
    helpers.spawn({
        let (store, wake, ended) = (doors.store.clone(), Arc::clone(&wake), ended.clone());
        async move { store.wake_on_queue(&wake, ended).await }
    });
    let mut term = Term {
        doors: Arc::clone(doors),
        lease,
        machine: Machine::new(doors.config.machine.clone()),
        actions: JoinSet::new(),
        read: JoinSet::new(),
        publish: JoinSet::new(),
        wanted: true,
        begun_something: true,
        last_round: None,
        last_good_round_at: None,
        published: None,
        unpublished: false,
    };
    term.go(observations, &wake, cluster_state, &mut led, status, stop)
        .await;
    if stop.is_cancelled() {
        term.finish_within(doors.config.section.stop_actions_within.std())
            .await;
    }
}

/// One term of leading.
struct Term {
    doors: Arc<Doors>,
    lease: Lease,
    machine: Machine,
    actions: JoinSet<(ActionId, Outcome)>,
    read: JoinSet<(Time, Result<Rows, StoreError>)>,
    publish: JoinSet<Result<Write, StoreError>>,
    /// A round is wanted.
    wanted: bool,
    /// The last round began something.
    begun_something: bool,
    last_round: Option<Instant>,
    last_good_round_at: Option<Time>,
    published: Option<(Instant, StateReport)>,
    /// What is published may be behind what is known: looked at again when it may be written again.
    unpublished: bool,
}

impl Term {
    async fn go(
        &mut self,
        mut observations: mpsc::Receiver<Observation>,
        wake: &Notify,
        cluster: watch::Receiver<Reachability>,
        led: &mut watch::Receiver<Leadership>,
        status: &watch::Sender<SchedulerStatus>,
        stop: &CancellationToken,
    ) {
        let at_least_every = self.doors.config.section.round_at_least_every.std();
        loop {
            if self.may_be_deposed() {
                tracing::warn!(
                    lease.epoch = self.lease.epoch.0,
                    "the lease was not renewed in time; this term ends"
                );
                return;
            }
            self.begin_round_if_due();
            self.publish_if_due();
            self.tell(status, *cluster.borrow());
            let timer = self.next_timer(at_least_every);
            tokio::select! {
                () = stop.cancelled() => return,
                changed = led.changed() => {
                    if changed.is_err() || *led.borrow() != Leadership::Leader(self.lease) {
                        return;
                    }
                }
                seen = observations.recv() => match seen {
                    Some(observation) => {
                        self.machine.observe(observation);
                        self.wanted = true;
                    }
                    None => return,
                },
                Some(done) = self.actions.join_next() => match done {
                    Ok((id, outcome)) => self.take(id, outcome),
                    // A panic in an action is a fault of ours; its key would stay busy for ever.
                    Err(panic) => {
                        tracing::error!(error = %panic, "an action ended in a panic; this term ends");
                        return;
                    }
                },
                Some(read) = self.read.join_next() => match read {
                    Ok((begun, Ok(rows))) => self.round(begun, rows),
                    Ok((_, Err(error))) => {
                        tracing::warn!(error = %WithCauses(&error), "a round's rows could not be read");
                    }
                    Err(panic) => {
                        tracing::error!(error = %panic, "reading a round's rows ended in a panic; this term ends");
                        return;
                    }
                },
                Some(published) = self.publish.join_next() => {
                    if let Ok(Err(error)) = published {
                        tracing::warn!(error = %WithCauses(&error), "scheduler_state could not be written");
                    }
                }
                () = wake.notified() => self.wanted = true,
                () = sleep_until(timer) => self.wanted |= self.round_is_overdue(at_least_every),
            }
            if self.machine.is_deposed() {
                tracing::warn!(
                    lease.epoch = self.lease.epoch.0,
                    "another scheduler leads; this term ends"
                );
                return;
            }
        }
    }

    fn round_is_overdue(&self, at_least_every: Duration) -> bool {
        let overdue = self
            .last_round
            .is_none_or(|at| at.elapsed() >= at_least_every);
        let now = self.doors.clock.now();
        overdue
            || self
                .machine
                .wake_at()
                .zip(now)
                .is_some_and(|(at, now)| at <= now)
    }

    /// When something is due although nothing was heard.
    fn next_timer(&self, at_least_every: Duration) -> Instant {
        let mut timer = self.last_round.unwrap_or_else(Instant::now) + at_least_every;
        if self.wanted && self.read.is_empty() {
            timer = timer.min(self.next_round_allowed());
        }
        if let (Some(at), Some(now)) = (self.machine.wake_at(), self.doors.clock.now()) {
            timer = timer.min(Instant::now() + (at - now).to_std().unwrap_or_default());
        }
        if let Some((at, _)) = &self.published {
            let after = if self.unpublished {
                STATE_NOT_OFTENER_THAN
            } else {
                self.doors.config.section.state_every.std()
            };
            timer = timer.min(*at + after);
        }
        // Never a loop without rest.
        timer.max(Instant::now() + Duration::from_millis(5))
    }

    fn next_round_allowed(&self) -> Instant {
        let gap = Duration::from_secs(1) / self.doors.config.section.rounds_per_second.max(1);
        self.last_round.map_or_else(Instant::now, |at| at + gap)
    }

    fn begin_round_if_due(&mut self) {
        if !self.wanted || !self.read.is_empty() || self.next_round_allowed() > Instant::now() {
            return;
        }
        let Some(begun) = self.doors.clock.now() else {
            return;
        };
        self.wanted = false;
        self.last_round = Some(Instant::now());
        let doors = Arc::clone(&self.doors);
        let pods: Vec<String> = self
            .machine
            .cluster()
            .pods()
            .map(|pod| pod.name.to_string())
            .collect();
        self.read.spawn(async move {
            let machine = &doors.config.machine;
            let within = machine.rules.deregister_within;
            let newcomers = Newcomers::of(&machine.sharing);
            let read = doors.store.read_rows(&pods, within, newcomers).await;
            (begun, read)
        });
    }

    /// The rows of a round have come: decide.
    fn round(&mut self, begun: Time, rows: Rows) {
        let Some(now) = self.doors.clock.now() else {
            return;
        };
        self.machine.observe(Observation::Settings {
            settings: rows.settings,
            newcomers: rows.newcomers,
            begun,
        });
        self.machine.observe(Observation::Rows {
            jobs: rows.jobs,
            workers: rows.workers,
            begun,
        });
        let budgets = self.doors.github.budgets();
        self.machine.observe(Observation::Budgets(budgets));
        let actions = self.machine.decide(now);
        self.begun_something = !actions.is_empty();
        self.last_good_round_at = Some(now);
        self.doors.counters.round();
        self.start(actions);
    }

    fn take(&mut self, id: ActionId, outcome: Outcome) {
        let Some(now) = self.doors.clock.now() else {
            return;
        };
        let next = self.machine.outcome(id, outcome, now);
        self.wanted = true;
        self.start(next);
    }

    /// The lease could not be renewed for so long that another scheduler may lead: nothing is begun any more. A process that
    /// was stopped and goes on notices here first.
    fn may_be_deposed(&self) -> bool {
        self.doors.clock.silent_for() >= self.doors.config.section.lease_stop_after.std()
    }

    fn start(&mut self, actions: Vec<Action>) {
        if self.may_be_deposed() {
            return;
        }
        for Action { id, effect, .. } in actions {
            let (doors, lease) = (Arc::clone(&self.doors), self.lease);
            let begun = Begun::of(&effect, &self.machine, self.doors.clock.now());
            self.actions.spawn(async move {
                let outcome = perform(&doors, lease, effect).await;
                doors.counters.action(begun, &outcome);
                (id, outcome)
            });
        }
    }

    fn is_quiet(&self) -> bool {
        !self.wanted
            && !self.begun_something
            && self.read.is_empty()
            && self.machine.in_flight() == 0
            && self.machine.round() > 0
    }

    fn tell(&self, status: &watch::Sender<SchedulerStatus>, cluster: Reachability) {
        let (round, quiet, in_flight) = (
            self.machine.round(),
            self.is_quiet(),
            self.machine.in_flight(),
        );
        let other_scheduler = self.machine.other_scheduler_then();
        status.send_if_modified(|status| {
            let before = status.clone();
            status.round = round;
            status.quiet = quiet;
            status.in_flight = in_flight;
            status.last_good_round_at = self.last_good_round_at;
            status.other_scheduler.clone_from(&other_scheduler);
            status.cluster = cluster;
            *status != before
        });
    }

    fn publish_if_due(&mut self) {
        if self.machine.round() == 0 || !self.publish.is_empty() {
            return;
        }
        let elapsed = self.published.as_ref().map(|(at, _)| at.elapsed());
        self.unpublished = elapsed.is_some_and(|elapsed| elapsed < STATE_NOT_OFTENER_THAN);
        if self.unpublished {
            return;
        }
        let state = report(&self.machine, env!("CARGO_PKG_VERSION"), self.is_quiet());
        let every = self.doors.config.section.state_every.std();
        let due = elapsed.is_none_or(|elapsed| elapsed >= every);
        if !due
            && self
                .published
                .as_ref()
                .is_some_and(|(_, old)| *old == state)
        {
            return;
        }
        self.published = Some((Instant::now(), state.clone()));
        let (doors, lease, round) = (Arc::clone(&self.doors), self.lease, self.machine.round());
        let last_good_round_at = self.last_good_round_at;
        self.publish.spawn(async move {
            let mut written = json!(state);
            written["leader"] = json!(lease.holder);
            written["round"] = json!(round);
            written["last_good_round_at"] = json!(last_good_round_at);
            doors.store.publish_state(lease, round, &written).await
        });
    }

    /// At shutdown: what is in flight may end by itself for a while; nothing new is begun. What stays half-done is in
    /// the rows, and the next leader goes on with it.
    async fn finish_within(&mut self, within: Duration) {
        let all_done = async { while self.actions.join_next().await.is_some() {} };
        if timeout(within, all_done).await.is_err() {
            tracing::warn!(
                actions = self.actions.len(),
                "{} actions were cut off; the next leader goes on with them",
                self.actions.len()
            );
        }
        self.actions.shutdown().await;
    }
}
