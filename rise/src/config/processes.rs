//! What each process asks for: the sections of the file and the variables that it uses, and no others.

use std::net::{Ipv4Addr, SocketAddr};

use rise_model::EntityKind;
use rise_model::config::Apps;
use rise_model::deliveries::{Recover, Recovery};
use rise_model::machine::MachineConfig;
use secrecy::{ExposeSecret, SecretString};
use services::config::{DatabaseSection, GitHubSection, KubernetesSection};
use services::ghfe::{GhfeConfig, SetupApps, StagingConfig};
use services::github::{AppClient, GitHubSetupError};
use services::kubernetes::KubeSource;
use services::scheduler::SchedulerConfig;
use services::store::{Store, StoreError};

use super::{Asking, Configuration, EnvironmentName, Problem, Variable, Variables, failure};
use crate::exit::Failure;

/// What a service listens on when nothing else is said; the replaced service's port.
pub(crate) const DEFAULT_PORT: u16 = 8080;
/// GitHub's own API.
const GITHUB_API: &str = "https://api.github.com";
/// Kubernetes sets this in every container.
const IN_CLUSTER: &str = "KUBERNETES_SERVICE_HOST";

/// Where the tables are.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    /// libpq's URL.
    pub(crate) url: SecretString,
    /// The environment's schema.
    pub(crate) schema: String,
    /// The pool.
    pub(crate) section: DatabaseSection,
}

impl Database {
    /// The store; it connects when it is first used.
    pub(crate) fn store(&self) -> Result<Store, StoreError> {
        Store::new(self.url.expose_secret(), &self.schema, &self.section)
    }
}

/// What `rise serve ghfe` needs.
#[derive(Debug)]
pub(crate) struct Ghfe {
    /// What to listen on.
    pub(crate) listen: SocketAddr,
    /// The tables.
    pub(crate) database: Database,
    /// The setup pages' way to GitHub.
    pub(crate) github: SetupAccess,
    /// The service's own configuration.
    pub(crate) config: GhfeConfig,
}

/// How the setup pages ask GitHub; without a key its App's page says that it cannot.
#[derive(Debug)]
pub(crate) struct SetupAccess {
    api: reqwest::Url,
    organization_key: Option<SecretString>,
    personal_key: Option<SecretString>,
    apps: Apps,
    section: GitHubSection,
}

impl SetupAccess {
    /// The clients. Must be called inside a tokio runtime.
    pub(crate) fn apps(&self) -> Result<SetupApps, GitHubSetupError> {
        let client = |kind, key: &Option<SecretString>| {
            let key = key.as_ref();
            key.map(|key| AppClient::new(self.api.as_str(), kind, self.apps, key, self.section))
                .transpose()
        };
        Ok(SetupApps {
            organization: client(EntityKind::Organization, &self.organization_key)?,
            personal: client(EntityKind::User, &self.personal_key)?,
        })
    }
}

/// What `rise serve scheduler` needs.
#[derive(Debug)]
pub(crate) struct Scheduler {
    /// What to listen on.
    pub(crate) listen: SocketAddr,
    /// The tables.
    pub(crate) database: Database,
    /// Where GitHub's API is.
    pub(crate) github_api: reqwest::Url,
    /// The private key of the App for organisations.
    pub(crate) organization_key: SecretString,
    /// The private key of the App for personal accounts.
    pub(crate) personal_key: SecretString,
    /// The cluster.
    pub(crate) cluster: KubeSource,
    /// The two Apps.
    pub(crate) apps: Apps,
    /// How GitHub is called.
    pub(crate) github: GitHubSection,
    /// How the cluster is called.
    pub(crate) kubernetes: KubernetesSection,
    /// The service's own configuration.
    pub(crate) config: SchedulerConfig,
}

/// What `rise trace` needs.
#[derive(Debug)]
pub(crate) struct TraceAccess {
    /// Where webhook intake is.
    pub(crate) url: reqwest::Url,
    /// Its bearer token.
    pub(crate) secret: SecretString,
    /// Where GitHub's API is.
    pub(crate) github_api: reqwest::Url,
    /// A token for it; it answers without one too.
    pub(crate) github_token: Option<SecretString>,
}

impl Configuration {
    /// What `rise trace` needs.
    pub(crate) fn trace(&self, variables: &Variables) -> Result<TraceAccess, Failure> {
        let mut asking = Asking::of(variables);
        let url = ask_intake(&mut asking);
        let secret = asking.secret(Variable::TraceApiSecret);
        let github_api = ask_github_api(&mut asking);
        let github_token = asking.optional(Variable::GithubToken).map(Into::into);
        let access = (|| {
            Some(TraceAccess {
                url: url?,
                secret: secret?,
                github_api: github_api?,
                github_token,
            })
        })();
        self.all_or_problems(asking, access)
    }

