//! Connections that go from hand to hand.
//!
//! A pool asks a connection whether it lives each time it comes back: one more round trip a statement, and one more task.
//! Here it goes to the next in turn as it is, and once in a while through the pool, which looks at its health and age.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::StoreError;

/// A connection that left the pool this long ago goes through it again.
const OUT_OF_POOL_AT_MOST: Duration = Duration::from_secs(60);

/// The connections of a pool, and whose turn it is. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pool: PgPool,
    turns: Arc<Semaphore>,
    /// The last used on top, so that few of them serve a quiet hour.
    unused: Arc<Mutex<Vec<Connection>>>,
}

#[derive(Debug)]
struct Connection {
    connection: PoolConnection<Postgres>,
    left_pool: Instant,
}

impl Connection {
    fn is_due(&self) -> bool {
        self.left_pool.elapsed() >= OUT_OF_POOL_AT_MOST
    }
}

/// The right to use one connection.
pub(super) struct Turn<'a> {
    kept: &'a Kept,
    _permit: SemaphorePermit<'a>,
}

/// A connection that is closed unless its statement came to an end: one that was left in the middle of it would keep
/// the next delivery waiting.
pub(super) struct InUse<'a> {
    kept: &'a Kept,
    connection: Option<Connection>,
}

impl Kept {
    pub(super) fn of(pool: PgPool) -> Self {
        let most = usize::try_from(pool.options().get_max_connections());
        let most = most.unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            pool,
            turns: Arc::new(Semaphore::new(most)),
            unused: Arc::default(),
        }
    }

    /// How many there are at most.
    pub(super) fn most(&self) -> u32 {
        self.pool.options().get_max_connections()
    }

    /// Waits for one's turn. There are as many turns as connections, so that the pool never lacks one for whoever has a
    /// turn and found none unused.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let permit = self.turns.acquire().await;
        let permit = permit.map_err(|_| StoreError::Unreachable(sqlx::Error::PoolClosed))?;
        Ok(Turn {
            kept: self,
            _permit: permit,
        })
    }

    /// Ends the connections.
    pub(super) async fn close(&self) {
        self.turns.close();
        self.unused().clear();
        self.pool.close().await;
    }

    fn unused(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last used one. What is due is dropped, which is how it goes back to the pool.
    fn take(&self) -> Option<Connection> {
        let mut unused = self.unused();
        unused.retain(|connection| !connection.is_due());
        unused.pop()
    }
}

impl<'a> Turn<'a> {
    /// A connection that was not used since it was last well, or a new one.
    pub(super) async fn connection(&self) -> Result<InUse<'a>, StoreError> {
        let connection = match self.kept.take() {
            Some(connection) => connection,
            None => {
                let acquired = self.kept.pool.acquire().await;
                Connection {
                    connection: acquired.map_err(StoreError::Unreachable)?,
                    left_pool: Instant::now(),
                }
            }
        };
        Ok(InUse {
            kept: self.kept,
            connection: Some(connection),
        })
    }
}

impl InUse<'_> {
    pub(super) fn get(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(&mut connection.connection)
    }

    /// The statement came to an end, well or not: the next may have the connection.
    pub(super) fn give_back(mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let mut unused = self.kept.unused();
        // One that comes back after the end goes to the pool, which closes it.
        if !connection.is_due() && !self.kept.turns.is_closed() {
            unused.push(connection);
        }
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.connection.close_on_drop();
        }
    }
}
