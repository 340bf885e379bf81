//! Missed deliveries in a history: the pretend GitHub's log, and the tables of what did not arrive, with the same statements
//! and conditions as in `services/src/store/deliveries.rs`.

use std::collections::BTreeMap;

use rise_model::deliveries::{Attempt, DeliveryEffect, DeliveryOutcome, LogSays, Missed, Retry};
use rise_model::effects::Outcome;
use rise_model::{AppId, DeliveryId, Time};
use sandbox::world::github::DeliveryId as GitHubDeliveryId;
use uuid::Uuid;

use crate::history::Call;
use crate::sim::Sim;
use crate::tables::Lease;

/// `delivery_cursor` and `delivery_retry`.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    seen_until: BTreeMap<AppId, Time>,
    missing: BTreeMap<Uuid, Row>,
}

#[derive(Debug)]
struct Row {
    app: AppId,
    retry: Retry,
    given_up: bool,
}

impl Deliveries {
    fn record(&mut self, app: AppId, says: &LogSays, seen_until: Time) -> Vec<Retry> {
        for missed in &says.missed {
            let row = self.missing.entry(missed.guid).or_insert_with(|| Row {
                app,
                retry: Retry {
                    missed: missed.clone(),
                    tries: 0,
                    last_try: None,
                },
                given_up: false,
            });
            let newest = row.retry.missed.attempt.max(missed.attempt);
            row.retry.missed.attempt = newest;
        }
        self.missing.retain(|guid, _| !says.arrived.contains(guid));
        let cursor = self.seen_until.entry(app).or_insert(seen_until);
        *cursor = seen_until.max(*cursor);
        let rows = self.missing.values();
        rows.filter(|row| row.app == app && !row.given_up)
            .map(|row| row.retry.clone())
            .collect()
    }

    fn count_try(&mut self, missed: &Missed, now: Time) -> Outcome {
        match self.missing.get_mut(&missed.guid) {
            Some(row) if !row.given_up => {
                row.retry.tries += 1;
                row.retry.last_try = Some(now);
                Outcome::Written
            }
            Some(_) | None => Outcome::NotWritten,
        }
    }

    fn give_up(&mut self, missed: &[Missed]) -> Outcome {
        let mut written = Outcome::NotWritten;
        for missed in missed {
            if let Some(row) = self.missing.get_mut(&missed.guid) {
                row.given_up = true;
                written = Outcome::Written;
            }
        }
        written
    }
}

pub(crate) fn call_of(effect: &DeliveryEffect) -> Call {
    match effect {
        DeliveryEffect::ReadLog { .. } | DeliveryEffect::Redeliver { .. } => Call::Deliveries,
        DeliveryEffect::ReadCursor
        | DeliveryEffect::Record { .. }
        | DeliveryEffect::CountTry { .. }
        | DeliveryEffect::GiveUp { .. } => Call::WriteDeliveries,
    }
}

/// Whether it changes nothing that anybody would see.
pub(crate) fn only_looks(effect: &DeliveryEffect) -> bool {
    match effect {
        DeliveryEffect::ReadCursor
        | DeliveryEffect::ReadLog { .. }
        | DeliveryEffect::Record { .. } => true,
        DeliveryEffect::CountTry { .. }
        | DeliveryEffect::Redeliver { .. }
        | DeliveryEffect::GiveUp { .. } => false,
    }
}

impl Sim {
    pub(crate) fn recover(&mut self, lease: Lease, app: AppId, effect: &DeliveryEffect) -> Outcome {
        let writes = !matches!(
            effect,
            DeliveryEffect::ReadCursor
                | DeliveryEffect::ReadLog { .. }
                | DeliveryEffect::Redeliver { .. }
        );
        if writes && !self.tables.leads(lease) {
            return Outcome::Deposed;
        }
        let (tables, now) = (&mut self.tables.deliveries, self.now);
        match effect {
            DeliveryEffect::ReadCursor => {
                let seen_until = tables.seen_until.get(&app).copied();
                Outcome::Deliveries(DeliveryOutcome::Cursor(seen_until))
            }
            DeliveryEffect::ReadLog { since, .. } => {
                let log = self.delivery_log(app, *since);
                Outcome::Deliveries(DeliveryOutcome::Log(log))
            }
            DeliveryEffect::Record { says, seen_until } => {
                let missing = tables.record(app, says, *seen_until);
                Outcome::Deliveries(DeliveryOutcome::Missing(missing))
            }
            DeliveryEffect::CountTry { missed } => tables.count_try(missed, now),
            DeliveryEffect::Redeliver { missed, .. } => {
                let id = GitHubDeliveryId(missed.attempt.0.unsigned_abs());
                match self.world.github.redeliver(app.0, id, now) {
                    Ok(_) => Outcome::Deliveries(DeliveryOutcome::Accepted),
                    Err(_) => Outcome::NotThere,
                }
            }
            DeliveryEffect::GiveUp { missed } => tables.give_up(missed),
        }
    }

    /// Whether everything that GitHub had to tell arrived at some attempt, or was given up.
    ///
    /// # Errors
    /// The first that did not.
    pub(crate) fn deliveries_arrived(&self) -> Result<(), String> {
        let apps = self.config.recovery.map(|recovery| recovery.apps());
        for (app, _) in apps.into_iter().flatten() {
            let mut arrived: BTreeMap<Uuid, bool> = BTreeMap::new();
            for delivery in self.world.github.deliveries(app.0) {
                let ok = delivery.answer.is_some_and(|answer| answer.status.ok());
                *arrived.entry(delivery.guid).or_default() |= ok;
            }
            let given_up = |guid: &Uuid| {
                let row = self.tables.deliveries.missing.get(guid);
                row.is_some_and(|row| row.given_up)
            };
            let missing = arrived.iter().find(|(guid, ok)| !**ok && !given_up(guid));
            if let Some((guid, _)) = missing {
                return Err(format!("delivery {guid} did not arrive"));
            }
        }
        Ok(())
    }

    fn delivery_log(&self, app: AppId, since: Time) -> Vec<Attempt> {
        let shown = self.world.github.deliveries(app.0);
        let attempts = shown.filter_map(|delivery| {
            let answer = delivery.answer?;
            Some(Attempt {
                id: DeliveryId(i64::try_from(delivery.id.0).unwrap_or(i64::MAX)),
                guid: delivery.guid,
                event: delivery.event.to_owned(),
                action: Some(delivery.action.to_owned()),
                delivered_at: answer.at,
                status_code: answer.status.code().into(),
            })
        });
        attempts
            .filter(|attempt| attempt.delivered_at >= since)
            .collect()
    }
}
