//! The vocabulary of these tests: open doors with a client, and stand-ins.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use chrono::TimeDelta;
use rise_model::config::Apps;
use rise_model::span::Span;
use rise_model::{AppId, EntityKind, InstallationId, JobId, ScopeName, SentLabels};
use sandbox::doors::conformance::Descriptions;
use sandbox::doors::github::AppKeys;
use sandbox::doors::{Doors, DoorsConfig};
use sandbox::world::WorldConfig;
use sandbox::world::cluster::ClusterConfig;
use sandbox::world::github::{AppKind, GitHubConfig};

use crate::config::GitHubSection;
use crate::github::{Access, GitHub, GitHubErrorKind};

pub(super) const RISCV: &str = "ubuntu-24.04-riscv";
pub(super) const ORG: &str = "ggml-org";
pub(super) const ORG_REPO: &str = "ggml-org/llama.cpp";
pub(super) const USER_REPO: &str = "sandbox-ada/rv-notes";
pub(super) const GROUP: &str = "RISE RISC-V Runners";
/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn apps() -> Apps {
    let world = GitHubConfig::default();
    Apps {
        organization: AppId(world.organization_app),
        personal: AppId(world.personal_app),
    }
}

pub(super) fn section(call_timeout: Span) -> GitHubSection {
    GitHubSection {
        call_timeout,
        token_reuse_until: Span::seconds(60),
    }
}

/// The keys, made once for all tests of a process.
fn door_keys() -> AppKeys {
    static KEYS: OnceLock<AppKeys> = OnceLock::new();
    KEYS.get_or_init(|| AppKeys::generate().unwrap()).clone()
}

/// The pretend GitHub and a client of it.
pub(super) struct Pretend {
    pub(super) doors: Doors,
    pub(super) github: GitHub,
}

pub(super) async fn open() -> Pretend {
    open_with(GitHubConfig::quiet(), Span::seconds(10)).await
}

pub(super) async fn open_with(world: GitHubConfig, call_timeout: Span) -> Pretend {
    let mut config = DoorsConfig::new(WorldConfig {
        github: world,
        cluster: ClusterConfig::default(),
        seed: 5,
    });
    config.github.delay = None;
    config.keys = Some(door_keys());
    let doors = Doors::start(config).await.unwrap();
    let keys = doors.github().keys();
    let github = GitHub::new(
        doors.github_url(),
        apps(),
        &keys.private_pem(AppKind::Organization).to_owned().into(),
        &keys.private_pem(AppKind::Personal).to_owned().into(),
        section(call_timeout),
    )
    .unwrap();
    Pretend { doors, github }
}

/// A client of something else at this address.
pub(super) fn client_of(url: &str) -> GitHub {
    let key = super::keys::pkcs8();
    GitHub::new(
        url,
        apps(),
        &key.clone().into(),
        &key.into(),
        section(Span::seconds(10)),
    )
    .unwrap()
}

/// What `future` gives, unless it takes too long.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("this should have happened by now")
}

impl Pretend {
    /// The installation on an account.
    pub(super) fn access(&self, login: &str) -> Access {
        self.doors.world().read(|world| {
            let account = world.github.account(login).unwrap();
            let kind = EntityKind::parse(account.kind.as_str()).unwrap();
            let installation = world
                .github
                .installation_on(account.id, apps().serving(kind).0)
                .unwrap();
            Access {
                kind,
                installation: InstallationId(installation.id.0),
            }
        })
    }

    pub(super) fn queue(&self, repository: &str) -> JobId {
        self.doors.world().with(|world| {
            let now = world.now();
            let job = world
                .github
                .queue_job(repository, &[RISCV], TimeDelta::seconds(5), now)
                .unwrap();
            JobId(job.0)
        })
    }

    /// A runner process starts with this configuration and asks for work.
    pub(super) fn start_runner(&self, encoded: &str) {
        self.doors.world().with(|world| {
            let now = world.now();
            let runner = world.github.runner_connect(encoded, now).unwrap();
            world.github.runner_poll(runner, now);
        });
    }

    /// How often an operation was asked for.
    pub(super) fn asked(&self, operation: &str) -> usize {
        let requests = self.doors.github().requests();
        requests
            .iter()
            .filter(|record| record.operation == operation)
            .count()
    }

    /// Every exchange was as GitHub describes it.
    pub(super) fn assert_as_described(&self) {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/github");
        let judge = match Descriptions::load(&data) {
            Ok(judge) => judge,
            Err(missing) => {
                eprintln!("requests were not held against GitHub's description: {missing}");
                return;
            }
        };
        let requests = self.doors.github().requests();
        assert!(!requests.is_empty());
        for record in &requests {
            if let Err(violation) = judge.check_exchange(record) {
                panic!("{violation}");
            }
        }
    }
}

pub(super) fn org() -> ScopeName {
    ScopeName::Organization(ORG.to_owned())
}

pub(super) fn user_repo() -> ScopeName {
    ScopeName::Repository(USER_REPO.to_owned())
}

pub(super) fn labels() -> SentLabels {
    SentLabels::new(vec![RISCV.to_owned()])
}

pub(super) fn is_not_found(kind: &GitHubErrorKind) -> bool {
    matches!(kind, GitHubErrorKind::NotFound)
}
