//! What operators set, as webhook intake goes by it.
//!
//! One task a process reads it whenever it changed, when something set ends by itself, and once in a while. Deliveries take
//! what was read last and wait for nothing: without a database they go by what was last known.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rise_model::Time;
use rise_model::settings::{InForce, Settings};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::causes::WithCauses;
use crate::config::GhfeSection;
use crate::store::{Store, StoreError};

/// After a read that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Whether deliveries can be handed to staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StagingDoor {
    /// Production that was told where staging is.
    Open,
    /// Everybody else.
    None,
}

/// What is in force now. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LiveSettings {
    now: Arc<RwLock<Arc<InForce>>>,
    staging: StagingDoor,
}

/// What was read, and when.
struct Read {
    settings: Settings,
    /// The database's clock, and ours at that moment.
    at: (Time, Instant),
}

impl LiveSettings {
    /// Nothing is set, as far as is known.
    pub(super) fn new(staging: StagingDoor) -> Self {
        Self {
            now: Arc::default(),
            staging,
        }
    }

    /// What is in force.
    pub(super) fn now(&self) -> Arc<InForce> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now)
    }

    /// Reads once, so that the first delivery meets what is in force.
    pub(super) async fn read_first(&self, store: &Store, section: &GhfeSection) {
        self.read(store, section).await;
    }

    /// Follows what is set until `stop` is cancelled.
    pub(super) async fn follow(self, store: Store, section: GhfeSection, stop: CancellationToken) {
        let changed = Notify::new();
        tokio::join!(
            store.wake_on_change(&changed, stop.clone()),
            self.read_again_and_again(&store, &section, &changed, &stop)
        );
    }

    async fn read_again_and_again(
        &self,
        store: &Store,
        section: &GhfeSection,
        changed: &Notify,
        stop: &CancellationToken,
    ) {
        while !stop.is_cancelled() {
            let read = tokio::select! {
                read = self.read(store, section) => read,
                () = stop.cancelled() => return,
            };
            let next = match read {
                Some(read) => read.holds_until(section.settings_every.std()),
                None => Instant::now() + AGAIN_AFTER,
            };
            tokio::select! {
                () = changed.notified() => {}
                () = sleep_until(next) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn read(&self, store: &Store, section: &GhfeSection) -> Option<Read> {
        let within = section.database_timeout.std();
        let read = timeout(within, store.read_settings())
            .await
            .unwrap_or(Err(StoreError::TimedOut(within)));
        match read {
            Ok((now, settings)) => {
                let settings = Settings::new(settings);
                self.put(settings.in_force(now));
                Some(Read {
                    settings,
                    at: (now, Instant::now()),
                })
            }
            Err(error) => {
                tracing::warn!(
                    error = %WithCauses(&error),
                    "what operators set cannot be read; what was last known stays in force"
                );
                None
            }
        }
    }

    fn put(&self, mut in_force: InForce) {
        if self.staging == StagingDoor::None {
            in_force.forget_staging();
        }
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(in_force);
    }
}

impl Read {
    /// Until then nothing ends by itself; but not for ever.
    fn holds_until(&self, every: Duration) -> Instant {
        let (then, at) = self.at;
        let ends = self.settings.next_end(then);
        let ends = ends.and_then(|end| (end - then).to_std().ok());
        at + ends.map_or(every, |ends| ends.min(every))
    }
}
