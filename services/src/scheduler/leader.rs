//! Keeping the lease, or waiting for it. What this process may do follows from what it last heard, on the monotonic
//! clock: a leader that could not renew for a while begins nothing any more, whatever the row says.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::causes::WithCauses;
use crate::config::SchedulerSection;
use crate::store::{Lease, LeaseAnswer, Store};

use super::clock::Clock;

/// Whether this process leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leadership {
    /// The database has not been heard of for a while.
    Unknown,
    /// Somebody else does, or nobody.
    Follower(Option<Uuid>),
    /// This one does.
    Leader(Lease),
}

/// A follower looks this long after the lease should have expired.
const AFTER_EXPIRY: Duration = Duration::from_millis(100);

/// Renews or takes the lease until `stop` is cancelled; does not give it back.
pub(super) async fn keep(
    store: &Store,
    holder: Uuid,
    section: &SchedulerSection,
    clock: &Clock,
    leadership: watch::Sender<Leadership>,
    stop: CancellationToken,
) {
    let every = section.lease_renew_every.std();
    let stop_after = section.lease_stop_after.std();
    let mut heard = Instant::now();
    while !stop.is_cancelled() {
        let asked = Instant::now();
        let mut next = asked + every;
        // A network that swallows packets must not keep us from noticing that we may not lead any more.
        let patience = (heard + stop_after)
            .saturating_duration_since(asked)
            .max(every / 2);
        match timeout(patience, store.renew_lease(holder, section.lease_lasts)).await {
            Ok(Ok(answer)) => {
                heard = asked;
                clock.set(answer.now, asked);
                next = next.min(asked + until_expiry(&answer));
                announce(
                    &leadership,
                    answer
                        .lease
                        .map_or(Leadership::Follower(answer.holder), Leadership::Leader),
                );
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = %WithCauses(&error),
                    "the lease could not be renewed"
                );
                give_up_in_time(&leadership, heard, stop_after);
            }
            Err(_) => give_up_in_time(&leadership, heard, stop_after),
        }
        tokio::select! {
            () = sleep_until(next) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// How long a follower waits before it looks whether the lease has expired.
fn until_expiry(answer: &LeaseAnswer) -> Duration {
    match answer.lease {
        Some(_) => Duration::MAX / 4,
        None => {
            (answer.expires_at - answer.now)
                .to_std()
                .unwrap_or_default()
                + AFTER_EXPIRY
        }
    }
}

fn give_up_in_time(leadership: &watch::Sender<Leadership>, heard: Instant, stop_after: Duration) {
    if heard.elapsed() >= stop_after {
        announce(leadership, Leadership::Unknown);
    }
}

fn announce(leadership: &watch::Sender<Leadership>, now: Leadership) {
    let changed = leadership.send_if_modified(|old| {
        let changed = *old != now;
        *old = now;
        changed
    });
    if !changed {
        return;
    }
    match now {
        Leadership::Leader(lease) => {
            tracing::info!(
                lease.epoch = lease.epoch.0,
                "this scheduler leads, in term {}",
                lease.epoch
            );
        }
        Leadership::Follower(Some(holder)) => {
            tracing::info!(lease.holder = %holder, "scheduler {holder} leads; this one follows");
        }
        Leadership::Follower(None) => tracing::info!("no scheduler leads"),
        Leadership::Unknown => tracing::warn!("the database is silent; nothing is begun any more"),
    }
}
