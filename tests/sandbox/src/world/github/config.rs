//! What the pretend GitHub holds when it begins, and its rules' numbers.
//!
//! The default is the sandbox's world: three organisations, two personal accounts, steady traffic.

use chrono::TimeDelta;

use super::accounts::AppKind;

/// What GitHub holds at the beginning.
#[derive(Debug, Clone)]
pub struct GitHubConfig {
    /// Id of the App that organisations install.
    pub organization_app: i64,
    /// Id of the App that personal accounts install.
    pub personal_app: i64,
    /// Whether the Apps were granted `actions: read`. Without it, jobs and runs of private repositories stay closed.
    pub actions_permission: bool,
    /// The accounts, each with its repositories and installations.
    pub accounts: Vec<AccountConfig>,
    /// Whether `installation.created` is delivered for each installation at the beginning.
    pub announce_installations: bool,
    /// Jobs that come by themselves.
    pub traffic: Option<TrafficConfig>,
    /// The rules' numbers.
    pub rules: Rules,
    /// Jobs are numbered after this.
    pub jobs_after: i64,
}

/// An account at the beginning.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub login: String,
    /// Organisation or user.
    pub kind: AccountKind,
    /// Whether its plan lets it make runner groups of its own.
    pub custom_groups: bool,
    /// The Apps installed on it.
    pub apps: Vec<AppKind>,
    /// Its repositories.
    pub repositories: Vec<RepositoryConfig>,
}

/// A repository at the beginning.
#[derive(Debug, Clone)]
pub struct RepositoryConfig {
    /// Its id.
    pub id: i64,
    /// Its name without the owner.
    pub name: String,
    /// Whether strangers may not see it.
    pub private: bool,
}

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// An organisation.
    Organization,
    /// A person.
    User,
}

impl AccountKind {
    /// GitHub's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "Organization",
            Self::User => "User",
        }
    }
}

/// Jobs that come by themselves.
#[derive(Debug, Clone)]
pub struct TrafficConfig {
    /// The mean time between two jobs; each pause is drawn evenly from zero to twice this.
    pub every: TimeDelta,
    /// The shortest time that a job runs.
    pub runs_at_least: TimeDelta,
    /// The longest time that a job runs.
    pub runs_at_most: TimeDelta,
    /// One of these label sets is asked for.
    pub labels: Vec<Vec<String>>,
    /// One job in so many fails; 0 for none.
    pub fails_one_in: u32,
}

impl Default for TrafficConfig {
    fn default() -> Self {
        Self {
            every: TimeDelta::seconds(2),
            runs_at_least: TimeDelta::seconds(2),
            runs_at_most: TimeDelta::seconds(6),
            labels: vec![vec!["ubuntu-24.04-riscv".to_owned()]],
            fails_one_in: 12,
        }
    }
}

/// GitHub's numbers. The sandbox divides the durations when it runs faster than life.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long an installation token lives (GitHub: 1 h).
    pub token_life: TimeDelta,
    /// How long after its runner fell silent a job fails (GitHub: about 10 min).
    pub lost_job_after: TimeDelta,
    /// How long an unused registration stays (GitHub: about a day).
    pub unused_runner_after: TimeDelta,
    /// How long a connected runner without a job stays, if it is removed before the day is over (seen: 2–6 min).
    pub idle_runner_after: Option<TimeDelta>,
    /// How long a job waits for a runner before it is cancelled (GitHub: 24 h).
    pub queued_job_limit: TimeDelta,
    /// How late lists say that a runner is busy (seen: 25–60 s and more). Until then it can be deleted, too.
    pub busy_lag: TimeDelta,
    /// Requests that an installation or an App may make within [`Rules::limit_window`] (GitHub: 5 000).
    pub request_limit: u32,
    /// Requests that callers without credentials may make in all (GitHub: 60 for each address).
    pub anonymous_limit: u32,
    /// The time over which requests are counted (GitHub: 1 h).
    pub limit_window: TimeDelta,
    /// Points that a caller may spend within [`Rules::points_window`]: 1 for reading, 5 for changing (GitHub: 900). More
    /// meets the secondary limit.
    pub points_limit: Option<u32>,
    /// The time over which points are counted (GitHub: 1 min).
    pub points_window: TimeDelta,
    /// How many delivery attempts are remembered with their payloads (GitHub: those of some days).
    pub deliveries_kept: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            token_life: TimeDelta::hours(1),
            lost_job_after: TimeDelta::minutes(10),
            unused_runner_after: TimeDelta::hours(24),
            idle_runner_after: None,
            queued_job_limit: TimeDelta::hours(24),
            busy_lag: TimeDelta::zero(),
            request_limit: 5_000,
            anonymous_limit: 60,
            limit_window: TimeDelta::hours(1),
            points_limit: Some(900),
            points_window: TimeDelta::minutes(1),
            deliveries_kept: 2_000,
        }
    }
}

