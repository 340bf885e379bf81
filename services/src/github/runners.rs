//! Runner groups, just-in-time runners, and what is registered.

use std::fmt;

use rise_model::github::{GroupChoice, GroupVisibility, Runner, RunnerGroup};
use rise_model::{PodName, RunnerGroupId, RunnerId, ScopeName, SentLabels};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{GitHubError, GitHubErrorKind, Operation};
use super::transport::{Completeness, List, Request, encoded, encoded_repository};
use super::{Access, GitHub};

/// Every organisation's default group, and the only one of a repository.
const DEFAULT_GROUP: RunnerGroupId = RunnerGroupId(1);
/// Where jobs work, seen from the runner's folder in the image.
const WORK_FOLDER: &str = "../../../work";

/// A runner's registration, with which its process starts.
pub struct JitConfig {
    /// The runner that was registered.
    pub runner_id: RunnerId,
    /// What the process is given.
    pub encoded: SecretString,
}

impl fmt::Debug for JitConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JitConfig")
            .field("runner_id", &self.runner_id)
            .finish_non_exhaustive()
    }
}

/// What became of a runner that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerDeletion {
    /// It is removed.
    Deleted,
    /// It was not there.
    Absent,
    /// It has a job and stays.
    Busy,
}

#[derive(Deserialize)]
struct Group {
    id: RunnerGroupId,
    name: String,
    #[serde(default)]
    visibility: Option<GroupVisibility>,
    #[serde(default)]
    allows_public_repositories: Option<bool>,
}

impl From<Group> for RunnerGroup {
    fn from(group: Group) -> Self {
        Self {
            id: group.id,
            choice: GroupChoice::Configured,
            visibility: group.visibility,
            allows_public_repositories: group.allows_public_repositories,
        }
    }
}

/// The runners of a scope in GitHub's paths.
fn runners_path(scope: &ScopeName) -> String {
    match scope {
        ScopeName::Organization(login) => format!("/orgs/{}/actions/runners", encoded(login)),
        ScopeName::Repository(full_name) => {
            format!("/repos/{}/actions/runners", encoded_repository(full_name))
        }
    }
}

/// The body of a JIT request.
pub(super) fn jit_body(name: &PodName, group: RunnerGroupId, labels: &SentLabels) -> Value {
    json!({
        "name": name,
        "runner_group_id": group,
        "labels": labels.as_slice(),
        "work_folder": WORK_FOLDER,
    })
}

/// The body that makes a runner group: open to every repository of the organisation, public ones too.
pub(super) fn group_body(name: &str) -> Value {
    json!({
        "name": name,
        "visibility": "all",
        "allows_public_repositories": true,
    })
}

impl GitHub {
    /// An organisation's runner group by name.
    ///
    /// # Errors
    /// Also when the list is not whole.
    pub async fn find_runner_group(
        &self,
        access: Access,
        organization: &str,
        name: &str,
    ) -> Result<Option<RunnerGroup>, GitHubError> {
        let list = List {
            operation: Operation::ListRunnerGroups,
            subject: organization.to_owned(),
            path: groups_path(organization),
            query: String::new(),
            entries: "runner_groups",
            completeness: Completeness::Whole,
        };
        let groups: Vec<Group> = self.list(access, list).await?;
        let found = groups.into_iter().find(|group| group.name == name);
        Ok(found.map(RunnerGroup::from))
    }

    /// Makes a runner group. Whether a refusal means that the name is taken or that the plan has no groups, the answer
    /// does not tell: [`GitHub::ensure_runner_group`] looks.
    ///
    /// # Errors
    /// Conflict, unprocessable or forbidden as GitHub says.
    pub async fn create_runner_group(
        &self,
        access: Access,
        organization: &str,
        name: &str,
    ) -> Result<RunnerGroup, GitHubError> {
        let request = Request::post(
            Operation::CreateRunnerGroup,
            organization,
            groups_path(organization),
            Some(group_body(name)),
        );
        let group: Group = self.call(access, &request).await?.success(&request)?;
        Ok(group.into())
    }

    /// The group by name: found, else made, else found after all (another one made it at the same time), else the
    /// default group, where the organisation's plan has no others.
    ///
    /// # Errors
    /// Whatever GitHub or the way to it says; a missing permission is not mistaken for a plan without groups.
    pub async fn ensure_runner_group(
        &self,
        access: Access,
        organization: &str,
        name: &str,
    ) -> Result<RunnerGroup, GitHubError> {
        if let Some(found) = self.find_runner_group(access, organization, name).await? {
            return Ok(found);
        }
        let error = match self.create_runner_group(access, organization, name).await {
            Ok(made) => return Ok(made),
            Err(error) => error,
        };
        let plan = match error.kind() {
            GitHubErrorKind::Conflict { .. } => false,
            GitHubErrorKind::Unprocessable { .. } => true,
            GitHubErrorKind::Forbidden { message } => !message.contains("not accessible"),
            _ => return Err(error),
        };
        match self.find_runner_group(access, organization, name).await? {
            Some(found) => Ok(found),
            None if plan => Ok(RunnerGroup {
                id: DEFAULT_GROUP,
                choice: GroupChoice::Default,
                visibility: None,
                allows_public_repositories: None,
            }),
            None => Err(error),
        }
    }

