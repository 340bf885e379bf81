//! Being woken: LISTEN on the channels of the queue and of operators' changes, on a connection of its own that is made
//! again whenever it is lost.

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
    /// Wakes whoever waits on `wake` at every change of the queue and of what operators set, until `stop` is cancelled.
    pub async fn wake_on_queue(&self, wake: &Notify, stop: CancellationToken) {
        let channels = [self.queue_channel(), self.change_channel()];
        self.wake_on(&channels, wake, stop).await;
    }

    /// The same for what operators set alone.
    pub async fn wake_on_change(&self, wake: &Notify, stop: CancellationToken) {
        self.wake_on(&[self.change_channel()], wake, stop).await;
    }

    /// Wakes at every notification, and after every time that some may have been missed. A lost wake-up costs a turn of
    /// the timer, so trouble here is told and borne.
    async fn wake_on(&self, channels: &[String], wake: &Notify, stop: CancellationToken) {
        let mut told = false;
        while !stop.is_cancelled() {
            let listened = tokio::select! {
                listened = self.listen(channels, wake, &mut told) => listened,
                () = stop.cancelled() => return,
            };
            if let Err(error) = listened
                && !told
            {
                told = true;
                tracing::warn!(
                    error = %WithCauses(&error),
                    "the database's channels cannot be listened to; connecting again"
                );
            }
            tokio::select! {
                () = sleep(RECONNECT_AFTER) => {}
                () = stop.cancelled() => {}
            }
            wake.notify_one();
        }
    }

    async fn listen(
        &self,
        channels: &[String],
        wake: &Notify,
        told: &mut bool,
    ) -> Result<(), StoreError> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        let channels = channels.iter().map(String::as_str);
        listener.listen_all(channels).await?;
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
