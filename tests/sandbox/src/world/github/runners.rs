//! Registrations of runners, and their groups: what the REST API makes, lists and deletes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::json;

use super::GitHub;
use super::ids::{AccountId, Due, GroupId, JobId, RepositoryId, RunnerId, TimerKey};
use crate::world::Time;

/// The group that every organisation and repository has.
pub const DEFAULT_GROUP: GroupId = GroupId(1);

/// Whose jobs a runner may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Those of all repositories of an organisation.
    Organization(AccountId),
    /// Those of one repository.
    Repository(RepositoryId),
}

/// Where a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerState {
    /// Its process never connected.
    NeverConnected,
    /// Connected, without a job.
    Idle,
    /// Connected, with this job since then.
    Busy(JobId, Time),
    /// Its process ended without a word; with the job that it had, until that is given up.
    Lost(Option<JobId>),
}

/// A registered, ephemeral runner.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Its id.
    pub id: RunnerId,
    /// Its name, unique in its scope.
    pub name: String,
    /// Whose jobs it may take.
    pub scope: Scope,
    /// Its group.
    pub group: GroupId,
    /// What it carries.
    pub labels: Vec<String>,
    /// When it was registered.
    pub registered_at: Time,
    /// Where it stands.
    pub state: RunnerState,
    pub(super) secret: String,
    pub(super) removal: Option<TimerKey>,
}

impl Runner {
    /// Whether lists call it online.
    #[must_use]
    pub fn online(&self) -> bool {
        matches!(self.state, RunnerState::Idle | RunnerState::Busy(..))
    }

    /// Whether lists call it busy, which they do `lag` late.
    #[must_use]
    pub fn reported_busy(&self, lag: TimeDelta, now: Time) -> bool {
        match self.state {
            RunnerState::Busy(_, since) => now >= since + lag,
            RunnerState::Lost(job) => job.is_some(),
            RunnerState::NeverConnected | RunnerState::Idle => false,
        }
    }

    /// Whether it carries every label that a job asks for; case does not matter. A job that asks for nothing is taken
    /// by nobody.
    #[must_use]
    pub fn carries(&self, asked: &[String]) -> bool {
        let has = |label: &String| {
            self.labels
                .iter()
                .any(|own| own.eq_ignore_ascii_case(label))
        };
        !asked.is_empty() && asked.iter().all(has)
    }
}

/// Which repositories' jobs a group's runners may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupVisibility {
    /// All repositories'.
    All,
    /// Those of selected repositories, of which there are none in this world.
    Selected,
    /// Private repositories'.
    Private,
}

impl GroupVisibility {
    /// GitHub's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Selected => "selected",
            Self::Private => "private",
        }
    }
}

/// A runner group of an organisation.
#[derive(Debug, Clone)]
pub struct RunnerGroup {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Whom its runners serve.
    pub visibility: GroupVisibility,
    /// Whether its runners serve public repositories.
    pub allows_public_repositories: bool,
}

impl RunnerGroup {
    fn default_group() -> Self {
        Self {
            id: DEFAULT_GROUP,
            name: "Default".to_owned(),
            visibility: GroupVisibility::All,
            allows_public_repositories: true,
        }
    }

    /// Whether its runners take jobs of a repository that is or is not private.
    #[must_use]
    pub fn serves(&self, private: bool) -> bool {
        match self.visibility {
            GroupVisibility::All => private || self.allows_public_repositories,
            GroupVisibility::Private => private,
            GroupVisibility::Selected => false,
        }
    }
}

/// A just-in-time runner to be registered.
#[derive(Debug, Clone)]
pub struct JitRequest {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: GroupId,
    /// What it will carry.
    pub labels: Vec<String>,
}

/// Why a just-in-time runner was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JitRefused {
    /// The scope has a runner of this name.
    #[error("Already exists - A runner with the name *** already exists.")]
    NameTaken,
    /// The scope has no such group.
    #[error("Not Found")]
    NoGroup,
    /// Not 1 to 64 characters.
    #[error("Invalid request.\n\nThe runner's name must have 1 to 64 characters.")]
    BadName,
    /// Not 1 to 100 of them, or an empty one.
    #[error("Invalid request.\n\nA runner must have 1 to 100 labels, none of them empty.")]
    BadLabels,
}

/// Why a runner was not deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRefused {
    /// The scope has no such runner.
    #[error("Not Found")]
    NotFound,
    /// It runs a job.
    #[error("Bad request - Runner \"{0}\" is still running a job\"")]
    Busy(String),
}

/// Why a group was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupRefused {
    /// The organisation's plan has no custom groups.
    #[error("Your organization's plan does not include custom runner groups.")]
    NotInPlan,
    /// The organisation has a group of this name.
    #[error("Runner group with the name already exists.")]
    NameTaken,
}

/// Registrations.
impl GitHub {
    /// All registered runners.
    pub fn runners(&self) -> impl Iterator<Item = &Runner> {
        self.runners.values()
    }

    /// A registered runner by its id.
    #[must_use]
    pub fn runner(&self, id: RunnerId) -> Option<&Runner> {
        self.runners.get(&id)
    }

