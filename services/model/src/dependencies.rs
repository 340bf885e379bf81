//! Whether GitHub and Kubernetes may be called: a breaker for each App, each installation and the cluster.
//!
//! Trouble that is not the request's own opens one; while it is open nothing is asked but one probe every now and then, and
//! never before the time that GitHub named. An answer to what was asked after it opened closes it. All of it may be lost:
//! the next call finds the trouble again.

use std::collections::BTreeMap;
use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::config::Rules;
use crate::rows::Demand;
use crate::waiting::WaitingReason;
use crate::{EntityKind, InstallationId, Time};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The API server.
    Kubernetes,
    /// GitHub, by an App's key.
    App(EntityKind),
    /// GitHub, by the token of an installation of the App for this kind of account.
    Installation(EntityKind, InstallationId),
}

impl Party {
    /// The installation through which a demand's calls go.
    #[must_use]
    pub fn of(demand: &Demand) -> Self {
        Self::Installation(demand.kind, demand.installation)
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubernetes => f.write_str("kubernetes"),
            Self::App(EntityKind::Organization) => f.write_str("app:organization"),
            Self::App(EntityKind::User) => f.write_str("app:personal"),
            Self::Installation(_, id) => write!(f, "installation:{id}"),
        }
    }
}

/// Why a breaker is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// 5xx, no answer in time, no connection.
    Unreachable,
    /// The App's key, or a fresh token, is not taken.
    Credentials,
    /// The calls of this hour are used up.
    HourlyLimit,
    /// Too much at once.
    SecondaryLimit,
    /// The account suspended the App.
    Suspended,
    /// There is no such installation, as far as the first answer goes.
    NotFound,
    /// There is no such installation, and none in its place: proven.
    Gone,
}

impl Trouble {
    /// The word in tables and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Credentials => "credentials",
            Self::HourlyLimit => "hourly_limit",
            Self::SecondaryLimit => "secondary_limit",
            Self::Suspended => "suspended",
            Self::NotFound => "not_found",
            Self::Gone => "gone",
        }
    }

    /// It is trouble of GitHub or of the way to it, and not the account's doing.
    #[must_use]
    pub fn is_dependency_trouble(self) -> bool {
        match self {
            Self::Unreachable | Self::Credentials | Self::HourlyLimit | Self::SecondaryLimit => {
                true
            }
            Self::Suspended | Self::NotFound | Self::Gone => false,
        }
    }
}

/// Trouble as an answer tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hindrance {
    /// Who is in trouble.
    pub party: Party,
    /// Which.
    pub trouble: Trouble,
    /// Until when GitHub asks to wait, if it says so.
    pub until: Option<Time>,
    /// GitHub's status, if it answered.
    pub status: Option<u16>,
}

/// An open breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Why.
    pub trouble: Trouble,
    /// Since when.
    pub since: Time,
    /// When it may be probed.
    pub probe_at: Time,
    /// What was said.
    pub message: String,
    /// How often in a row a limit without a time was met.
    step: u32,
}

/// Doubling stops here: a quarter of an hour.
const MOST_LIMIT_DOUBLINGS: u32 = 4;
/// So many installations of an App in trouble at once: it is GitHub.
const IT_IS_GITHUB: usize = 2;

/// Every breaker.
#[derive(Debug, Clone, Default)]
pub struct Breakers {
    open: BTreeMap<Party, Breaker>,
    /// Calls without an answer since the last one that had one.
    silent: BTreeMap<Party, usize>,
    /// When it was last open for trouble that is nobody's doing.
    closed_at: BTreeMap<Party, Time>,
}

impl Breakers {
    /// A call had no answer. So many in a row open the breaker.
    pub fn silent(&mut self, party: Party, message: &str, now: Time, rules: &Rules) {
        let silent = self.silent.entry(party).or_default();
        *silent += 1;
        if *silent >= rules.breaker_opens_after || self.open.contains_key(&party) {
            let hindrance = Hindrance {
                party,
                trouble: Trouble::Unreachable,
                until: None,
                status: None,
            };
            self.hindered(hindrance, message, now, rules);
        }
    }

