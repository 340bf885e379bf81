//! The pretend GitHub and Kubernetes as the options want them.

use sandbox::doors::github::GitHubDoorConfig;
use sandbox::doors::webhooks::WebhooksConfig;
use sandbox::doors::{Doors, DoorsConfig};
use sandbox::world::WorldConfig;
use sandbox::world::cluster::{ClusterConfig, NodeConfig};
use sandbox::world::github::GitHubConfig;
use services::store::Store;

use crate::cli::Sandbox as Options;
use crate::exit::{Exit, Failure, chain};

use super::chaos;

/// What a kept folder holds of the worlds before this one, so that nothing new gets an old number.
pub(super) struct Earlier {
    jobs: usize,
    last_job: Option<i64>,
}

impl Earlier {
    pub(super) async fn of(store: &Store) -> Result<Self, Failure> {
        let jobs = store.job_standings().await?;
        Ok(Self {
            jobs: jobs.len(),
            last_job: jobs.keys().map(|job| job.0).max(),
        })
    }

    /// The seed of this world: the given one, but another one each time that a folder is gone on with.
    fn seed(&self, given: u64) -> u64 {
        given.wrapping_add(self.jobs as u64)
    }
}

/// Opens the doors on a new world.
pub(super) async fn open_doors(
    options: &Options,
    webhook_secret: &str,
    earlier: &Earlier,
) -> Result<Doors, Failure> {
    let mut github = GitHubConfig::default();
    if options.no_traffic {
        github.traffic = None;
    }
    github.jobs_after = earlier.last_job.unwrap_or(github.jobs_after);
    if options.chaos {
        chaos::lie(&mut github.rules);
    }
    let github = github.at_speed(options.speed);
    let speed = u32::from(options.speed);
    let mut cluster = ClusterConfig::default();
    cluster.timings = cluster.timings.divided_by(speed);
    let pool = "scw-em-rv1";
    cluster.nodes.retain(|node| node.pool != pool);
    cluster
        .nodes
        .extend((1..=options.boards).map(|n| NodeConfig::new(&format!("riscv-runner-{n}"), pool)));
    let world = WorldConfig {
        github,
        cluster,
        seed: earlier.seed(options.seed),
    };
    let config = DoorsConfig {
        github: door(speed),
        webhooks: WebhooksConfig {
            secret: webhook_secret.to_owned(),
            ..WebhooksConfig::default()
        },
        ..DoorsConfig::new(world)
    };
    Doors::start(config)
        .await
        .map_err(|error| Failure::new(Exit::Failed, chain(&error)))
}

/// GitHub's API, whose answers take less time in a faster world.
fn door(speed: u32) -> GitHubDoorConfig {
    let usual = GitHubDoorConfig::default();
    GitHubDoorConfig {
        delay: usual
            .delay
            .map(|delay| *delay.start() / speed..=*delay.end() / speed),
        ..usual
    }
}
