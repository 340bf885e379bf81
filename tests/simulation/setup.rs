//! The world of a history and the configuration of the product in it: two organisations and a person, two pools, three
//! sets of labels of which one has no route.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta};
use rise_model::config::{
    Apps, Cap, Caps, EntitySettings, LabelMatch, Percent, Pool, Route, Routing, Rules, Sharing,
};
use rise_model::deliveries::{DeliveryRules, Recover, Recovery};
use rise_model::machine::MachineConfig;
use rise_model::span::Span;
use rise_model::{AppId, EntityId, LabelSet, Time};
use sandbox::world::cluster::{ClusterConfig, NodeConfig, Span as Between, Timings};
use sandbox::world::github::{AccountConfig, GitHubConfig, Rules as GitHubRules};
use sandbox::world::{World, WorldConfig};

use crate::history::Setting;

pub(crate) const PREFIX: &str = "rise-riscv-runner-";
pub(crate) const RUNNER_GROUP: &str = "RISE RISC-V Runners";
pub(crate) const REPOSITORIES: [&str; 5] = [
    "first-org/a",
    "first-org/b",
    "second-org/a",
    "person/a",
    "person/b",
];
pub(crate) const ACCOUNTS: [&str; 3] = ["first-org", "second-org", "person"];
pub(crate) const LABELS: [&str; 3] = ["ubuntu-24.04-riscv", "riscv-other", "no-route"];
pub(crate) const IMAGES: [&str; 2] = ["registry.example/runner:a", "registry.example/runner:b"];
pub(crate) const POOLS: [&str; 2] = ["pool-a", "pool-b"];
pub(crate) const FIRST_ORG: i64 = 1_001;
pub(crate) const PERSON: i64 = 1_003;
pub(crate) const ACCOUNT_IDS: [i64; 3] = [FIRST_ORG, 1_002, PERSON];
const ORGANIZATION_APP: i64 = 11;
const PERSONAL_APP: i64 = 12;

/// The moment at which every history begins.
pub(crate) fn beginning() -> Time {
    DateTime::from_timestamp(1_795_000_000, 0).unwrap()
}

pub(crate) fn board(number: usize) -> String {
    format!("board-{}", number + 1)
}

pub(crate) fn world(seed: u64, setting: Setting) -> World {
    let mut first = AccountConfig::organization(FIRST_ORG, ACCOUNTS[0], &["a", "b"]);
    first.custom_groups = setting.groups;
    let config = WorldConfig {
        github: GitHubConfig {
            organization_app: ORGANIZATION_APP,
            personal_app: PERSONAL_APP,
            actions_permission: true,
            accounts: vec![
                first,
                AccountConfig::organization(1_002, ACCOUNTS[1], &["a"]),
                AccountConfig::user(PERSON, ACCOUNTS[2], &["a", "b"]),
            ],
            announce_installations: false,
            traffic: None,
            jobs_after: 0,
            rules: GitHubRules {
                busy_lag: TimeDelta::seconds(setting.busy_lag),
                idle_runner_after: setting.idle_runner_after.map(TimeDelta::seconds),
                ..GitHubRules::default()
            },
        },
        cluster: ClusterConfig {
            nodes: (0..setting.boards + setting.other_boards)
                .map(|number| {
                    let pool = POOLS[usize::from(number >= setting.boards)];
                    NodeConfig::new(&board(number), pool)
                })
                .collect(),
            timings: Timings {
                pull: Between::millis(300, 8_000),
                poll: TimeDelta::seconds(2),
                heartbeat: TimeDelta::seconds(10),
                pull_back_off: TimeDelta::seconds(setting.pull_back_off),
                ..Timings::default()
            },
            fail_before_job: 0.0,
            ..ClusterConfig::with_boards(&[])
        },
        seed,
    };
    World::new(&config, beginning())
}

pub(crate) fn apps() -> Apps {
    Apps {
        organization: AppId(ORGANIZATION_APP),
        personal: AppId(PERSONAL_APP),
    }
}