    /// An answer told of trouble: the breaker is open at once, and stays so for as long as the answer says.
    pub fn hindered(&mut self, told: Hindrance, message: &str, now: Time, rules: &Rules) {
        let Hindrance {
            party,
            trouble,
            until,
            ..
        } = told;
        let before = self.open.get(&party);
        let step = match before {
            Some(before) if before.trouble == trouble && before.probe_at > now => before.step,
            Some(before) if before.trouble == trouble => {
                (before.step + 1).min(MOST_LIMIT_DOUBLINGS)
            }
            Some(_) | None => 0,
        };
        let wait = match trouble {
            Trouble::Unreachable | Trouble::Credentials => rules.breaker_probe_every.delta(),
            Trouble::HourlyLimit | Trouble::SecondaryLimit => {
                rules.limit_waits_at_least.delta() * (1 << step)
            }
            Trouble::Suspended => rules.suspended_asked_every.delta(),
            // What became of it is asked at once.
            Trouble::NotFound => TimeDelta::zero(),
            Trouble::Gone => TimeDelta::days(1),
        };
        let probe_at = until.filter(|until| *until > now).unwrap_or(now + wait);
        let since = before
            .filter(|before| before.trouble == trouble)
            .map_or(now, |before| before.since);
        self.open.insert(
            party,
            Breaker {
                trouble,
                since,
                // Answers overtake each other: the later time stands.
                probe_at: before
                    .filter(|before| before.trouble == trouble)
                    .map_or(probe_at, |before| before.probe_at.max(probe_at)),
                message: message.to_owned(),
                step,
            },
        );
        if let (Party::Installation(kind, _), Trouble::Unreachable) = (party, trouble) {
            self.blame_the_app(kind, message, now, rules);
        }
    }

    fn blame_the_app(&mut self, kind: EntityKind, message: &str, now: Time, rules: &Rules) {
        let unreachable = self.open.iter().filter(|(party, breaker)| {
            matches!(party, Party::Installation(of, _) if *of == kind)
                && breaker.trouble == Trouble::Unreachable
        });
        if unreachable.count() >= IT_IS_GITHUB && !self.open.contains_key(&Party::App(kind)) {
            let hindrance = Hindrance {
                party: Party::App(kind),
                trouble: Trouble::Unreachable,
                until: None,
                status: None,
            };
            self.hindered(hindrance, message, now, rules);
        }
    }

    /// A call that was begun at that time was answered, whatever the answer says.
    pub fn answered(&mut self, party: Party, begun: Time, now: Time) {
        self.silent.remove(&party);
        if self
            .open
            .get(&party)
            .is_none_or(|breaker| begun < breaker.since)
        {
            return;
        }
        self.close(party, now);
        // GitHub is back for one of them: the others need not wait for their own probe.
        if let Party::App(kind) = party {
            let others: Vec<Party> = self
                .open
                .iter()
                .filter(|(party, breaker)| {
                    matches!(party, Party::Installation(of, _) if *of == kind)
                        && breaker.trouble == Trouble::Unreachable
                })
                .map(|(party, _)| *party)
                .collect();
            for party in others {
                self.close(party, now);
            }
        }
    }

    /// Closes it.
    pub fn close(&mut self, party: Party, now: Time) {
        self.silent.remove(&party);
        if let Some(breaker) = self.open.remove(&party)
            && breaker.trouble.is_dependency_trouble()
        {
            self.closed_at.insert(party, now);
        }
    }

    /// The breaker of a party, if it is open.
    #[must_use]
    pub fn of(&self, party: Party) -> Option<&Breaker> {
        self.open.get(&party)
    }

    /// Every open one.
    pub fn open(&self) -> impl Iterator<Item = (Party, &Breaker)> {
        self.open.iter().map(|(party, breaker)| (*party, breaker))
    }

    /// A probe is sent: the next one comes later.
    pub fn probing(&mut self, party: Party, now: Time, rules: &Rules) {
        if let Some(breaker) = self.open.get_mut(&party) {
            breaker.probe_at = breaker
                .probe_at
                .max(now + rules.breaker_probe_every.delta());
        }
    }

    /// It is asked again at that time.
    pub fn probe_at(&mut self, party: Party, at: Time) {
        if let Some(breaker) = self.open.get_mut(&party) {
            breaker.probe_at = at;
        }
    }

    /// When the next probe is due.
    #[must_use]
    pub fn next_probe(&self) -> Option<Time> {
        self.open.values().map(|breaker| breaker.probe_at).min()
    }

    /// Whether something that needs this party may be asked.
    #[must_use]
    pub fn admits(&self, party: Party) -> bool {
        match party {
            Party::Installation(kind, _) => {
                !self.open.contains_key(&Party::App(kind)) && !self.open.contains_key(&party)
            }
            Party::App(_) | Party::Kubernetes => !self.open.contains_key(&party),
        }
    }

    /// Why nothing can be made for a demand now, if so.
    #[must_use]
    pub fn hinder(&self, demand: &Demand) -> Option<WaitingReason> {
        if self.open.contains_key(&Party::Kubernetes) {
            return Some(WaitingReason::ClusterUnreachable);
        }
        [Party::App(demand.kind), Party::of(demand)]
            .into_iter()
            .find_map(|party| Some((party, self.open.get(&party)?)))
            .map(|(party, breaker)| match breaker.trouble {
                Trouble::Unreachable | Trouble::Credentials | Trouble::NotFound | Trouble::Gone => {
                    WaitingReason::GithubUnreachable(party)
                }
                Trouble::HourlyLimit | Trouble::SecondaryLimit => {
                    WaitingReason::GithubBudget(party)
                }
                Trouble::Suspended => WaitingReason::InstallationSuspended(demand.installation),
            })
    }

