//! One model of everything outside: GitHub and the cluster with its boards, joined by the runner processes that run
//! in the cluster's pods and talk to GitHub.
//!
//! The world does not move by itself: [`World::advance`] runs every timer that is due, in order of time. Two worlds with
//! the same configuration, seed and calls are equal to the last byte.

pub mod cluster;
pub mod github;

use chrono::{DateTime, Utc};

use cluster::{Cluster, ClusterConfig};
use github::{GitHub, GitHubConfig};

/// A moment on the world's clock.
pub type Time = DateTime<Utc>;

/// What the world is made of when it begins.
#[derive(Debug, Clone)]
pub struct WorldConfig {
    /// Apps, accounts, repositories, traffic.
    pub github: GitHubConfig,
    /// Nodes and how long their work takes.
    pub cluster: ClusterConfig,
    /// Chance, all of it.
    pub seed: u64,
}

/// GitHub, the cluster, and the time.
#[derive(Debug)]
pub struct World {
    now: Time,
    /// The pretend GitHub.
    pub github: GitHub,
    /// The pretend Kubernetes cluster.
    pub cluster: Cluster,
}

impl World {
    /// A world that begins at `now`.
    #[must_use]
    pub fn new(config: &WorldConfig, now: Time) -> Self {
        Self {
            now,
            github: GitHub::new(&config.github, config.seed, now),
            cluster: Cluster::new(&config.cluster, config.seed, now),
        }
    }

    /// The world's time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// When something will next happen by itself, if anything will.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        [self.github.next_due(), self.cluster.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Moves the clock to `to`, running everything that is due on the way in order of time. An earlier `to` changes
    /// nothing.
    pub fn advance(&mut self, to: Time) {
        while let Some(due) = self.next_due().filter(|due| *due <= to) {
            self.now = self.now.max(due);
            self.github.run_due(self.now);
            self.cluster.run_due(self.now, &mut self.github);
        }
        self.now = self.now.max(to);
    }
}
