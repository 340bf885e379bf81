//! The pretend GitHub: accounts and the Apps on them, workflow runs and their jobs, runners and who takes which job,
//! tokens and limits, webhook deliveries.
//!
//! It is a state machine without IO. Calls carry the time; chance comes from the seed. What the outside hears of it
//! are the deliveries in the outbox, and the JSON that the `…_json` methods make of it for answers.

mod accounts;
mod config;
mod deliveries;
mod ids;
mod jobs;
mod limits;
mod owners;
mod queue;
mod render;
mod runners;
mod sessions;
#[cfg(test)]
mod tests;
mod tokens;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};

pub use accounts::{
    Account, App, AppKind, Installation, InstallationState, Repository, RepositorySelection,
    Unknown,
};
pub use config::{
    AccountConfig, AccountKind, GitHubConfig, RepositoryConfig, Rules, TrafficConfig,
};
pub use deliveries::{Delivery, DeliveryAnswer, DeliveryStatus};
pub use ids::{
    AccountId, DeliveryId, GroupId, InstallationId, JobId, RepositoryId, RunId, RunnerId,
};
pub use jobs::{Conclusion, Job, JobEvent, JobRunner, JobSpec, JobState, NoConclusion, Run};
pub use limits::{Allowance, Caller, POINTS_OF_A_CHANGE, RateLimit};
pub use render::timestamp;
pub use runners::{
    DEFAULT_GROUP, DeleteRefused, GroupRefused, GroupVisibility, JitRefused, JitRequest, Runner,
    RunnerGroup, RunnerState, Scope,
};
pub use sessions::{Assigned, ConnectRefused, Poll};
pub use tokens::{Token, TokenRefused, TokenRejected};

use super::Time;
use deliveries::Deliveries;
use ids::{Chance, Due, Timers};
use limits::Usage;
use render::Urls;
use traffic::Traffic;

/// The stream of chance for ids and secrets.
const IDS_STREAM: u64 = 0x6769_7468_7562;
/// The stream of chance for traffic.
const TRAFFIC_STREAM: u64 = 0x7472_6166;

/// The pretend GitHub.
#[derive(Debug)]
pub struct GitHub {
    rules: Rules,
    urls: Urls,
    chance: Chance,
    timers: Timers,
    apps: Vec<App>,
    accounts: BTreeMap<AccountId, Account>,
    repositories: BTreeMap<RepositoryId, Repository>,
    installations: BTreeMap<InstallationId, Installation>,
    tokens: BTreeMap<String, Token>,
    usage: BTreeMap<Caller, Usage>,
    runs: BTreeMap<RunId, Run>,
    jobs: BTreeMap<JobId, Job>,
    /// Queued jobs: ids grow, so the first is the oldest.
    queued: BTreeSet<JobId>,
    groups: BTreeMap<(AccountId, GroupId), RunnerGroup>,
    runners: BTreeMap<RunnerId, Runner>,
    /// Which job a runner process has. Outlives a registration that is deleted under a running job.
    assignments: BTreeMap<RunnerId, JobId>,
    refuses_version: bool,
    deliveries: Deliveries,
    traffic: Option<Traffic>,
    last_installation: i64,
    last_run: i64,
    last_job: i64,
    last_runner: i64,
    last_group: i64,
}

impl GitHub {
    /// GitHub at the beginning.
    #[must_use]
    pub fn new(config: &GitHubConfig, seed: u64, now: Time) -> Self {
        let mut github = Self::empty(config, seed);
        for account in &config.accounts {
            github.add_account(account);
        }
        for account in &config.accounts {
            for app in &account.apps {
                // The account was added above, so this cannot fail.
                let installed = github.add_installation(&account.login, *app, now);
                if let (true, Ok(id)) = (config.announce_installations, installed) {
                    github.announce_installation(id, "created", now);
                }
            }
        }
        github.schedule_traffic(now);
        github
    }

    /// GitHub with the two Apps and nobody else.
    fn empty(config: &GitHubConfig, seed: u64) -> Self {
        let mut chance = Chance::new(seed, IDS_STREAM);
        let traffic = config.traffic.clone();
        Self {
            apps: apps(config, &mut chance),
            rules: config.rules.clone(),
            urls: Urls::default(),
            chance,
            timers: Timers::default(),
            accounts: BTreeMap::new(),
            repositories: BTreeMap::new(),
            installations: BTreeMap::new(),
            tokens: BTreeMap::new(),
            usage: BTreeMap::new(),
            runs: BTreeMap::new(),
            jobs: BTreeMap::new(),
            queued: BTreeSet::new(),
            groups: BTreeMap::new(),
            runners: BTreeMap::new(),
            assignments: BTreeMap::new(),
            refuses_version: false,
            deliveries: Deliveries::default(),
            traffic: traffic.map(|it| Traffic::new(it, Chance::new(seed, TRAFFIC_STREAM))),
            // Ids begin where GitHub's are today; those of runs exceed 32 bits.
            last_installation: 52_310_000,
            last_run: 15_204_000_000,
            last_job: config.jobs_after,
            last_runner: 20,
            last_group: 3,
        }
    }

    /// The numbers of the rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// When something happens by itself.
    #[must_use]
    pub fn next_due(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Runs what is due.
    pub fn run_due(&mut self, now: Time) {
        while let Some((at, due)) = self.timers.pop(now) {
            match due {
                Due::Traffic => self.run_traffic(at),
                Due::LostJob(job) => self.give_up_lost_job(job, at),
                Due::WaitingJob(job) => self.complete_job(job, Conclusion::Cancelled, at),
                Due::UnusedRunner(runner) => self.remove_runner(runner),
            }
        }
    }
}

fn apps(config: &GitHubConfig, chance: &mut Chance) -> Vec<App> {
    let both = [
        (config.organization_app, AppKind::Organization),
        (config.personal_app, AppKind::Personal),
    ];
    let apps = both.into_iter().map(|(id, kind)| App {
        id,
        kind,
        client_id: format!("Iv23li{}", chance.text(14)),
        permissions: permissions(kind, config.actions_permission),
    });
    apps.collect()
}

/// What each App is granted where it is installed.
fn permissions(app: AppKind, actions: bool) -> Vec<(&'static str, &'static str)> {
    let runners = match app {
        AppKind::Organization => ("organization_self_hosted_runners", "write"),
        AppKind::Personal => ("administration", "write"),
    };
    let mut permissions = vec![runners, ("metadata", "read")];
    if actions {
        permissions.push(("actions", "read"));
    }
    permissions
}