    /// Whether what a demand needs is out of reach, or was within that time, and nobody is to blame for it.
    #[must_use]
    pub fn hindered_lately(&self, demand: &Demand, within: TimeDelta, now: Time) -> bool {
        [
            Party::Kubernetes,
            Party::App(demand.kind),
            Party::of(demand),
        ]
        .into_iter()
        .any(|party| {
            self.open
                .get(&party)
                .is_some_and(|breaker| breaker.trouble.is_dependency_trouble())
                || self
                    .closed_at
                    .get(&party)
                    .is_some_and(|at| now - *at < within)
        })
    }

    /// Notes that a party was out of reach until now, without a breaker.
    pub fn came_back(&mut self, party: Party, now: Time) {
        self.closed_at.insert(party, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, demand, personal, rules};

    fn installation(of: &Demand) -> Party {
        Party::of(of)
    }

    fn limited(party: Party, until: Option<Time>) -> Hindrance {
        Hindrance {
            party,
            trouble: Trouble::SecondaryLimit,
            until,
            status: Some(403),
        }
    }

    #[test]
    fn silence_opens_it_after_a_few_and_an_answer_closes_it() {
        let (rules, demand) = (rules(), demand(7));
        let party = installation(&demand);
        let mut breakers = Breakers::default();
        breakers.silent(party, "timed out", at(0), &rules);
        breakers.answered(party, at(0), at(1));
        for second in [2, 3] {
            breakers.silent(party, "timed out", at(second), &rules);
            assert!(breakers.admits(party), "an answer came in between");
        }
        breakers.silent(party, "timed out", at(4), &rules);
        assert!(!breakers.admits(party));
        assert_eq!(
            breakers.hinder(&demand).map(|why| why.to_string()),
            Some("github_unreachable:installation:8".to_owned())
        );
        assert_eq!(breakers.next_probe(), Some(at(19)), "fifteen seconds later");
        breakers.answered(party, at(3), at(5));
        assert!(!breakers.admits(party), "asked before it opened");
        breakers.answered(party, at(19), at(20));
        assert!(breakers.admits(party));
        assert!(breakers.hindered_lately(&demand, TimeDelta::seconds(60), at(60)));
        assert!(!breakers.hindered_lately(&demand, TimeDelta::seconds(60), at(90)));
    }

    #[test]
    fn a_limit_opens_it_at_once_and_is_not_probed_before_its_time() {
        let (rules, demand) = (rules(), demand(7));
        let party = installation(&demand);
        let mut breakers = Breakers::default();
        breakers.hindered(limited(party, Some(at(3600))), "wait", at(0), &rules);
        assert_eq!(breakers.next_probe(), Some(at(3600)));
        assert_eq!(
            breakers.hinder(&demand).map(|why| why.to_string()),
            Some("github_budget:installation:8".to_owned())
        );
        let mut untold = Breakers::default();
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..6 {
            untold.hindered(limited(party, None), "wait", now, &rules);
            let next = untold.next_probe().unwrap();
            waits.push((next - now).num_seconds());
            now = next;
        }
        assert_eq!(
            waits,
            [60, 120, 240, 480, 960, 960],
            "at least a minute, doubling"
        );
    }

    #[test]
    fn two_installations_out_of_reach_are_their_app_and_one_answer_is_enough_for_all() {
        let rules = rules();
        let mut breakers = Breakers::default();
        for of in [demand(7), demand(17)] {
            for second in 0..3 {
                breakers.silent(installation(&of), "502", at(second), &rules);
            }
        }
        let (third, other_app) = (demand(27), personal(7, 70));
        assert_eq!(
            breakers.hinder(&third).map(|why| why.to_string()),
            Some("github_unreachable:app:organization".to_owned())
        );
        assert_eq!(breakers.hinder(&other_app), None, "the other App answers");
        breakers.answered(Party::App(EntityKind::Organization), at(20), at(21));
        assert_eq!(breakers.open().count(), 0);
    }

    #[test]
    fn a_suspended_installation_waits_with_that_reason() {
        let (rules, demand) = (rules(), demand(7));
        let mut breakers = Breakers::default();
        let told = Hindrance {
            party: installation(&demand),
            trouble: Trouble::Suspended,
            until: None,
            status: Some(403),
        };
        breakers.hindered(told, "suspended", at(0), &rules);
        assert_eq!(
            breakers.hinder(&demand).map(|why| why.to_string()),
            Some("installation_suspended:8".to_owned())
        );
        breakers.close(told.party, at(60));
        assert!(
            !breakers.hindered_lately(&demand, TimeDelta::seconds(60), at(61)),
            "that was the account's doing"
        );
    }
}
