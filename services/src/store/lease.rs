//! Who leads: one row, renewed by its holder, taken by somebody else when it has expired.

use chrono::{DateTime, Utc};
use rise_model::{Epoch, span::Span};
use uuid::Uuid;

use super::{Store, StoreError};

/// Proof of leading, checked by every write of the scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The process.
    pub holder: Uuid,
    /// Its term.
    pub epoch: Epoch,
}

/// What an attempt to take or renew the lease found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseAnswer {
    /// The lease, if it is ours now.
    pub lease: Option<Lease>,
    /// Who holds it.
    pub holder: Option<Uuid>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// The database's clock at the answer.
    pub now: DateTime<Utc>,
}

impl Store {
    /// Takes the lease if it is free or expired, renews it if it is ours, and tells who has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn renew_lease(&self, holder: Uuid, lasts: Span) -> Result<LeaseAnswer, StoreError> {
        let taken = sqlx::query!(
            r#"UPDATE scheduler_lease SET
                 epoch = epoch + (holder IS DISTINCT FROM $1)::int,
                 acquired_at = CASE WHEN holder IS DISTINCT FROM $1 THEN now() ELSE acquired_at END,
                 holder = $1, expires_at = now() + $2 * interval '1 millisecond'
               WHERE holder = $1 OR expires_at < now()
               RETURNING epoch, expires_at, clock_timestamp() AS "now!""#,
            holder,
            lasts.std().as_millis() as f64,
        )
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = taken {
            let lease = Some(Lease {
                holder,
                epoch: Epoch(row.epoch),
            });
            let (expires_at, now) = (row.expires_at, row.now);
            return Ok(LeaseAnswer {
                lease,
                holder: Some(holder),
                expires_at,
                now,
            });
        }
        let row = sqlx::query!(
            // A lease that was never taken expired at minus infinity, which no clock type holds.
            r#"SELECT holder, greatest(expires_at, now() - interval '1 day') AS "expires_at!",
                 clock_timestamp() AS "now!" FROM scheduler_lease"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(LeaseAnswer {
            lease: None,
            holder: row.holder,
            expires_at: row.expires_at,
            now: row.now,
        })
    }

    /// Gives the lease back, so that another scheduler need not wait until it expires.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE scheduler_lease SET holder = NULL, expires_at = '-infinity'
             WHERE holder = $1 AND epoch = $2",
            lease.holder,
            lease.epoch.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