pub(crate) fn routing() -> Routing {
    let route = |index: usize| Route {
        labels: LabelSet::new([LABELS[index]]),
        label_match: LabelMatch::Exact,
        implied: LabelSet::default(),
        only_for: Vec::new(),
        allow: Vec::new(),
        pool: POOLS[index].into(),
        image: POOLS[index].to_owned(),
    };
    Routing {
        images: BTreeMap::from([
            (POOLS[0].to_owned(), IMAGES[0].to_owned()),
            (POOLS[1].to_owned(), IMAGES[1].to_owned()),
        ]),
        pools: pools(),
        routes: vec![route(0), route(1)],
    }
}

fn pools() -> Vec<Pool> {
    let pool = |name: &&str| Pool {
        name: (*name).into(),
        node_selector: BTreeMap::new(),
        ephemeral_storage: None,
    };
    POOLS.iter().map(pool).collect()
}

pub(crate) fn machine(setting: Setting) -> MachineConfig {
    MachineConfig {
        pools: pools(),
        images: BTreeMap::from([
            (POOLS[0].to_owned(), IMAGES[0].into()),
            (POOLS[1].to_owned(), IMAGES[1].into()),
        ]),
        sharing: Sharing {
            newcomer_cap: Cap::Unlimited,
            newcomer_until: 10,
            max_share: Percent::ALL,
        },
        caps: Caps {
            default_max_workers: Cap::Workers(20),
            entities: vec![EntitySettings {
                id: EntityId(FIRST_ORG),
                name: ACCOUNTS[0].to_owned(),
                max_workers: Some(Cap::Workers(setting.cap)),
                staging: Vec::new(),
            }],
        },
        rules: rules(),
        runner_prefix: PREFIX.to_owned(),
        recovery: Some(Recovery {
            apps: apps(),
            rules: DeliveryRules {
                recover: Recover::Always,
                look_every: Span::seconds(300),
                first_look_back: Span::seconds(24 * 3600),
                overlap: Span::seconds(120),
                redeliver_every: Span::seconds(1),
                attempts: 3,
            },
        }),
    }
}

/// As in `assets/config/default.toml`.
fn rules() -> Rules {
    Rules {
        provision_within: Span::seconds(45),
        pod_expected_within: Span::seconds(60),
        pod_recheck: Span::seconds(10),
        image_pull_within: Span::seconds(120),
        pod_running_within: Span::seconds(600),
        cluster_stale_after: Span::seconds(60),
        pod_grace: Span::seconds(6 * 3600),
        finished_pods_per_board: 20,
        finished_pods: 500,
        reserve_at_once: 50,
        effects_at_once: 64,
        log_retry: Span::seconds(10),
        log_gone_after: Span::seconds(1800),
        back_off_from: Span::seconds(15),
        back_off_to: Span::seconds(600),
        retry_after: Span::seconds(2),
        deregister_within: Span::seconds(24 * 3600),
        runner_online_within: Span::seconds(120),
        runner_offline_at_most: Span::seconds(600),
        runner_absent_at_most: Span::seconds(300),
        runner_idle_at_most: Span::seconds(600),
        runner_idle_while_waiting: Span::seconds(120),
        reads_apart: Span::seconds(60),
        concluded_for: Span::seconds(600),
        kill_within: Span::seconds(60),
        kill_stuck_after: Span::seconds(120),
        job_unaccounted_after: Span::seconds(3600),
        runners_every: Span::seconds(30),
        leftovers_apart: Span::seconds(300),
        leftovers_for: Span::seconds(900),
        scopes_every: Span::seconds(86_400),
        board_dead_after: Span::seconds(300),
        boards_suspect_within: Span::seconds(300),
        boards_suspect_for: Span::seconds(1800),
        scope_gone_after: Span::seconds(600),
        job_wrong_for: Span::seconds(60),
        job_silent_for: Span::seconds(600),
        job_asked_at_least_apart: Span::seconds(60),
        job_asked_at_most_apart: Span::seconds(840),
        job_stuck_after: Span::seconds(600),
        jobs_asked_at_once: 10,
        other_scheduler_lasts: Span::seconds(300),
        breaker_opens_after: 3,
        breaker_probe_every: Span::seconds(15),
        limit_waits_at_least: Span::seconds(60),
        suspended_asked_every: Span::seconds(60),
        installation_missing_for: Span::seconds(60),
        questions_percent: 10,
        jits_in_ten_seconds: 13,
        jits_in_ten_seconds_of_app: 30,
        jits_an_hour: 450,
    }
}
