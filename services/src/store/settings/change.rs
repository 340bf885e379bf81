//! Changing what is in force. The setting and the row of the log are one transaction; whoever listens hears of it after
//! the commit.

use rise_model::Time;
use rise_model::settings::{Scope, Setting, SettingKey, SettingValue, read};
use rise_model::span::Span;
use serde_json::json;
use sqlx::PgConnection;

use crate::store::{Store, StoreError};

/// What an operator does.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// To what.
    pub scope: &'a Scope,
    /// How that is called, where the scope has only an id.
    pub name: Option<&'a str>,
    /// Which key.
    pub key: SettingKey,
    /// To which value; `None` ends the setting.
    pub value: Option<SettingValue>,
    /// Until when; without it for ever.
    pub until: Option<Until>,
    /// Who.
    pub author: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// When a setting ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// At a moment.
    At(Time),
    /// So long from now, by the database's clock.
    In(Span),
}

impl Until {
    fn from(self, now: Time) -> Time {
        match self {
            Self::At(time) => time,
            Self::In(span) => now + span.delta(),
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// When, by the database's clock.
    pub now: Time,
    /// What was in force.
    pub before: Option<Setting>,
    /// What is in force.
    pub after: Option<Setting>,
}

/// Whether a change was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeOutcome {
    /// It was.
    Done(Box<Changed>),
    /// It would be over before it began; this is the database's time.
    OverAlready(Time),
    /// Nothing of that kind was in force, so that nothing could be ended.
    NothingSet,
}

impl Store {
    /// Changes what is in force and writes who did and why.
    ///
    /// # Errors
    /// When the database does not take it; nothing is changed then.
    pub async fn change_setting(&self, change: &Change<'_>) -> Result<ChangeOutcome, StoreError> {
        let mut transaction = self.pool.begin().await?;
        let to = &mut *transaction;
        sqlx::query("SET LOCAL lock_timeout = '5s'")
            .execute(&mut *to)
            .await?;
        // Two operators at once: one after the other. Reading goes on.
        sqlx::query("LOCK TABLE settings IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *to)
            .await?;
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#)
            .fetch_one(&mut *to)
            .await?;
        let until = change.until.map(|until| until.from(now));
        if until.is_some_and(|until| until <= now) {
            return Ok(ChangeOutcome::OverAlready(now));
        }
        let before = end(to, change, now).await?;
        if before.is_none() && change.value.is_none() {
            // What ended by itself may have been tidied up.
            transaction.commit().await?;
            return Ok(ChangeOutcome::NothingSet);
        }
        let after = match change.value {
            Some(value) => Some(insert(to, change, value, until, now).await?),
            None => None,
        };
        log(to, change, before.as_ref(), until).await?;
        sqlx::query_scalar!("SELECT pg_notify($1, '')::text", self.change_channel())
            .fetch_one(&mut *to)
            .await?;
        transaction.commit().await?;
        let changed = Changed { now, before, after };
        Ok(ChangeOutcome::Done(Box::new(changed)))
    }
}

/// Ends what is set, if anything is. One whose time was over ended then.
async fn end(
    to: &mut PgConnection,
    change: &Change<'_>,
    now: Time,
) -> Result<Option<Setting>, StoreError> {
    let row = sqlx::query!(
        "UPDATE settings SET ended_at = least(until, $3) WHERE scope = $1 AND key = $2 AND ended_at IS NULL
         RETURNING value, author, reason, set_at, until",
        change.scope.to_string(),
        change.key.as_str(),
        now,
    )
    .fetch_optional(to)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    if row.until.is_some_and(|until| until <= now) {
        return Ok(None);
    }
    // A value that cannot be understood was not in force.
    let scope = change.scope.to_string();
    let Ok((scope, value)) = read(&scope, change.key.as_str(), &row.value) else {
        return Ok(None);
    };
    Ok(Some(Setting {
        scope,
        value,
        author: row.author,
        reason: row.reason,
        set_at: row.set_at,
        until: row.until,
        ended_at: None,
    }))
}

async fn insert(
    to: &mut PgConnection,
    change: &Change<'_>,
    value: SettingValue,
    until: Option<Time>,
    now: Time,
) -> Result<Setting, StoreError> {
    // Read back: the database keeps times less finely than the program.
    let row = sqlx::query!(
        "INSERT INTO settings (scope, key, value, author, reason, set_at, until) VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING set_at, until",
        change.scope.to_string(),
        change.key.as_str(),
        value.json(),
        change.author,
        change.reason,
        now,
        until,
    )
    .fetch_one(to)
    .await?;
    Ok(Setting {
        scope: change.scope.clone(),
        value,
        author: change.author.to_owned(),
        reason: change.reason.to_owned(),
        set_at: row.set_at,
        until: row.until,
        ended_at: None,
    })
}

async fn log(
    to: &mut PgConnection,
    change: &Change<'_>,
    before: Option<&Setting>,
    until: Option<Time>,
) -> Result<(), StoreError> {
    let entity = match change.scope {
        Scope::Entity(id) => Some(id.0),
        Scope::Global
        | Scope::Pool(_)
        | Scope::Sender(_)
        | Scope::Image(_)
        | Scope::Board(_)
        | Scope::Repo(_) => None,
    };
    let payload = json!({
        "operator": change.author,
        "reason": change.reason,
        "scope": change.scope,
        "name": change.name,
        "key": change.key.as_str(),
        "value": change.value,
        "before": before.map(|setting| setting.value),
        "until": until,
    });
    sqlx::query!(
        "INSERT INTO installation_events (source, event, outcome, entity_id, entity_name, payload)
         VALUES ('operator', $1, $2, $3, $4, $5)",
        format!("settings.{}", change.key),
        if change.value.is_some() {
            "set"
        } else {
            "unset"
        },
        entity,
        entity.and(change.name),
        payload,
    )
    .execute(to)
    .await?;
    Ok(())
}
