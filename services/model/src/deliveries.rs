//! Deliveries that GitHub could not bring: which they are, and when each is asked for again.
//!
//! GitHub never tries again by itself. Its log of attempts is the truth; what is kept of it is how far it was read and what
//! is still missing, so that losing the memory costs a look and no delivery.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::config::Apps;
use crate::span::Span;
use crate::{AppId, DeliveryId, EntityKind, Time};

/// Whether missed deliveries are asked for again. Both environments share the Apps: only one of them may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recover {
    /// In production only.
    Auto,
    /// Here.
    Always,
    /// Not here.
    Never,
}

/// `[deliveries]`: when GitHub is asked about what did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryRules {
    /// Whether missed deliveries are asked for again.
    pub recover: Recover,
    /// GitHub's log is looked at this often.
    pub look_every: Span,
    /// The first look goes back this far.
    pub first_look_back: Span,
    /// Each look goes back this much further than the newest attempt of the one before: attempts are shown when they are
    /// over, not in order.
    pub overlap: Span,
    /// Two requests to deliver again are this far apart.
    pub redeliver_every: Span,
    /// A delivery that was asked for this often and did not arrive is given up.
    pub attempts: u32,
}

/// What the scheduler needs to know to recover deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// The Apps whose logs are read.
    pub apps: Apps,
    /// When.
    pub rules: DeliveryRules,
}

impl Recovery {
    /// Each App, and whose accounts it serves.
    #[must_use]
    pub fn apps(&self) -> [(AppId, EntityKind); 2] {
        [EntityKind::Organization, EntityKind::User].map(|kind| (self.apps.serving(kind), kind))
    }
}

/// An attempt at a delivery, as GitHub's log shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The attempt.
    pub id: DeliveryId,
    /// The delivery: all attempts at it share it.
    pub guid: Uuid,
    /// What it tells of.
    pub event: String,
    /// What happened to it.
    pub action: Option<String>,
    /// When it was tried.
    pub delivered_at: Time,
    /// What was answered. What GitHub shows where nothing was, nobody wrote down.
    pub status_code: i64,
}

impl Attempt {
    fn arrived(&self) -> bool {
        (200..300).contains(&self.status_code)
    }

    /// The event with its action.
    fn name(&self) -> String {
        match &self.action {
            Some(action) => format!("{}.{action}", self.event),
            None => self.event.clone(),
        }
    }
}

/// A delivery that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The delivery.
    pub guid: Uuid,
    /// The newest attempt at it, by which it can be asked for.
    pub attempt: DeliveryId,
    /// What it tells of.
    pub event: String,
}

/// What a part of GitHub's log says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LogSays {
    /// What did not arrive, the newest first.
    pub missed: Vec<Missed>,
    /// What arrived, perhaps after a miss.
    pub arrived: BTreeSet<Uuid>,
    /// When the newest attempt was made.
    pub newest: Option<Time>,
}

/// Reads GitHub's log, the newest attempt first. One that arrived is newer than those of the same delivery that did not.
#[must_use]
pub fn read_log(attempts: &[Attempt]) -> LogSays {
    let arrived: BTreeSet<Uuid> = attempts
        .iter()
        .filter(|attempt| attempt.arrived())
        .map(|attempt| attempt.guid)
        .collect();
    let mut seen = BTreeSet::new();
    let missed = attempts
        .iter()
        .filter(|attempt| !arrived.contains(&attempt.guid) && seen.insert(attempt.guid))
        .map(|attempt| Missed {
            guid: attempt.guid,
            attempt: attempt.id,
            event: attempt.name(),
        })
        .collect();
    LogSays {
        missed,
        arrived,
        newest: attempts.iter().map(|attempt| attempt.delivered_at).max(),
    }
}

/// A delivery that is still missing, as its row tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// What is missing.
    pub missed: Missed,
    /// How often it was asked for.
    pub tries: u32,
    /// When it last was.
    pub last_try: Option<Time>,
}

/// What is done about missing deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetryPlan {
    /// To be asked for again, the newest first.
    pub again: VecDeque<Missed>,
    /// Asked for often enough.
    pub given_up: Vec<Missed>,
}

/// Decides about what is missing according to a look at GitHub's log that was begun at `looked`. What was asked for
/// shortly before may still be on its way.
#[must_use]
pub fn plan_retries(missing: Vec<Retry>, looked: Time, rules: &DeliveryRules) -> RetryPlan {
    let mut plan = RetryPlan::default();
    let mut missing: Vec<Retry> = missing
        .into_iter()
        .filter(|retry| {
            retry
                .last_try
                .is_none_or(|at| at + rules.overlap.delta() <= looked)
        })
        .collect();
    missing.sort_by_key(|retry| std::cmp::Reverse(retry.missed.attempt));
    for retry in missing {
        if retry.tries >= rules.attempts {
            plan.given_up.push(retry.missed);
        } else {
            plan.again.push_back(retry.missed);
        }
    }
    plan
}

