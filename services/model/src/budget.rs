//! GitHub's limits: what is left of the hourly calls, what questions about jobs may cost of them, and how many runners may be
//! registered within the next seconds.
//!
//! Nothing in here makes a call or waits; it says what may be begun now. Losing it allows at most one more hour's part.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::config::Rules;
use crate::dependencies::Party;
use crate::{EntityKind, InstallationId, Time};

/// A caller's hourly calls, as GitHub's answers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Calls an hour.
    pub limit: u64,
    /// Calls left.
    pub remaining: u64,
    /// When all of them are there again.
    pub resets_at: Time,
}

/// GitHub's hourly limit of an installation that was not heard of yet: the least that there is, documented.
const LEAST_LIMIT: u64 = 5_000;
/// A worker costs about so many calls: its group, its registration, lists, its removal.
const CALLS_A_WORKER: u64 = 5;
/// Within so long GitHub's secondary limits are counted here.
const SHORT_WINDOW: TimeDelta = TimeDelta::seconds(10);
const LONG_WINDOW: TimeDelta = TimeDelta::hours(1);

/// Every caller's.
#[derive(Debug, Clone, Default)]
pub struct Budgets {
    known: BTreeMap<Party, Budget>,
    /// Until when the questions that were asked are paid for, at the pace that is allowed.
    paid_until: BTreeMap<Party, Time>,
    /// Registrations of the last hour.
    registered: BTreeMap<Party, VecDeque<Time>>,
}

impl Budgets {
    /// What GitHub's answers said.
    pub fn told(&mut self, budgets: Vec<(Party, Budget)>) {
        self.known.extend(budgets);
    }

    /// Every budget that was heard of.
    pub fn known(&self) -> impl Iterator<Item = (Party, Budget)> {
        self.known.iter().map(|(party, budget)| (*party, *budget))
    }

    /// What is left of this hour; nothing when that is not known.
    fn left(&self, party: Party, now: Time) -> Option<Budget> {
        self.known
            .get(&party)
            .copied()
            .filter(|budget| budget.resets_at > now)
    }

    /// How long one question is paid for, and how many may be asked at once: together they stay within the part of an
    /// hour's calls, whatever hour is looked at.
    fn pace(&self, party: Party, rules: &Rules) -> (TimeDelta, i32) {
        let limit = self
            .known
            .get(&party)
            .map_or(LEAST_LIMIT, |budget| budget.limit);
        let all = (limit * u64::from(rules.questions_percent) / 100).max(5);
        let at_once = all / 5;
        let an_hour = i32::try_from(all - at_once).unwrap_or(i32::MAX);
        (
            LONG_WINDOW / an_hour.max(1),
            i32::try_from(at_once).unwrap_or(i32::MAX),
        )
    }

    /// Whether a question about a job may be asked now.
    #[must_use]
    pub fn admits_question(&self, party: Party, now: Time, rules: &Rules) -> bool {
        let scarce = self
            .left(party, now)
            .is_some_and(|budget| budget.remaining * 10 <= budget.limit);
        let (each, at_once) = self.pace(party, rules);
        let debt = self
            .paid_until
            .get(&party)
            .map_or(TimeDelta::zero(), |until| *until - now);
        // What is left is kept for runners.
        !scarce && debt + each <= each * at_once
    }

    /// A question is asked.
    pub fn question(&mut self, party: Party, now: Time, rules: &Rules) {
        let (each, _) = self.pace(party, rules);
        let until = self.paid_until.entry(party).or_insert(now);
        *until = (*until).max(now) + each;
    }

    /// A runner is registered through an installation.
    pub fn registers(&mut self, kind: EntityKind, installation: InstallationId, now: Time) {
        for party in [Party::App(kind), Party::Installation(kind, installation)] {
            let registered = self.registered.entry(party).or_default();
            while registered
                .front()
                .is_some_and(|at| now - *at >= LONG_WINDOW)
            {
                registered.pop_front();
            }
            registered.push_back(now);
        }
    }

    /// How many more runners a party could register within the next ten seconds.
    #[must_use]
    pub fn room(&self, party: Party, now: Time, rules: &Rules) -> usize {
        let within = |window: TimeDelta| {
            let registered = self.registered.get(&party).into_iter().flatten();
            registered.filter(|at| now - **at < window).count()
        };
        let short = match party {
            Party::App(_) => rules.jits_in_ten_seconds_of_app,
            Party::Installation(..) | Party::Kubernetes => rules.jits_in_ten_seconds,
        };
        let mut room = short.saturating_sub(within(SHORT_WINDOW));
        if let Party::Installation(..) = party {
            room = room.min(rules.jits_an_hour.saturating_sub(within(LONG_WINDOW)));
        }
        match self.left(party, now) {
            Some(budget) => {
                let workers = budget.remaining / CALLS_A_WORKER;
                room.min(usize::try_from(workers).unwrap_or(usize::MAX))
            }
            None => room,
        }
    }

    /// When room that is used up comes again.
    #[must_use]
    pub fn room_again_at(&self, now: Time) -> Option<Time> {
        let last = self.registered.values().filter_map(VecDeque::back).max()?;
        let again = *last + SHORT_WINDOW;
        (again > now).then_some(again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, demand, rules};

    fn party() -> Party {
        Party::of(&demand(7))
    }

    fn budget(remaining: u64) -> Vec<(Party, Budget)> {
        let budget = Budget {
            limit: 5_000,
            remaining,
            resets_at: at(3_600),
        };
        vec![(party(), budget)]
    }

    #[test]
    fn questions_stay_within_their_part_of_every_hour() {
        let (mut budgets, rules) = (Budgets::default(), rules());
        let mut asked = Vec::new();
        for second in 0..4 * 3_600 {
            // As often as the loop could.
            for _ in 0..3 {
                if budgets.admits_question(party(), at(second), &rules) {
                    budgets.question(party(), at(second), &rules);
                    asked.push(second);
                }
            }
        }
        for begin in (0..3 * 3_600).step_by(60) {
            let hour = asked.iter().filter(|s| (begin..begin + 3_600).contains(*s));
            let count = hour.count();
            assert!(count <= 500, "{count} in the hour from second {begin}");
        }
        assert!(asked.len() > 1_600, "and the part is used: {}", asked.len());
    }

    #[test]
    fn when_little_is_left_it_is_kept_for_runners() {
        let (mut budgets, rules) = (Budgets::default(), rules());
        budgets.told(budget(600));
        assert!(budgets.admits_question(party(), at(1), &rules));
        budgets.told(budget(500));
        assert!(!budgets.admits_question(party(), at(1), &rules));
        assert_eq!(budgets.room(party(), at(1), &rules), 13);
        budgets.told(budget(12));
        assert_eq!(budgets.room(party(), at(1), &rules), 2);
        assert!(
            budgets.admits_question(party(), at(3_600), &rules),
            "a new hour"
        );
    }

    #[test]
    fn no_more_runners_are_registered_than_github_lets_us() {
        let (mut budgets, rules) = (Budgets::default(), rules());
        let of = demand(7);
        let mut minute = 0;
        let mut hour = 0;
        for second in 0..3_600 {
            while budgets.room(party(), at(second), &rules) > 0 {
                budgets.registers(of.kind, of.installation, at(second));
                hour += 1;
                minute += usize::from(second < 60);
            }
        }
        assert!((70..=80).contains(&minute), "80 a minute: {minute}");
        assert!((400..=500).contains(&hour), "500 an hour: {hour}");
        assert_eq!(budgets.room(Party::App(of.kind), at(8_000), &rules), 30);
    }
}
