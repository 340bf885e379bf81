//! What the cluster is made of and how long its work takes. Everything that a test may want to differ is here.

use chrono::TimeDelta;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What the cluster is made of.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The boards.
    pub nodes: Vec<NodeConfig>,
    /// How long things take.
    pub timings: Timings,
    /// The probability that a pod's container fails before its runner connects.
    pub fail_before_job: f64,
    /// How many changes are kept for watches; who asks for older ones is told that they expired.
    pub history: usize,
    /// The runner's version, as its log says it.
    pub runner_version: String,
    /// What a container without a runner (a probe) prints before it ends well.
    pub plain_output: Vec<String>,
}

/// One board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The node's name.
    pub name: String,
    /// The value of its label `riseproject.dev/board`: the pool it belongs to.
    pub pool: String,
    /// How many pods of runners it takes at a time: its `riseproject.com/runner`.
    pub slots: u32,
}

impl NodeConfig {
    /// A board with one slot.
    #[must_use]
    pub fn new(name: &str, pool: &str) -> Self {
        Self {
            name: name.to_owned(),
            pool: pool.to_owned(),
            slots: 1,
        }
    }
}

/// A time that chance chooses between two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub least: TimeDelta,
    /// The longest.
    pub most: TimeDelta,
}

impl Span {
    /// Between `least` and `most` milliseconds.
    #[must_use]
    pub const fn millis(least: i64, most: i64) -> Self {
        Self {
            least: TimeDelta::milliseconds(least),
            most: TimeDelta::milliseconds(most),
        }
    }

    pub(super) fn sample(self, rng: &mut ChaCha8Rng) -> TimeDelta {
        let (least, most) = (self.least.num_milliseconds(), self.most.num_milliseconds());
        TimeDelta::milliseconds(rng.random_range(least..=most.max(least)))
    }

    fn divided_by(self, speed: i32) -> Self {
        Self {
            least: self.least / speed,
            most: self.most / speed,
        }
    }
}

/// How long the cluster's work takes.
#[derive(Debug, Clone)]
pub struct Timings {
    /// From a change to the scheduler's next look at what waits.
    pub schedule: TimeDelta,
    /// Pulling an image that the board has not got.
    pub pull: Span,
    /// From the image to the running container.
    pub start: Span,
    /// From the running container to the runner's first word to GitHub.
    pub connect: Span,
    /// How often an idle runner asks GitHub for work.
    pub poll: TimeDelta,
    /// How often a busy runner hears whether its job was cancelled.
    pub heartbeat: TimeDelta,
    /// From a runner's last word to the container's end.
    pub exit: Span,
    /// How long a container takes to die.
    pub kill: Span,
    /// How long a container without a runner runs.
    pub plain: Span,
    /// The first pause after a failed pull; it doubles up to thirty times this.
    pub pull_back_off: TimeDelta,
    /// From a board's last sign of life to its node's Ready `Unknown`.
    pub node_grace: TimeDelta,
    /// How long events live.
    pub event_life: TimeDelta,
}

impl Default for Timings {
    /// A pod starts one to two seconds after it was made, its runner is online half a second later.
    fn default() -> Self {
        Self {
            schedule: TimeDelta::milliseconds(10),
            pull: Span::millis(150, 350),
            start: Span::millis(1000, 1600),
            connect: Span::millis(450, 550),
            poll: TimeDelta::milliseconds(250),
            heartbeat: TimeDelta::seconds(1),
            exit: Span::millis(150, 400),
            kill: Span::millis(200, 600),
            plain: Span::millis(500, 1000),
            pull_back_off: TimeDelta::seconds(10),
            node_grace: TimeDelta::seconds(45),
            event_life: TimeDelta::hours(1),
        }
    }
}

impl Timings {
    /// The same world, `speed` times as fast.
    #[must_use]
    pub fn divided_by(&self, speed: u32) -> Self {
        let by = i32::try_from(speed.max(1)).unwrap_or(i32::MAX);
        Self {
            schedule: self.schedule / by,
            pull: self.pull.divided_by(by),
            start: self.start.divided_by(by),
            connect: self.connect.divided_by(by),
            // Asking more often than this says nothing new and only costs.
            poll: (self.poll / by).max(TimeDelta::milliseconds(20)),
            heartbeat: (self.heartbeat / by).max(TimeDelta::milliseconds(20)),
            exit: self.exit.divided_by(by),
            kill: self.kill.divided_by(by),
            plain: self.plain.divided_by(by),
            pull_back_off: self.pull_back_off / by,
            node_grace: self.node_grace / by,
            event_life: self.event_life / by,
        }
    }
}

impl Default for ClusterConfig {
    /// Six boards `scw-em-rv1` and two `cloudv10x-jupiter`.
    fn default() -> Self {
        Self::with_boards(&[("scw-em-rv1", 6), ("cloudv10x-jupiter", 2)])
    }
}

impl ClusterConfig {
    /// So many boards of each pool, one slot each, with the default timings and the default share of failures.
    #[must_use]
    pub fn with_boards(pools: &[(&str, usize)]) -> Self {
        let pools = pools
            .iter()
            .flat_map(|(pool, count)| std::iter::repeat_n(*pool, *count));
        Self {
            nodes: pools
                .enumerate()
                .map(|(index, pool)| NodeConfig::new(&format!("riscv-runner-{}", index + 1), pool))
                .collect(),
            timings: Timings::default(),
            fail_before_job: 0.02,
            history: 2000,
            runner_version: "2.335.1".to_owned(),
            plain_output: vec!["ok".to_owned()],
        }
    }
}
