//! The pretend cluster. (Signatures only: to be filled.)

use super::Time;
use super::github::GitHub;

/// What the cluster is made of.
#[derive(Debug, Clone, Default)]
pub struct ClusterConfig {}

/// The pretend cluster.
#[derive(Debug)]
pub struct Cluster {}

impl Cluster {
    /// The cluster at the beginning.
    #[must_use]
    pub fn new(_config: &ClusterConfig, _seed: u64, _now: Time) -> Self {
        Self {}
    }
    /// When something happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        None
    }
    /// Runs what is due.
    pub fn run_due(&mut self, _now: Time, _github: &mut GitHub) {}
}
