//! The pages for people: one template each, the one stylesheet inside, no script, nothing loaded from anywhere.
//!
//! Strangers' words go through [`text::Shown`]. Each page says who leads, and warns when the scheduler is silent.

mod failure;
pub(super) mod jobs;
mod moment;
mod rows;
pub(super) mod sign_in;
mod text;
pub(super) mod usage;
pub(super) mod workers;

use askama::Template;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use rise_model::span::Span;

use super::Pages;
use super::access::Session;
use crate::scheduler::status::{Reachability, SchedulerStatus};
use crate::store::pages::usage::Written;
use crate::style::{Forms, policy};
use moment::Moment;
use text::Shown;

/// A leader writes at least every ten seconds; one that did not for so long is silent.
const SILENT_AFTER: Span = Span::seconds(60);

/// The pages that lead to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Usage,
    Jobs,
    Workers,
}

impl Place {
    const ALL: [Self; 3] = [Self::Usage, Self::Jobs, Self::Workers];

    fn path(self) -> &'static str {
        match self {
            Self::Usage => "/usage",
            Self::Jobs => "/jobs",
            Self::Workers => "/workers",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Jobs => "Jobs",
            Self::Workers => "Workers",
        }
    }

    /// In the title, where the replaced service called the jobs their history.
    fn title(self) -> &'static str {
        match self {
            Self::Usage => "Usage",
            Self::Jobs => "History",
            Self::Workers => "Workers",
        }
    }
}

/// What every page has around its own matter.
#[derive(Debug)]
struct Shell {
    place: Place,
    /// `Prod` or `Staging`.
    environment: String,
    session: Session,
    /// What is wrong with the whole.
    banners: Vec<Banner>,
    /// Who leads, when it is not this process.
    leader: Leader,
    written: Option<Moment>,
    read: Moment,
}

#[derive(Debug)]
struct Banner {
    text: String,
    since: Option<Moment>,
}

#[derive(Debug, PartialEq, Eq)]
enum Leader {
    This,
    Other(Shown),
    Nobody,
}

impl Shell {
    fn new(place: Place, pages: &Pages, session: Session, written: &Written) -> Self {
        let status = pages.status.borrow().clone();
        Self {
            place,
            environment: pages.environment.clone(),
            session,
            banners: banners(&status, written),
            leader: match (status.leads, &status.leader) {
                (true, _) => Leader::This,
                (false, Some(other)) => Leader::Other(Shown::line(&other.to_string())),
                (false, None) => Leader::Nobody,
            },
            written: written.at.map(|at| Moment::ago(at, written.now)),
            read: Moment::ago(written.now, written.now),
        }
    }
}

fn banners(status: &SchedulerStatus, written: &Written) -> Vec<Banner> {
    let mut banners = Vec::new();
    match written.at {
        None => banners.push(Banner {
            text: "No scheduler has led here yet: nothing is scheduled.".to_owned(),
            since: None,
        }),
        Some(at) if written.now - at > SILENT_AFTER.delta() => banners.push(Banner {
            text: "The scheduler is silent: what this page says of boards and reasons is old. It last wrote"
                .to_owned(),
            since: Some(Moment::ago(at, written.now)),
        }),
        Some(_) => {}
    }
    if let (true, Reachability::Unreachable { since }) = (status.leads, status.cluster) {
        banners.push(Banner {
            text: "The cluster does not answer: nothing is started and nothing is ended. It answered last"
                .to_owned(),
            since: Some(Moment::ago(since, written.now)),
        });
    }
    banners
}

/// A page with its headers.
fn answer(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => {
            let mut response = (status, html).into_response();
            let headers = response.headers_mut();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            );
            headers.insert(CONTENT_SECURITY_POLICY, policy(Forms::Own));
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A number and its noun.
fn counted(count: i64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

/// The age of what is measured against the database's clock.
type Now = DateTime<Utc>;
