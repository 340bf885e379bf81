//! Being woken: LISTEN on the queue's channel, on a connection of its own that is made again whenever it is lost.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Store, StoreError};
use crate::causes::WithCauses;

/// A connection that says nothing is asked for a sign of life after this.
const PROBE_EVERY: Duration = Duration::from_secs(10);
/// A sign of life that does not come within this means that the connection is dead.
const PROBE_WITHIN: Duration = Duration::from_secs(5);
/// Between two attempts to connect.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);

impl Store {
    /// Wakes whoever waits on `wake` at every notification, and after every time that some may have been missed, until
    /// `stop` is cancelled. A lost wake-up costs a turn of the timer, so trouble here is told and borne.
    pub async fn wake_on_queue(&self, wake: &Notify, stop: CancellationToken) {
        let mut told = false;
        while !stop.is_cancelled() {
            let listened = tokio::select! {
                listened = self.listen(wake, &mut told) => listened,
                () = stop.cancelled() => return,
            };
            if let Err(error) = listened
                && !told
            {
                told = true;
                tracing::warn!(
                    error = %WithCauses(&error),
                    "the queue's channel cannot be listened to; connecting again"
                );
            }
            tokio::select! {
                () = sleep(RECONNECT_AFTER) => {}
                () = stop.cancelled() => {}
            }
            wake.notify_one();
        }
    }

    async fn listen(&self, wake: &Notify, told: &mut bool) -> Result<(), StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(&self.queue_channel()).await?;
        *told = false;
        wake.notify_one();
        loop {
            match timeout(PROBE_EVERY, listener.try_recv()).await {
                Ok(Ok(_)) => wake.notify_one(),
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => {
                    let probe = sqlx::query("SELECT 1").execute(&mut listener);
                    match timeout(PROBE_WITHIN, probe).await {
                        Ok(answer) => {
                            answer?;
                        }
                        Err(_) => return Err(StoreError::TimedOut(PROBE_WITHIN)),
                    }
                }
            }
        }
    }
}
