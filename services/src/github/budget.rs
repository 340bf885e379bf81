//! How many calls an installation has left this hour, as GitHub's answers say.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use rise_model::{InstallationId, Time};

/// An installation's hourly calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Calls an hour.
    pub limit: u64,
    /// Calls left.
    pub remaining: u64,
    /// When all of them are there again.
    pub resets_at: Time,
}

impl Budget {
    /// Reads an answer's headers.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Some(Self {
            limit: number(headers, "x-ratelimit-limit")?,
            remaining: number(headers, "x-ratelimit-remaining")?,
            resets_at: reset(headers)?,
        })
    }
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
pub(super) struct Budgets(Mutex<HashMap<InstallationId, Budget>>);

impl Budgets {
    /// Notes an answer. Answers overtake each other: within an hour the lower number is the newer one.
    pub(super) fn note(&self, installation: InstallationId, seen: Budget) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = known.entry(installation).or_insert(seen);
        if seen.resets_at > budget.resets_at {
            *budget = seen;
        } else if seen.resets_at == budget.resets_at {
            budget.limit = seen.limit;
            budget.remaining = budget.remaining.min(seen.remaining);
        }
    }

    pub(super) fn of(&self, installation: InstallationId) -> Option<Budget> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&installation).copied()
    }

    pub(super) fn all(&self) -> Vec<(InstallationId, Budget)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.iter().map(|(id, budget)| (*id, *budget)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overtaken_answer_gives_no_calls_back() {
        let at = |seconds| Time::from_timestamp(seconds, 0).unwrap();
        let budget = |remaining, seconds| Budget {
            limit: 5000,
            remaining,
            resets_at: at(seconds),
        };
        let budgets = Budgets::default();
        let installation = InstallationId(1);
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