    /// What commands that only read and write tables need.
    pub(crate) fn database(&self, variables: &Variables) -> Result<Database, Failure> {
        let mut asking = Asking::of(variables);
        let database = self.ask_database(&mut asking);
        self.all_or_problems(asking, database)
    }

    /// What commands need that read tables and, where one is known, look at the cluster.
    pub(crate) fn database_and_cluster(
        &self,
        variables: &Variables,
    ) -> Result<(Database, Option<KubeSource>), Failure> {
        let mut asking = Asking::of(variables);
        let database = self.ask_database(&mut asking);
        let cluster = cluster_if_set(&mut asking);
        self.all_or_problems(asking, database.map(|database| (database, cluster)))
    }

    /// What webhook intake needs.
    pub(crate) fn ghfe(
        &self,
        variables: &Variables,
        listen: Option<SocketAddr>,
    ) -> Result<Ghfe, Failure> {
        let mut asking = Asking::of(variables);
        let database = self.ask_database(&mut asking);
        let webhook_secret = asking.secret(Variable::GhappWebhookSecret);
        let trace_secret = asking.secret(Variable::TraceApiSecret);
        let organization_key = ask_key_if_set(&mut asking, Variable::GhappOrgPrivateKey);
        let personal_key = ask_key_if_set(&mut asking, Variable::GhappPersonalPrivateKey);
        let github_api = ask_github_api(&mut asking);
        let staging = self.ask_staging(&mut asking);
        let listen = ask_listen(&mut asking, listen);
        let ghfe = (|| {
            Some(Ghfe {
                listen,
                database: database?,
                github: SetupAccess {
                    api: github_api?,
                    organization_key,
                    personal_key,
                    apps: self.file.apps,
                    section: self.file.github,
                },
                config: GhfeConfig {
                    apps: self.file.apps,
                    routing: self.file.routing(),
                    image_tag: self.environment().image_tag.clone(),
                    section: self.file.ghfe,
                    setup: self.file.setup.clone(),
                    staging,
                    webhook_secret: webhook_secret?,
                    trace_secret: trace_secret?,
                },
            })
        })();
        self.all_or_problems(asking, ghfe)
    }

    /// What the scheduler needs.
    pub(crate) fn scheduler(
        &self,
        variables: &Variables,
        listen: Option<SocketAddr>,
    ) -> Result<Scheduler, Failure> {
        let mut asking = Asking::of(variables);
        let database = self.ask_database(&mut asking);
        let organization_key = ask_key(&mut asking, Variable::GhappOrgPrivateKey);
        let personal_key = ask_key(&mut asking, Variable::GhappPersonalPrivateKey);
        let github_api = ask_github_api(&mut asking);
        let cluster = ask_cluster(&mut asking);
        let dashboard_token = asking
            .optional(Variable::DashboardToken)
            .map(SecretString::from);
        let listen = ask_listen(&mut asking, listen);
        let scheduler = (|| {
            Some(Scheduler {
                listen,
                database: database?,
                github_api: github_api?,
                organization_key: organization_key?,
                personal_key: personal_key?,
                cluster: cluster?,
                apps: self.file.apps,
                github: self.file.github,
                kubernetes: self.file.kubernetes,
                config: SchedulerConfig {
                    environment: self.environment().clone(),
                    machine: self.machine(),
                    section: self.file.scheduler,
                    dashboard_token,
                },
            })
        })();
        self.all_or_problems(asking, scheduler)
    }

    /// How missed deliveries are recovered, if they are in this environment.
    fn recovery(&self) -> Option<Recovery> {
        let rules = self.file.deliveries;
        let here = match (rules.recover, self.name) {
            (Recover::Always, _) | (Recover::Auto, EnvironmentName::Prod) => true,
            (Recover::Never, _) | (Recover::Auto, EnvironmentName::Staging) => false,
        };
        here.then_some(Recovery {
            apps: self.file.apps,
            rules,
        })
    }

    /// What the scheduler's decisions are made with.
    pub(crate) fn machine(&self) -> MachineConfig {
        MachineConfig {
            pools: self.file.pools.clone(),
            images: self.images(),
            sharing: self.file.sharing,
            caps: self.file.caps.clone(),
            rules: self.file.rules,
            runner_prefix: self.environment().runner_prefix.clone(),
            recovery: self.recovery(),
        }
    }

