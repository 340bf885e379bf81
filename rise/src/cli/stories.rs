//! `rise job`, `rise worker` and `rise events`: one thing's whole story, and the log.

use clap::Args;
use rise_model::{EntityId, JobId, PodName};
use services::store::operator::EntityFilter;
use services::store::story::LogFilter;

use super::Show;

/// `rise job ID`.
#[derive(Debug, Args)]
pub(crate) struct Job {
    /// GitHub's id of the job
    #[arg(value_name = "ID", value_parser = job_id)]
    pub(crate) id: JobId,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise worker NAME`.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// The worker's name, which is its pod's and its runner's
    #[arg(value_name = "NAME", value_parser = pod_name)]
    pub(crate) name: PodName,
    #[command(flatten)]
    pub(crate) show: Show,
}

/// `rise events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with what is logged from now on, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Of this account
    #[arg(long, value_name = "ID|LOGIN")]
    entity: Option<String>,
    /// Of this job
    #[arg(long, value_name = "ID", value_parser = job_id)]
    job: Option<JobId>,
    /// With this in the event or its outcome
    #[arg(long, value_name = "TEXT")]
    event: Option<String>,
    /// So many of the newest
    #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) last: u32,
    #[command(flatten)]
    pub(crate) show: Show,
}

impl From<&Events> for LogFilter {
    fn from(events: &Events) -> Self {
        let entity = events.entity.as_ref().map(|text| match text.parse() {
            Ok(id) => EntityFilter::Id(EntityId(id)),
            Err(_) => EntityFilter::Login(text.clone()),
        });
        Self {
            entity,
            job: events.job,
            word: events.event.clone(),
        }
    }
}

fn job_id(text: &str) -> Result<JobId, &'static str> {
    text.parse()
        .map(JobId)
        .map_err(|_| "a job's id is a number, the last one in its page's address")
}

#[expect(clippy::unnecessary_wraps, reason = "a value parser may fail")]
fn pod_name(text: &str) -> Result<PodName, &'static str> {
    Ok(PodName::new(text))
}
