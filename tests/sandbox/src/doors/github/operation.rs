//! Which of GitHub's operations a method and a path mean. Everything else is unknown to this GitHub.

use http::Method;

use crate::world::github::{DeliveryId, GroupId, InstallationId, JobId, RunId, RunnerId};

/// Where runners are registered, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// An organisation.
    Organization(String),
    /// A repository, `owner/name`.
    Repository(String),
}

/// An operation of GitHub's REST API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    GetApp,
    GetHookConfig,
    ListDeliveries,
    GetDelivery(DeliveryId),
    Redeliver(DeliveryId),
    ListInstallations,
    GetInstallation(InstallationId),
    CreateInstallationToken(InstallationId),
    GetOrganizationInstallation(String),
    GetUserInstallation(String),
    GetRepositoryInstallation(String),
    ListInstallationRepositories,
    GetOrganization(String),
    GetUser(String),
    GetRepository(String),
    ListRunnerGroups(String),
    CreateRunnerGroup(String),
    GetRunnerGroup(String, GroupId),
    ListGroupRunners(String, GroupId),
    ListRunners(Place),
    GetRunner(Place, RunnerId),
    DeleteRunner(Place, RunnerId),
    CreateJitConfig(Place),
    GetJob(String, JobId),
    ListRuns(String),
    GetRun(String, RunId),
    ListRunJobs(String, RunId),
    GetRateLimit,
    GetMeta,
}

impl Operation {
    /// The operation that a request asks for.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        match segments.as_slice() {
            ["app", rest @ ..] => Self::of_app(method, rest),
            ["installation", "repositories"] => get(method, Self::ListInstallationRepositories),
            ["orgs", org] => get(method, Self::GetOrganization((*org).to_owned())),
            ["orgs", org, "installation"] => {
                get(method, Self::GetOrganizationInstallation((*org).to_owned()))
            }
            ["orgs", org, "actions", "runners", rest @ ..] => {
                Self::of_runners(method, Place::Organization((*org).to_owned()), rest)
            }
            ["orgs", org, "actions", "runner-groups", rest @ ..] => {
                Self::of_groups(method, (*org).to_owned(), rest)
            }
            ["users", login] => get(method, Self::GetUser((*login).to_owned())),
            ["users", login, "installation"] => {
                get(method, Self::GetUserInstallation((*login).to_owned()))
            }
            ["repos", owner, name, rest @ ..] => {
                Self::of_repository(method, format!("{owner}/{name}"), rest)
            }
            ["rate_limit"] => get(method, Self::GetRateLimit),
            ["meta"] => get(method, Self::GetMeta),
            _ => None,
        }
    }

    fn of_app(method: &Method, rest: &[&str]) -> Option<Self> {
        match rest {
            [] => get(method, Self::GetApp),
            ["hook", "config"] => get(method, Self::GetHookConfig),
            ["hook", "deliveries"] => get(method, Self::ListDeliveries),
            ["hook", "deliveries", id] => {
                get(method, Self::GetDelivery(DeliveryId(id.parse().ok()?)))
            }
            ["hook", "deliveries", id, "attempts"] => {
                post(method, Self::Redeliver(DeliveryId(id.parse().ok()?)))
            }
            ["installations"] => get(method, Self::ListInstallations),
            ["installations", id] => get(
                method,
                Self::GetInstallation(InstallationId(id.parse().ok()?)),
            ),
            ["installations", id, "access_tokens"] => post(
                method,
                Self::CreateInstallationToken(InstallationId(id.parse().ok()?)),
            ),
            _ => None,
        }
    }

    fn of_groups(method: &Method, org: String, rest: &[&str]) -> Option<Self> {
        match rest {
            [] if method == Method::POST => Some(Self::CreateRunnerGroup(org)),
            [] => get(method, Self::ListRunnerGroups(org)),
            [id] => get(method, Self::GetRunnerGroup(org, GroupId(id.parse().ok()?))),
            [id, "runners"] => get(
                method,
                Self::ListGroupRunners(org, GroupId(id.parse().ok()?)),
            ),
            _ => None,
        }
    }

    fn of_runners(method: &Method, place: Place, rest: &[&str]) -> Option<Self> {
        match rest {
            [] => get(method, Self::ListRunners(place)),
            ["generate-jitconfig"] => post(method, Self::CreateJitConfig(place)),
            [id] if method == Method::DELETE => {
                Some(Self::DeleteRunner(place, RunnerId(id.parse().ok()?)))
            }
            [id] => get(method, Self::GetRunner(place, RunnerId(id.parse().ok()?))),
            _ => None,
        }
    }

    fn of_repository(method: &Method, full_name: String, rest: &[&str]) -> Option<Self> {
        match rest {
            [] => get(method, Self::GetRepository(full_name)),
            ["installation"] => get(method, Self::GetRepositoryInstallation(full_name)),
            ["actions", "runners", rest @ ..] => {
                Self::of_runners(method, Place::Repository(full_name), rest)
            }
            ["actions", "jobs", id] => {
                get(method, Self::GetJob(full_name, JobId(id.parse().ok()?)))
            }
            ["actions", "runs"] => get(method, Self::ListRuns(full_name)),
            ["actions", "runs", id] => {
                get(method, Self::GetRun(full_name, RunId(id.parse().ok()?)))
            }
            ["actions", "runs", id, "jobs"] => get(
                method,
                Self::ListRunJobs(full_name, RunId(id.parse().ok()?)),
            ),
            _ => None,
        }
    }

    /// The name by which tests arm faults and find requests.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::GetApp => "get_app",
            Self::GetHookConfig => "get_hook_config",
            Self::ListDeliveries => "list_deliveries",
            Self::GetDelivery(_) => "get_delivery",
            Self::Redeliver(_) => "redeliver",
            Self::ListInstallations => "list_installations",
            Self::GetInstallation(_) => "get_installation",
            Self::CreateInstallationToken(_) => "create_installation_token",
            Self::GetOrganizationInstallation(_) => "get_organization_installation",
            Self::GetUserInstallation(_) => "get_user_installation",
            Self::GetRepositoryInstallation(_) => "get_repository_installation",
            Self::ListInstallationRepositories => "list_installation_repositories",
            Self::GetOrganization(_) => "get_organization",
            Self::GetUser(_) => "get_user",
            Self::GetRepository(_) => "get_repository",
            Self::ListRunnerGroups(_) => "list_runner_groups",
            Self::CreateRunnerGroup(_) => "create_runner_group",
            Self::GetRunnerGroup(..) => "get_runner_group",
            Self::ListGroupRunners(..) => "list_group_runners",
            Self::ListRunners(_) => "list_runners",
            Self::GetRunner(..) => "get_runner",
            Self::DeleteRunner(..) => "delete_runner",
            Self::CreateJitConfig(_) => "create_jit_config",
            Self::GetJob(..) => "get_job",
            Self::ListRuns(_) => "list_runs",
            Self::GetRun(..) => "get_run",
            Self::ListRunJobs(..) => "list_run_jobs",
            Self::GetRateLimit => "get_rate_limit",
            Self::GetMeta => "get_meta",
        }
    }
}

fn get(method: &Method, operation: Operation) -> Option<Operation> {
    (method == Method::GET).then_some(operation)
}

fn post(method: &Method, operation: Operation) -> Option<Operation> {
    (method == Method::POST).then_some(operation)
}
