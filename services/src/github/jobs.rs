//! Jobs and runs, as GitHub knows them.

use rise_model::github::{Job, Run};
use rise_model::{JobId, RunId};

use super::error::{GitHubError, Operation};
use super::transport::{Completeness, List, Request, encoded_repository};
use super::{Access, GitHub};

/// Which attempts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempts {
    /// The last one.
    Latest,
    /// All of them.
    All,
}

impl Attempts {
    fn filter(self) -> &'static str {
        match self {
            Self::Latest => "latest",
            Self::All => "all",
        }
    }
}

impl GitHub {
    /// A job. Not found proves nothing by itself: on private repositories the App may lack the permission to read it.
    ///
    /// # Errors
    /// Whatever GitHub or the way to it says.
    pub async fn get_job(
        &self,
        access: Access,
        repository: &str,
        id: JobId,
    ) -> Result<Job, GitHubError> {
        let request = Request::get(
            Operation::GetJob,
            format!("job {id} of {repository}"),
            format!(
                "/repos/{}/actions/jobs/{id}",
                encoded_repository(repository)
            ),
        );
        self.call(access, &request).await?.success(&request)
    }

    /// A run.
    ///
    /// # Errors
    /// Whatever GitHub or the way to it says.
    pub async fn get_run(
        &self,
        access: Access,
        repository: &str,
        id: RunId,
    ) -> Result<Run, GitHubError> {
        let request = Request::get(
            Operation::GetRun,
            format!("run {id} of {repository}"),
            format!(
                "/repos/{}/actions/runs/{id}",
                encoded_repository(repository)
            ),
        );
        self.call(access, &request).await?.success(&request)
    }

    /// All jobs of a run.
    ///
    /// # Errors
    /// Also when the list is not whole.
    pub async fn list_run_jobs(
        &self,
        access: Access,
        repository: &str,
        id: RunId,
        attempts: Attempts,
    ) -> Result<Vec<Job>, GitHubError> {
        let list = List {
            operation: Operation::ListRunJobs,
            subject: format!("run {id} of {repository}"),
            path: format!(
                "/repos/{}/actions/runs/{id}/jobs",
                encoded_repository(repository)
            ),
            query: format!("filter={}&", attempts.filter()),
            entries: "jobs",
            completeness: Completeness::Whole,
        };
        self.list(access, list).await
    }

    /// The runs of a repository that are queued. New ones come while it is read: it may lack some.
    ///
    /// # Errors
    /// Whatever GitHub or the way to it says.
    pub async fn list_queued_runs(
        &self,
        access: Access,
        repository: &str,
    ) -> Result<Vec<Run>, GitHubError> {
        let list = List {
            operation: Operation::ListRuns,
            subject: repository.to_owned(),
            path: format!("/repos/{}/actions/runs", encoded_repository(repository)),
            query: "status=queued&".to_owned(),
            entries: "workflow_runs",
            completeness: Completeness::Best,
        };
        self.list(access, list).await
    }
}
