//! `rise jobs` and `rise workers`: which rows, and how they are shown.

use clap::Args;
use rise_model::{EntityId, Status};
use services::store::operator::{EntityFilter, RowFilter, Since};

use super::{Repository, Show};
use crate::when::{self, Times};

/// `rise jobs`.
#[derive(Debug, Args)]
pub(crate) struct Jobs {
    #[command(flatten)]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

/// `rise workers`.
#[derive(Debug, Args)]
pub(crate) struct Workers {
    #[command(flatten)]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) filter: Filter,
}

/// Which rows are listed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which")]
pub(crate) struct Filter {
    /// Of this account
    #[arg(long, value_name = "ID|LOGIN")]
    pub(crate) entity: Option<String>,
    /// Of this repository
    #[arg(long, value_name = "OWNER/REPO")]
    pub(crate) repo: Option<Repository>,
    /// In one of these states: pending, running, completed, failed
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',', value_parser = status)]
    pub(crate) status: Vec<Status>,
    /// Of this pool
    #[arg(long, value_name = "POOL")]
    pub(crate) pool: Option<String>,
    /// Made since then: 2h, 3d, 2026-11-24, or an RFC 3339 time
    #[arg(long, value_name = "WHEN", value_parser = when::since)]
    pub(crate) since: Option<Since>,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) limit: u32,
    /// Show exact times
    #[arg(long)]
    exact: bool,
}

impl Filter {
    /// How times are shown.
    pub(crate) fn times(&self) -> Times {
        if self.exact {
            Times::Exact
        } else {
            Times::Relative
        }
    }
}

impl From<&Filter> for RowFilter {
    fn from(filter: &Filter) -> Self {
        let entity = filter.entity.as_ref().map(|text| match text.parse() {
            Ok(id) => EntityFilter::Id(EntityId(id)),
            Err(_) => EntityFilter::Login(text.clone()),
        });
        Self {
            entity,
            repository: filter.repo.as_ref().map(ToString::to_string),
            statuses: filter.status.clone(),
            pool: filter.pool.clone(),
            since: filter.since,
            limit: filter.limit,
        }
    }
}

fn status(word: &str) -> Result<Status, &'static str> {
    Status::parse(word).ok_or("a status is pending, running, completed or failed")
}