impl Rules {
    fn divided(self, by: i32) -> Self {
        Self {
            token_life: self.token_life / by,
            lost_job_after: self.lost_job_after / by,
            unused_runner_after: self.unused_runner_after / by,
            idle_runner_after: self.idle_runner_after.map(|limit| limit / by),
            queued_job_limit: self.queued_job_limit / by,
            busy_lag: self.busy_lag / by,
            limit_window: self.limit_window / by,
            points_window: self.points_window / by,
            ..self
        }
    }
}

impl TrafficConfig {
    fn divided(self, by: i32) -> Self {
        Self {
            every: self.every / by,
            runs_at_least: self.runs_at_least / by,
            runs_at_most: self.runs_at_most / by,
            ..self
        }
    }
}

impl AccountConfig {
    /// An organisation with the organisation App installed. Ids of repositories follow the organisation's.
    #[must_use]
    pub fn organization(id: i64, login: &str, repositories: &[&str]) -> Self {
        Self::new(
            id,
            login,
            AccountKind::Organization,
            AppKind::Organization,
            repositories,
        )
    }

    /// A personal account with the personal App installed.
    #[must_use]
    pub fn user(id: i64, login: &str, repositories: &[&str]) -> Self {
        Self::new(
            id,
            login,
            AccountKind::User,
            AppKind::Personal,
            repositories,
        )
    }

    fn new(id: i64, login: &str, kind: AccountKind, app: AppKind, names: &[&str]) -> Self {
        let repositories = (1_i64..)
            .zip(names)
            .map(|(number, name)| RepositoryConfig {
                id: 600_000_000 + id % 10_000_000 * 10 + number,
                name: (*name).to_owned(),
                private: false,
            })
            .collect();
        let login = login.to_owned();
        Self {
            id,
            login,
            kind,
            custom_groups: true,
            apps: vec![app],
            repositories,
        }
    }
}

impl Default for GitHubConfig {
    fn default() -> Self {
        Self {
            organization_app: 2_167_633,
            personal_app: 3_131_217,
            actions_permission: true,
            accounts: vec![
                AccountConfig::organization(134_263_123, "ggml-org", &["llama.cpp", "whisper.cpp"]),
                AccountConfig::organization(
                    171_204_518,
                    "sandbox-vectorworks",
                    &["simd-kernels", "fft"],
                ),
                AccountConfig::organization(158_870_342, "sandbox-openkernel", &["boot", "sched"]),
                AccountConfig::user(9_461_077, "sandbox-ada", &["rv-notes", "tinycc-rv"]),
                AccountConfig::user(20_718_553, "sandbox-tomas", &["zig-rv", "dotfiles"]),
            ],
            announce_installations: true,
            traffic: Some(TrafficConfig::default()),
            rules: Rules::default(),
            // Where GitHub's are today: they exceed 32 bits.
            jobs_after: 43_718_000_000,
        }
    }
}

impl GitHubConfig {
    /// The default world in which nothing happens unless a test makes it happen.
    #[must_use]
    pub fn quiet() -> Self {
        Self {
            traffic: None,
            announce_installations: false,
            ..Self::default()
        }
    }

    /// The same world in which everything goes `speed` times as fast. A speed of 0 is taken for 1.
    #[must_use]
    pub fn at_speed(self, speed: u16) -> Self {
        let by = i32::from(speed.max(1));
        let traffic = self.traffic.map(|traffic| traffic.divided(by));
        Self {
            traffic,
            rules: self.rules.divided(by),
            ..self
        }
    }
}
