//! `rise trace`: about whom or what it is asked.

use clap::Args;
use rise_model::{EntityId, InstallationId, JobId, Time};

use super::{Repository, Show, words};

/// `rise trace`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("about").required(true).multiple(true))]
pub(crate) struct Trace {
    /// About this job
    #[arg(long, value_name = "ID", value_parser = words::number, group = "about")]
    job_id: Option<i64>,
    /// About this repository, or whether a job of it could come
    #[arg(long, value_name = "OWNER/REPO", group = "about", conflicts_with_all = ["entity_id", "entity_name", "installation_id"])]
    pub(crate) repo: Option<Repository>,
    /// About this account
    #[arg(long, value_name = "ID", value_parser = words::entity_id, group = "about", conflicts_with_all = ["entity_name", "installation_id"])]
    pub(crate) entity_id: Option<EntityId>,
    /// About this account; GitHub is asked for its id
    #[arg(
        long,
        value_name = "LOGIN",
        group = "about",
        conflicts_with = "installation_id"
    )]
    pub(crate) entity_name: Option<String>,
    /// About this installation
    #[arg(long, value_name = "ID", value_parser = words::number, group = "about")]
    installation_id: Option<i64>,
    /// Show the account as it was then: an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) at: Option<Time>,
    #[command(flatten)]
    pub(crate) show: Show,
}

impl Trace {
    /// The job.
    pub(crate) fn job(&self) -> Option<JobId> {
        self.job_id.map(JobId)
    }

    /// The installation.
    pub(crate) fn installation(&self) -> Option<InstallationId> {
        self.installation_id.map(InstallationId)
    }
}

fn moment(text: &str) -> Result<Time, &'static str> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| "write it as 2026-11-24T22:10:00Z")
}