    /// Registers a runner that takes one job. `group` counts for organisations; a repository has only one.
    ///
    /// # Errors
    /// Conflict: the name is taken. Not found: the scope or the group is gone.
    pub async fn create_jit_config(
        &self,
        access: Access,
        scope: &ScopeName,
        name: &PodName,
        group: RunnerGroupId,
        labels: &SentLabels,
    ) -> Result<JitConfig, GitHubError> {
        #[derive(Deserialize)]
        struct Made {
            runner: Registered,
            encoded_jit_config: SecretString,
        }
        #[derive(Deserialize)]
        struct Registered {
            id: RunnerId,
        }
        let group = match scope {
            ScopeName::Organization(_) => group,
            ScopeName::Repository(_) => DEFAULT_GROUP,
        };
        let request = Request::post(
            Operation::CreateJitConfig,
            format!("runner {name} of {scope}"),
            format!("{}/generate-jitconfig", runners_path(scope)),
            Some(jit_body(name, group, labels)),
        );
        let made: Made = self.call(access, &request).await?.success(&request)?;
        Ok(JitConfig {
            runner_id: made.runner.id,
            encoded: made.encoded_jit_config,
        })
    }

    /// All runners of a scope; of one group of it, if one is named and the scope is an organisation.
    ///
    /// # Errors
    /// Also when the list is not whole: an incomplete list never looks like a short one.
    pub async fn list_runners(
        &self,
        access: Access,
        scope: &ScopeName,
        group: Option<RunnerGroupId>,
    ) -> Result<Vec<Runner>, GitHubError> {
        let path = match (scope, group) {
            (ScopeName::Organization(login), Some(group)) => {
                format!("{}/{group}/runners", groups_path(login))
            }
            (ScopeName::Organization(_) | ScopeName::Repository(_), _) => runners_path(scope),
        };
        self.list(access, runner_list(scope, path, String::new()))
            .await
    }

    /// The runner of a scope by name.
    ///
    /// # Errors
    /// Also when the list is not whole.
    pub async fn find_runner(
        &self,
        access: Access,
        scope: &ScopeName,
        name: &PodName,
    ) -> Result<Option<Runner>, GitHubError> {
        let query = format!("name={}&", encoded(name.as_str()));
        let list = runner_list(scope, runners_path(scope), query);
        let runners: Vec<Runner> = self.list(access, list).await?;
        Ok(runners
            .into_iter()
            .find(|runner| runner.name == name.as_str()))
    }

    /// A runner by id.
    ///
    /// # Errors
    /// Not found: it is not registered.
    pub async fn get_runner(
        &self,
        access: Access,
        scope: &ScopeName,
        id: RunnerId,
    ) -> Result<Runner, GitHubError> {
        let request = Request::get(
            Operation::GetRunner,
            format!("runner {id} of {scope}"),
            format!("{}/{id}", runners_path(scope)),
        );
        self.call(access, &request).await?.success(&request)
    }

    /// Removes a runner's registration. GitHub may not know yet that it is busy, and then removes it under its job.
    ///
    /// # Errors
    /// Whatever GitHub or the way to it says.
    pub async fn delete_runner(
        &self,
        access: Access,
        scope: &ScopeName,
        id: RunnerId,
    ) -> Result<RunnerDeletion, GitHubError> {
        let request = Request::delete(
            Operation::DeleteRunner,
            format!("runner {id} of {scope}"),
            format!("{}/{id}", runners_path(scope)),
        );
        let answer = self.call(access, &request).await?;
        if answer.status.is_success() {
            return Ok(RunnerDeletion::Deleted);
        }
        match answer.refusal() {
            GitHubErrorKind::NotFound => Ok(RunnerDeletion::Absent),
            GitHubErrorKind::Unprocessable { .. } => Ok(RunnerDeletion::Busy),
            refused => Err(request.failed(refused)),
        }
    }
}

fn groups_path(organization: &str) -> String {
    format!("/orgs/{}/actions/runner-groups", encoded(organization))
}

fn runner_list(scope: &ScopeName, path: String, query: String) -> List<'static> {
    List {
        operation: Operation::ListRunners,
        subject: scope.to_string(),
        path,
        query,
        entries: "runners",
        completeness: Completeness::Whole,
    }
}