    /// The job that a runner process has, also if its registration was deleted meanwhile.
    #[must_use]
    pub fn job_of(&self, runner: RunnerId) -> Option<JobId> {
        self.assignments.get(&runner).copied()
    }

    /// The runners of a scope.
    pub fn runners_of(&self, scope: Scope) -> impl Iterator<Item = &Runner> {
        self.runners
            .values()
            .filter(move |runner| runner.scope == scope)
    }

    /// Registers a just-in-time runner; returns its id and what its process connects with.
    ///
    /// # Errors
    /// As GitHub refuses it.
    pub fn register_jit(
        &mut self,
        scope: Scope,
        request: JitRequest,
        now: Time,
    ) -> Result<(RunnerId, String), JitRefused> {
        if request.name.is_empty() || request.name.chars().count() > 64 {
            return Err(JitRefused::BadName);
        }
        if !(1..=100).contains(&request.labels.len()) || request.labels.iter().any(String::is_empty)
        {
            return Err(JitRefused::BadLabels);
        }
        if self.group_of(scope, request.group).is_none() {
            return Err(JitRefused::NoGroup);
        }
        if self
            .runners_of(scope)
            .any(|there| there.name.eq_ignore_ascii_case(&request.name))
        {
            return Err(JitRefused::NameTaken);
        }
        self.last_runner += 1;
        let id = RunnerId(self.last_runner);
        let secret = self.chance.text(64);
        let config = json!({"runner_id": id.0, "runner_name": request.name, "secret": secret});
        let encoded = STANDARD.encode(config.to_string());
        let removal = self
            .timers
            .set(now + self.rules.unused_runner_after, Due::UnusedRunner(id));
        let runner = Runner {
            id,
            name: request.name,
            scope,
            group: request.group,
            labels: request.labels,
            registered_at: now,
            state: RunnerState::NeverConnected,
            secret,
            removal: Some(removal),
        };
        self.runners.insert(id, runner);
        Ok((id, encoded))
    }

    /// Deletes a registration. While lists do not say yet that the runner is busy this works on a busy one, too: its
    /// job goes on.
    ///
    /// # Errors
    /// When the scope has no such runner, or it is busy.
    pub fn delete_runner(
        &mut self,
        scope: Scope,
        id: RunnerId,
        now: Time,
    ) -> Result<(), DeleteRefused> {
        let found = self.runners.get(&id).filter(|runner| runner.scope == scope);
        let runner = found.ok_or(DeleteRefused::NotFound)?;
        if runner.reported_busy(self.rules.busy_lag, now) {
            return Err(DeleteRefused::Busy(runner.name.clone()));
        }
        self.remove_runner(id);
        Ok(())
    }

    /// From now on lists say this late that a runner is busy.
    pub fn set_busy_lag(&mut self, lag: TimeDelta) {
        self.rules.busy_lag = lag;
    }

    pub(super) fn remove_runner(&mut self, id: RunnerId) {
        if let Some(runner) = self.runners.remove(&id) {
            self.timers.cancel(runner.removal);
        }
    }
}

/// Groups.
impl GitHub {
    /// The groups of an organisation, the default one first.
    #[must_use]
    pub fn groups(&self, organization: AccountId) -> Vec<RunnerGroup> {
        let own = self
            .groups
            .iter()
            .filter(|((owner, _), _)| *owner == organization);
        std::iter::once(RunnerGroup::default_group())
            .chain(own.map(|(_, group)| group.clone()))
            .collect()
    }

    /// A group of an organisation.
    #[must_use]
    pub fn group(&self, organization: AccountId, id: GroupId) -> Option<RunnerGroup> {
        if id == DEFAULT_GROUP {
            return Some(RunnerGroup::default_group());
        }
        self.groups.get(&(organization, id)).cloned()
    }

    /// A group as runners of this scope know it: repositories have only the default one.
    pub(super) fn group_of(&self, scope: Scope, id: GroupId) -> Option<RunnerGroup> {
        match scope {
            Scope::Organization(organization) => self.group(organization, id),
            Scope::Repository(_) => (id == DEFAULT_GROUP).then(RunnerGroup::default_group),
        }
    }

    /// Makes a group.
    ///
    /// # Errors
    /// When the plan does not allow it, or the name is taken.
    pub fn create_group(
        &mut self,
        organization: AccountId,
        name: &str,
        visibility: GroupVisibility,
        allows_public_repositories: bool,
    ) -> Result<RunnerGroup, GroupRefused> {
        if !self
            .accounts
            .get(&organization)
            .is_some_and(|account| account.custom_groups)
        {
            return Err(GroupRefused::NotInPlan);
        }
        if self
            .groups(organization)
            .iter()
            .any(|group| group.name == name)
        {
            return Err(GroupRefused::NameTaken);
        }
        self.last_group += 1;
        let id = GroupId(self.last_group);
        let name = name.to_owned();
        let group = RunnerGroup {
            id,
            name,
            visibility,
            allows_public_repositories,
        };
        self.groups.insert((organization, id), group.clone());
        Ok(group)
    }
}
