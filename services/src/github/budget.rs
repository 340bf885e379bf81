//! How many calls an App or an installation has left this hour, as GitHub's answers say.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use rise_model::Time;
use rise_model::budget::Budget;
use rise_model::dependencies::Party;

/// Reads an answer's headers.
pub(super) fn told(headers: &HeaderMap) -> Option<Budget> {
    Some(Budget {
        limit: number(headers, "x-ratelimit-limit")?,
        remaining: number(headers, "x-ratelimit-remaining")?,
        resets_at: reset(headers)?,
    })
}

/// When the hourly calls are there again.
pub(super) fn reset(headers: &HeaderMap) -> Option<Time> {
    let seconds = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
    Time::from_timestamp(seconds, 0)
}

pub(super) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[derive(Debug, Default)]
pub(super) struct Budgets(Mutex<HashMap<Party, Budget>>);

impl Budgets {
    /// Notes an answer. Answers overtake each other: within an hour the lower number is the newer one.
    pub(super) fn note(&self, party: Party, seen: Budget) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = known.entry(party).or_insert(seen);
        if seen.resets_at > budget.resets_at {
            *budget = seen;
        } else if seen.resets_at == budget.resets_at {
            budget.limit = seen.limit;
            budget.remaining = budget.remaining.min(seen.remaining);
        }
    }

    pub(super) fn of(&self, party: Party) -> Option<Budget> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&party).copied()
    }

    pub(super) fn all(&self) -> Vec<(Party, Budget)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.iter().map(|(id, budget)| (*id, *budget)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rise_model::{EntityKind, InstallationId};

    #[test]
    fn an_overtaken_answer_gives_no_calls_back() {
        let at = |seconds| Time::from_timestamp(seconds, 0).unwrap();
        let budget = |remaining, seconds| Budget {
            limit: 5000,
            remaining,
            resets_at: at(seconds),
        };
        let budgets = Budgets::default();
        let installation = Party::Installation(EntityKind::User, InstallationId(1));
        for (seen, then) in [
            (budget(10, 100), 10),
            (budget(12, 100), 10),
            (budget(8, 100), 8),
            (budget(4999, 3700), 4999),
            (budget(7, 100), 4999),
        ] {
            budgets.note(installation, seen);
            assert_eq!(budgets.of(installation).map(|b| b.remaining), Some(then));
        }
    }
}
