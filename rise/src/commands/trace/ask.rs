//! Asking webhook intake.

use std::time::Duration;

use reqwest::{StatusCode, Url};
use rise_model::{EntityId, InstallationId, JobId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::cli::Trace;
use crate::config::TraceAccess;
use crate::exit::{Exit, Failure, chain};

/// Intake bounds its own reads below this.
const WITHIN: Duration = Duration::from_secs(30);
/// So many payloads are fetched, the newest.
const PAYLOADS: usize = 100;
/// So much of each payload is shown.
const PAYLOAD_BYTES: usize = 4 * 1024;

/// What is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject {
    Entity(EntityId),
    Installation(InstallationId),
    Job(JobId),
}

/// Intake's answer as it came, and the payloads of its rows.
pub(super) struct Received {
    pub(super) whole: Value,
}

/// A way to intake.
pub(super) struct Asker {
    client: reqwest::Client,
    url: Url,
    secret: SecretString,
}

impl Asker {
    pub(super) fn new(access: &TraceAccess) -> Result<Self, Failure> {
        let client = reqwest::Client::builder()
            .timeout(WITHIN)
            .build()
            .map_err(|error| Failure::new(Exit::Failed, chain(&error)))?;
        Ok(Self {
            client,
            url: access.url.clone(),
            secret: access.secret.clone(),
        })
    }

    /// The verdict and all that it was made from.
    pub(super) async fn why(&self, subject: Subject, trace: &Trace) -> Result<Received, Failure> {
        let (kind, id) = match subject {
            Subject::Entity(id) => ("entity", id.0),
            Subject::Installation(id) => ("installation", id.0),
            Subject::Job(id) => ("job", id.0),
        };
        let mut url = self.at(&["trace", "why", kind, &id.to_string()]);
        {
            let mut query = url.query_pairs_mut();
            if let Some(repository) = &trace.repo {
                query.append_pair("repo", &repository.to_string());
            }
            if let Some(job) = trace.job() {
                query.append_pair("job", &job.to_string());
            }
            if let Some(at) = trace.at {
                query.append_pair("at", &at.to_rfc3339());
            }
        }
        let whole = self.get(url, &format!("{kind} {id}")).await?;
        Ok(Received { whole })
    }

    /// Puts the payloads of the newest rows into the answer, each cut where it is long.
    pub(super) async fn add_payloads(&self, answer: &mut Received) -> Result<(), Failure> {
        let Some(events) = answer.whole["events"].as_array_mut() else {
            return Ok(());
        };
        for event in events.iter_mut().rev().take(PAYLOADS) {
            let Some(id) = event["id"].as_i64() else {
                continue;
            };
            let url = self.at(&["trace", "payload", &id.to_string()]);
            let mut payload = self.get(url, &format!("event {id}")).await?;
            event["payload"] = shortened(payload["payload"].take());
        }
        Ok(())
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn get(&self, url: Url, what: &str) -> Result<Value, Failure> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let unreachable = |error: reqwest::Error| {
            let text = format!(
                "webhook intake at {host} does not answer: {}",
                chain(&error.without_url())
            );
            Failure::new(Exit::Failed, text)
                .hint("check RISE_URL (or PROD_URL) and that `rise serve ghfe` runs there")
        };
        let request = self
            .client
            .get(url)
            .bearer_auth(self.secret.expose_secret());
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(unreachable);
        }
        let told = answer.text().await.unwrap_or_default();
        Err(match status {
            StatusCode::UNAUTHORIZED => Failure::new(
                Exit::Credentials,
                format!("{host} refuses TRACE_API_SECRET"),
            )
            .hint("it must be the one that webhook intake was started with"),
            StatusCode::NOT_FOUND => {
                Failure::new(Exit::Failed, format!("nothing was ever heard of {what}"))
                    .hint("ask by --entity-name or --repo: GitHub then tells whose it is")
            }
            StatusCode::METHOD_NOT_ALLOWED => Failure::new(
                Exit::Failed,
                format!("{host} knows no verdicts: an older service runs there"),
            ),
            status => Failure::new(Exit::Failed, format!("{host} answered {status}: {told}")),
        })
    }
}

/// A payload over the limit becomes its text, cut.
fn shortened(payload: Value) -> Value {
    let text = payload.to_string();
    if text.len() <= PAYLOAD_BYTES {
        return payload;
    }
    let end = (0..=PAYLOAD_BYTES)
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    let left = text.len() - end;
    let kept = text.get(..end).unwrap_or_default();
    Value::String(format!("{kept}… ({left} bytes more)"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        let short = json!({"a": 1});
        assert_eq!(shortened(short.clone()), short);
        let long = shortened(json!("é".repeat(3_000)));
        let text = long.as_str().unwrap();
        assert!(text.len() < PAYLOAD_BYTES + 40, "{}", text.len());
        assert!(text.ends_with("bytes more)"), "{text}");
    }
}
