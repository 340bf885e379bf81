//! Missed deliveries: GitHub's log is looked at every few minutes, and what did not arrive is asked for again, one at a
//! time.

use crate::deliveries::{
    Attempt, DeliveryEffect, DeliveryOutcome, DeliveryRules, Retry, plan_retries, read_log,
};
use crate::effects::{Action, Effect, Key, Outcome};
use crate::{AppId, EntityKind, Time};

use super::Machine;

impl Machine {
    /// Begins a look, or asks for the next delivery.
    pub(super) fn decide_deliveries(&mut self, now: Time, actions: &mut Vec<Action>) {
        let Some(recovery) = self.config.recovery else {
            return;
        };
        for (app, kind) in recovery.apps() {
            let key = Key::Deliveries(app);
            if !self.may_begin(&key, now) {
                continue;
            }
            if let Some(effect) = self.next_about_deliveries(app, kind, &recovery.rules, now) {
                let effect = Effect::Deliveries(app, effect);
                self.begin(key, effect, now, actions);
            }
        }
    }

    fn next_about_deliveries(
        &mut self,
        app: AppId,
        kind: EntityKind,
        rules: &DeliveryRules,
        now: Time,
    ) -> Option<DeliveryEffect> {
        let stands = self.recoveries.entry(app).or_default();
        let due = |at: Option<Time>, every: crate::span::Span| {
            at.is_none_or(|at| now - at >= every.delta())
        };
        if due(stands.looked, rules.look_every) {
            stands.looked = Some(now);
            return Some(DeliveryEffect::ReadCursor);
        }
        if !due(stands.asked_at, rules.redeliver_every) {
            return None;
        }
        if let Some(missed) = stands.counted.clone() {
            stands.asked_at = Some(now);
            return Some(DeliveryEffect::Redeliver { kind, missed });
        }
        let missed = stands.again.pop_front()?;
        Some(DeliveryEffect::CountTry { missed })
    }

    /// The next step about an App's deliveries.
    pub(super) fn deliveries_told(
        &mut self,
        key: &Key,
        (app, effect): (AppId, DeliveryEffect),
        outcome: Outcome,
        now: Time,
        actions: &mut Vec<Action>,
    ) {
        let Some(recovery) = self.config.recovery else {
            return;
        };
        let rules = recovery.rules;
        let kind = recovery
            .apps()
            .into_iter()
            .find_map(|(known, kind)| (known == app).then_some(kind));
        let Some(kind) = kind else {
            return;
        };
        let next = match (effect, outcome) {
            (
                DeliveryEffect::ReadCursor,
                Outcome::Deliveries(DeliveryOutcome::Cursor(seen_until)),
            ) => {
                let since = seen_until.unwrap_or(now - rules.first_look_back.delta());
                Some(DeliveryEffect::ReadLog { kind, since })
            }
            (
                DeliveryEffect::ReadLog { since, .. },
                Outcome::Deliveries(DeliveryOutcome::Log(log)),
            ) => Some(record(&log, since, &rules)),
            (
                DeliveryEffect::Record { .. },
                Outcome::Deliveries(DeliveryOutcome::Missing(missing)),
            ) => self.missing_known(app, missing, &rules),
            (DeliveryEffect::CountTry { missed }, Outcome::Written) => {
                let stands = self.recoveries.entry(app).or_default();
                stands.counted = Some(missed.clone());
                stands.asked_at = Some(now);
                Some(DeliveryEffect::Redeliver { kind, missed })
            }
            // Somebody wrote meanwhile that it arrived.
            (DeliveryEffect::CountTry { .. }, Outcome::NotWritten)
            | (DeliveryEffect::GiveUp { .. }, _) => None,
            (DeliveryEffect::Redeliver { .. }, Outcome::Deliveries(DeliveryOutcome::Accepted)) => {
                self.recoveries.entry(app).or_default().counted = None;
                None
            }
            // GitHub does not have it any more.
            (DeliveryEffect::Redeliver { missed, .. }, Outcome::NotThere) => {
                self.recoveries.entry(app).or_default().counted = None;
                let missed = vec![missed];
                Some(DeliveryEffect::GiveUp { missed })
            }
            (DeliveryEffect::Redeliver { .. }, Outcome::Refused { .. }) => {
                // The try is counted: the next look decides.
                self.recoveries.entry(app).or_default().counted = None;
                None
            }
            (effect, outcome) => {
                self.delivery_trouble(key, app, effect, &outcome, now);
                None
            }
        };
        if let Some(effect) = next {
            let effect = Effect::Deliveries(app, effect);
            self.begin(key.clone(), effect, now, actions);
        }
    }

    /// What is missing is known: it is asked for one by one, and what was asked for often enough is given up.
    fn missing_known(
        &mut self,
        app: AppId,
        missing: Vec<Retry>,
        rules: &DeliveryRules,
    ) -> Option<DeliveryEffect> {
        let stands = self.recoveries.entry(app).or_default();
        let plan = plan_retries(missing, stands.looked?, rules);
        stands.again = plan.again;
        if let Some(counted) = &stands.counted {
            stands.again.retain(|missed| missed.guid != counted.guid);
        }
        (!plan.given_up.is_empty()).then_some(DeliveryEffect::GiveUp {
            missed: plan.given_up,
        })
    }

    /// A step got no answer. A look is taken anew soon; a delivery that was to be asked for still is.
    fn delivery_trouble(
        &mut self,
        key: &Key,
        app: AppId,
        effect: DeliveryEffect,
        outcome: &Outcome,
        now: Time,
    ) {
        let stands = self.recoveries.entry(app).or_default();
        match effect {
            DeliveryEffect::ReadCursor
            | DeliveryEffect::ReadLog { .. }
            | DeliveryEffect::Record { .. } => stands.looked = None,
            DeliveryEffect::CountTry { missed } => stands.again.push_front(missed),
            // It is in `counted`; what was to be given up is found again by the next look.
            DeliveryEffect::Redeliver { .. } | DeliveryEffect::GiveUp { .. } => {}
        }
        // GitHub in trouble is not asked every moment, and never before the time that it named.
        let soon = now + self.config.rules.log_retry.delta();
        let until = match outcome {
            Outcome::NotNow { hindrance, .. } => hindrance.until,
            _ => None,
        };
        let at = until.map_or(soon, |until| until.max(soon));
        self.retry_at.insert(key.clone(), at);
    }

    /// When something about deliveries is next due.
    pub(super) fn deliveries_due(&self) -> Option<Time> {
        let rules = self.config.recovery?.rules;
        let due = self.recoveries.values().filter_map(|it| it.due(&rules));
        due.min()
    }
}

fn record(log: &[Attempt], since: Time, rules: &DeliveryRules) -> DeliveryEffect {
    let says = read_log(log);
    // GitHub's own times, so that its clock and ours need not agree.
    let newest = says.newest.map(|at| at - rules.overlap.delta());
    DeliveryEffect::Record {
        seen_until: newest.map_or(since, |at| at.max(since)),
        says,
    }
}