/// One statement, or one question to GitHub, about the deliveries of an App.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryEffect {
    /// Read how far GitHub's log was read.
    ReadCursor,
    /// Read GitHub's log back to a time.
    ReadLog {
        /// Whose accounts the App serves: it selects the key.
        kind: EntityKind,
        /// Back to when.
        since: Time,
    },
    /// Write what the log said; the answer is what is missing.
    Record {
        /// What it said.
        says: LogSays,
        /// How far it was read.
        seen_until: Time,
    },
    /// Write that one is asked for once more, before it is.
    CountTry {
        /// Which.
        missed: Missed,
    },
    /// Ask GitHub to deliver again.
    Redeliver {
        /// Whose accounts the App serves.
        kind: EntityKind,
        /// What.
        missed: Missed,
    },
    /// Write that these will not be asked for again.
    GiveUp {
        /// Which.
        missed: Vec<Missed>,
    },
}

/// What came of a [`DeliveryEffect`], where it is more than that it was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// How far the log was read, if it ever was.
    Cursor(Option<Time>),
    /// The log, the newest attempt first.
    Log(Vec<Attempt>),
    /// What is missing and not given up.
    Missing(Vec<Retry>),
    /// GitHub will deliver it again.
    Accepted,
}

/// Where the recovery of one App's deliveries stands. All of it may be lost: it is found again by a look.
#[derive(Debug, Clone, Default)]
pub(crate) struct AppRecovery {
    /// When the last look was begun, and whether it came to its end.
    pub(crate) looked: Option<Time>,
    /// To be asked for again, the newest first.
    pub(crate) again: VecDeque<Missed>,
    /// One that was counted and whose request got no answer.
    pub(crate) counted: Option<Missed>,
    /// When GitHub was last asked to deliver again.
    pub(crate) asked_at: Option<Time>,
}

impl AppRecovery {
    /// When something is next due.
    pub(crate) fn due(&self, rules: &DeliveryRules) -> Option<Time> {
        let look = self.looked.map(|at| at + rules.look_every.delta());
        if self.again.is_empty() && self.counted.is_none() {
            return look;
        }
        let again = self.asked_at.map(|at| at + rules.redeliver_every.delta());
        match (look, again) {
            (Some(look), Some(again)) => Some(look.min(again)),
            (one, other) => one.or(other),
        }
    }
}

/// All Apps'.
pub(crate) type Recoveries = BTreeMap<AppId, AppRecovery>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    pub(crate) fn rules() -> DeliveryRules {
        DeliveryRules {
            recover: Recover::Always,
            look_every: Span::seconds(300),
            first_look_back: Span::seconds(86_400),
            overlap: Span::seconds(120),
            redeliver_every: Span::seconds(1),
            attempts: 3,
        }
    }

    fn attempt(id: i64, guid: u128, status_code: i64) -> Attempt {
        Attempt {
            id: DeliveryId(id),
            guid: Uuid::from_u128(guid),
            event: "workflow_job".to_owned(),
            action: Some("queued".to_owned()),
            delivered_at: at(id),
            status_code,
        }
    }

    fn ids<'a>(missed: impl IntoIterator<Item = &'a Missed>) -> Vec<i64> {
        missed.into_iter().map(|missed| missed.attempt.0).collect()
    }

    #[test]
    fn what_arrived_at_any_attempt_is_not_missed() {
        let says = read_log(&[
            attempt(9, 1, 200),
            attempt(8, 2, 502),
            attempt(7, 3, 0),
            attempt(6, 2, 0),
            attempt(5, 1, 500),
            attempt(4, 4, 204),
        ]);
        assert_eq!(ids(&says.missed), [8, 7], "the newest attempt of each");
        assert_eq!(says.newest, Some(at(9)));
        assert_eq!(
            says.arrived,
            [1, 4].map(Uuid::from_u128).into_iter().collect()
        );
        assert_eq!(
            says.missed.first().map(|missed| missed.event.as_str()),
            Some("workflow_job.queued")
        );
    }

    #[test]
    fn what_is_missing_is_asked_for_three_times_the_newest_first() {
        let retry = |id: i64, tries, last_try: Option<i64>| Retry {
            missed: Missed {
                guid: Uuid::from_u128(1),
                attempt: DeliveryId(id),
                event: "ping".to_owned(),
            },
            tries,
            last_try: last_try.map(at),
        };
        let missing = vec![
            retry(1, 0, None),
            retry(2, 2, Some(100)),
            retry(3, 3, Some(100)),
            retry(4, 1, Some(390)),
            retry(5, 3, Some(390)),
        ];
        let plan = plan_retries(missing, at(400), &rules());
        assert_eq!(ids(&plan.again), [2, 1]);
        assert_eq!(
            ids(&plan.given_up),
            [3],
            "the last try of 5 may still be on its way"
        );
    }
}
