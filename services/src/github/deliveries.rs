//! An App's log of webhook deliveries, and asking for one again.

use rise_model::deliveries::Attempt;
use rise_model::{DeliveryId, EntityKind, Time};
use serde_json::Value;

use super::GitHub;
use super::error::{GitHubError, GitHubErrorKind, Operation};
use super::transport::Request;

/// The log is given up after this many pages of a hundred attempts: GitHub keeps a few days.
const MAX_PAGES: u64 = 1_000;

impl GitHub {
    /// The attempts of the App that serves `kind`, the newest first, at least back to `since`. All of them, not only failures:
    /// what an attempt without an answer is called there is not known.
    ///
    /// # Errors
    /// Also when the log is longer than is read.
    pub async fn delivery_log(
        &self,
        kind: EntityKind,
        since: Time,
    ) -> Result<Vec<Attempt>, GitHubError> {
        let subject = format!("the App for {kind} accounts");
        let get = |path| Request::get(Operation::ListDeliveries, subject.clone(), path);
        let mut request = get("/app/hook/deliveries?per_page=100".to_owned());
        let mut log: Vec<Attempt> = Vec::new();
        for _ in 0..MAX_PAGES {
            let answer = self.call_as_app(kind, &request).await?;
            let next = answer.next_page();
            let page: Vec<Value> = answer.success(&request)?;
            // One entry that is not as described must not hide the others.
            let read = page
                .into_iter()
                .filter_map(|entry| serde_json::from_value::<Attempt>(entry).ok());
            log.extend(read);
            let reached = log.last().is_some_and(|oldest| oldest.delivered_at < since);
            match next {
                Some(path) if !reached => request = get(path),
                Some(_) | None => return Ok(log),
            }
        }
        Err(request.failed(GitHubErrorKind::Incomplete {
            got: log.len() as u64,
            expected: MAX_PAGES * 100,
        }))
    }

    /// Asks GitHub to deliver again what this attempt was to deliver.
    ///
    /// # Errors
    /// Not found: GitHub has it no longer.
    pub async fn redeliver(
        &self,
        kind: EntityKind,
        attempt: DeliveryId,
    ) -> Result<(), GitHubError> {
        let request = Request::post(
            Operation::Redeliver,
            format!("delivery {attempt}"),
            format!("/app/hook/deliveries/{attempt}/attempts"),
            None,
        );
        self.call_as_app(kind, &request).await?.check(&request)
    }
}