    fn all_or_problems<T>(&self, asking: Asking<'_>, settings: Option<T>) -> Result<T, Failure> {
        let mut problems = self.problems.clone();
        problems.extend(asking.problems());
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(failure(problems)),
        }
    }

    fn ask_database(&self, asking: &mut Asking<'_>) -> Option<Database> {
        let url = asking.secret(Variable::PostgresUrl)?;
        if let Err(error) = services::store::check_url(url.expose_secret()) {
            asking.wrong(Problem::new(crate::exit::chain(&error)).hint(error.hint()));
            return None;
        }
        Some(Database {
            url,
            schema: self.environment().schema.clone(),
            section: self.file.database,
        })
    }
}

impl Configuration {
    /// Where production hands deliveries to, asked for only when there are some.
    fn ask_staging(&self, asking: &mut Asking<'_>) -> Option<StagingConfig> {
        let repositories = self.file.caps.staging();
        if self.name == EnvironmentName::Staging || repositories.is_empty() {
            return None;
        }
        if asking.optional(Variable::StagingUrl).is_none() {
            asking.missing("STAGING_URL (for the repositories in caps.entities.staging)");
            return None;
        }
        let url = asking.parsed(Variable::StagingUrl, staging_url)?;
        Some(StagingConfig { url, repositories })
    }
}

/// The path ends with `/`, as the replaced service asks.
fn staging_url(text: &str) -> Result<reqwest::Url, Problem> {
    let slashed = format!("{}/", text.trim_end_matches('/'));
    match reqwest::Url::parse(&slashed) {
        Ok(url)
            if matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none() =>
        {
            Ok(url)
        }
        // It is not shown: it may be one with a password.
        Ok(_) | Err(_) => Err(Problem::new("STAGING_URL is no plain URL")
            .hint("write a URL such as https://staging.example, without user, query or fragment")),
    }
}

fn ask_listen(asking: &mut Asking<'_>, listen: Option<SocketAddr>) -> SocketAddr {
    let port = |text: &str| {
        text.parse().map_err(|_| {
            Problem::new(format!("PORT is `{text}`"))
                .hint("write a number from 0 to 65535; 0 takes any free port")
        })
    };
    let from_port = asking.parsed(Variable::Port, port).unwrap_or(DEFAULT_PORT);
    listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, from_port)))
}

fn ask_key(asking: &mut Asking<'_>, variable: Variable) -> Option<SecretString> {
    let key = asking.secret(variable)?;
    checked_key(asking, variable, key)
}

fn ask_key_if_set(asking: &mut Asking<'_>, variable: Variable) -> Option<SecretString> {
    let key = asking.optional(variable)?;
    checked_key(asking, variable, key.into())
}

fn checked_key(
    asking: &mut Asking<'_>,
    variable: Variable,
    key: SecretString,
) -> Option<SecretString> {
    if !key.expose_secret().trim_start().starts_with("-----BEGIN ") {
        asking.wrong(Problem::new(format!("{variable} is no private key")).hint(
            "it is the text of the .pem file that GitHub made for the App, with its line breaks",
        ));
        return None;
    }
    Some(key)
}

fn ask_github_api(asking: &mut Asking<'_>) -> Option<reqwest::Url> {
    let parse = |text: &str| match reqwest::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) | Err(_) => Err(Problem::new(format!("GITHUB_API_URL is `{text}`"))
            .hint(format!("write a URL such as {GITHUB_API}"))),
    };
    match asking.optional(Variable::GithubApiUrl) {
        Some(_) => asking.parsed(Variable::GithubApiUrl, parse),
        None => reqwest::Url::parse(GITHUB_API).ok(),
    }
}

fn ask_intake(asking: &mut Asking<'_>) -> Option<reqwest::Url> {
    for variable in [Variable::RiseUrl, Variable::ProdUrl] {
        if asking.optional(variable).is_some() {
            let parse = |text: &str| match reqwest::Url::parse(text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
                Ok(_) | Err(_) => Err(Problem::new(format!("{variable} is `{text}`"))
                    .hint("write the URL of webhook intake, such as https://ghfe.example")),
            };
            return asking.parsed(variable, parse);
        }
    }
    asking.missing("RISE_URL (or PROD_URL)");
    None
}

fn ask_cluster(asking: &mut Asking<'_>) -> Option<KubeSource> {
    let found = cluster_if_set(asking);
    if found.is_none() {
        asking.missing("K8S_KUBECONFIG (or KUBECONFIG, a path)");
    }
    found
}

fn cluster_if_set(asking: &mut Asking<'_>) -> Option<KubeSource> {
    if let Some(text) = asking.optional(Variable::K8sKubeconfig) {
        return Some(KubeSource::Text(text.into()));
    }
    if let Some(path) = asking.optional(Variable::Kubeconfig) {
        return Some(KubeSource::Path(path.into()));
    }
    if asking.has(IN_CLUSTER) {
        return Some(KubeSource::InCluster);
    }
    None
}
