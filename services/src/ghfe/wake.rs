//! Waking the scheduler after a job changed.
//!
//! One task a process sends at most one wake-up in a while, however many deliveries come; the last one is never left
//! out, also not at shutdown. A wake-up that is lost costs one tick of the scheduler's timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::causes::WithCauses;
use crate::config::GhfeSection;
use crate::store::{Store, StoreError};

/// Asks for wake-ups. Clones ask the same task.
#[derive(Debug, Clone)]
pub(super) struct WakeUp(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    due: AtomicBool,
    changed: Notify,
    finished: CancellationToken,
}

impl WakeUp {
    /// The handle, and the task that sends. It ends after [`WakeUp::finish`].
    pub(super) fn start(
        store: Store,
        section: &GhfeSection,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let wake = Self(Arc::default());
        let asked = Arc::clone(&wake.0);
        let section = *section;
        (wake, async move { send(&store, &section, &asked).await })
    }

    /// A job changed.
    pub(super) fn ask(&self) {
        self.0.due.store(true, Ordering::Release);
        self.0.changed.notify_one();
    }

    /// Nobody asks any more: what is due is sent at once.
    pub(super) fn finish(&self) {
        self.0.finished.cancel();
    }
}

async fn send(store: &Store, section: &GhfeSection, asked: &Asked) {
    loop {
        tokio::select! {
            () = asked.changed.notified() => {}
            () = asked.finished.cancelled() => {}
        }
        if asked.due.swap(false, Ordering::AcqRel) {
            wake(store, section).await;
        }
        if asked.finished.is_cancelled() && !asked.due.load(Ordering::Acquire) {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(section.wake_up_every.std()) => {}
            () = asked.finished.cancelled() => {}
        }
    }
}

async fn wake(store: &Store, section: &GhfeSection) {
    let within = section.database_timeout.std();
    let sent = tokio::time::timeout(within, store.wake_scheduler())
        .await
        .unwrap_or(Err(StoreError::TimedOut(within)));
    if let Err(error) = sent {
        tracing::warn!(
            error = %WithCauses(&error),
            "the scheduler could not be woken; it sees the change at its next tick"
        );
    }
}
