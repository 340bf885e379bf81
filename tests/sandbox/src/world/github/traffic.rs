//! Jobs that come by themselves, from a stream of chance of their own: what services do to GitHub does not change them.

use chrono::TimeDelta;

use super::GitHub;
use super::accounts::InstallationState;
use super::config::TrafficConfig;
use super::ids::{Chance, Due, TimerKey};
use super::jobs::{Conclusion, JobSpec};
use crate::world::Time;

/// What the invented jobs are called.
const NAMES: [&str; 6] = ["build", "test", "lint", "bench", "docs", "package"];

/// The state of the traffic.
#[derive(Debug)]
pub(super) struct Traffic {
    config: TrafficConfig,
    chance: Chance,
    timer: Option<TimerKey>,
}

impl Traffic {
    pub(super) fn new(config: TrafficConfig, chance: Chance) -> Self {
        Self {
            config,
            chance,
            timer: None,
        }
    }

    fn pause(&mut self) -> TimeDelta {
        let twice = 2 * self.config.every.num_milliseconds();
        TimeDelta::milliseconds(self.chance.between(0, twice))
    }

    fn job(&mut self) -> JobSpec {
        let (low, high) = (self.config.runs_at_least, self.config.runs_at_most);
        let runs_for = self
            .chance
            .between(low.num_milliseconds(), high.num_milliseconds());
        let fails_one_in = i64::from(self.config.fails_one_in);
        let fails = fails_one_in > 0 && self.chance.between(1, fails_one_in) == 1;
        JobSpec {
            name: self
                .chance
                .one_of(&NAMES)
                .copied()
                .unwrap_or("build")
                .to_owned(),
            labels: self
                .chance
                .one_of(&self.config.labels)
                .cloned()
                .unwrap_or_default(),
            runs_for: TimeDelta::milliseconds(runs_for),
            conclusion: if fails {
                Conclusion::Failure
            } else {
                Conclusion::Success
            },
        }
    }
}

impl GitHub {
    /// No more jobs come by themselves.
    pub fn stop_traffic(&mut self) {
        if let Some(traffic) = self.traffic.take() {
            self.timers.cancel(traffic.timer);
        }
    }

    pub(super) fn schedule_traffic(&mut self, now: Time) {
        if let Some(traffic) = &mut self.traffic {
            traffic.timer = Some(self.timers.set(now + traffic.pause(), Due::Traffic));
        }
    }

    /// Queues one invented job in a repository that a working installation covers.
    pub(super) fn run_traffic(&mut self, now: Time) {
        let covered: Vec<_> = self
            .installations
            .values()
            .filter(|installation| installation.state == InstallationState::Active)
            .flat_map(|installation| self.covered_repositories(installation))
            .map(|repository| repository.id)
            .collect();
        let Some(traffic) = &mut self.traffic else {
            return;
        };
        let job = traffic.job();
        if let Some(repository) = traffic.chance.one_of(&covered).copied() {
            self.add_run(repository, &[job], now);
        }
        self.schedule_traffic(now);
    }
}
