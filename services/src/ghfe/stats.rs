//! What intake counted: outcomes and durations, in memory, written as one row a minute and once more before the process
//! ends. No delivery waits for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rise_model::intake::WebhookOutcome;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::causes::WithCauses;
use crate::store::Store;
use crate::store::stats::{BUCKET, LATENCY_BOUNDS, MICROSECONDS, OUTCOME};

/// A row is of a minute.
const EVERY: Duration = Duration::from_secs(60);
/// A process that ends waits for its last row this long.
const WITHIN: Duration = Duration::from_secs(2);
/// Older rows are summed up once in so many writes.
const SUM_UP_EVERY: u64 = 30;

/// The counters since they were last written.
#[derive(Debug, Default)]
pub(super) struct Stats(Mutex<BTreeMap<String, u64>>);

impl Stats {
    /// A delivery was taken.
    pub(super) fn taken(&self, outcome: WebhookOutcome, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bound = LATENCY_BOUNDS.iter().find(|bound| seconds <= **bound);
        let bucket = match bound {
            Some(bound) => format!("{BUCKET}{bound}"),
            None => format!("{BUCKET}inf"),
        };
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.add([
            (format!("{OUTCOME}{outcome}"), 1),
            (bucket, 1),
            (MICROSECONDS.to_owned(), microseconds),
        ]);
    }

    /// One was not taken.
    pub(super) fn refused(&self, why: &'static str) {
        self.add([(format!("{OUTCOME}{why}"), 1)]);
    }

    fn add(&self, counts: impl IntoIterator<Item = (String, u64)>) {
        let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, count) in counts {
            let counter = counters.entry(key).or_default();
            *counter = counter.saturating_add(count);
        }
    }

    /// Writes a row a minute until it is told to stop, then what is left.
    pub(super) async fn keep(&self, store: &Store, stop: CancellationToken) {
        let instance = Uuid::new_v4();
        let mut writes = 0;
        while stop
            .run_until_cancelled(tokio::time::sleep(EVERY))
            .await
            .is_some()
        {
            self.write(store, instance).await;
            if writes % SUM_UP_EVERY == 0
                && let Err(error) = store.sum_up_ghfe_counters().await
            {
                tracing::warn!(error = %WithCauses(&error), "older counters could not be summed up");
            }
            writes += 1;
        }
        if tokio::time::timeout(WITHIN, self.write(store, instance))
            .await
            .is_err()
        {
            tracing::warn!("the last minute's counters could not be written in time");
        }
    }

    /// What cannot be written now is kept for the next time.
    async fn write(&self, store: &Store, instance: Uuid) {
        let counters = {
            let mut counters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *counters)
        };
        if counters.is_empty() {
            return;
        }
        if let Err(error) = store.add_ghfe_counters(instance, &json!(counters)).await {
            tracing::warn!(error = %WithCauses(&error), "counters of intake could not be written");
            self.add(counters);
        }
    }
}
