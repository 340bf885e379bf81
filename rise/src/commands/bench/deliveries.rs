//! The deliveries that are sent: `workflow_job` with action `queued` as the pretend GitHub renders it, each with a job id of
//! its own. They are signed before the clock runs.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use aws_lc_rs::hmac;
use chrono::TimeDelta;
use sandbox::world::github::{GitHub, GitHubConfig};
use uuid::Uuid;

/// What GitHub's hook sends besides; ghfe does not look at it.
const USER_AGENT: &str = "GitHub-Hookshot/17d78a5";

/// A body in which only the job's id is open.
pub(super) struct Template {
    app: i64,
    /// What stands between the job's ids.
    pieces: Vec<String>,
}

impl Template {
    /// From a job of the pretend GitHub.
    pub(super) fn make() -> Result<Self, &'static str> {
        let now = SystemTime::now().into();
        let mut github = GitHub::new(&GitHubConfig::quiet(), 1, now);
        let repository = github.repositories().next().map(|it| github.full_name(it));
        let repository = repository.ok_or("the pretend GitHub has no repository")?;
        let labels = ["ubuntu-24.04-riscv"];
        let job = github
            .queue_job(&repository, &labels, TimeDelta::minutes(1), now)
            .map_err(|_| "the pretend GitHub queued no job")?;
        let delivery = github.take_outbox().into_iter().next();
        let delivery = delivery.ok_or("the pretend GitHub delivered nothing")?;
        Ok(Self::of(
            delivery.app_id,
            &delivery.payload.to_string(),
            job.0,
        ))
    }

    fn of(app: i64, body: &str, job: i64) -> Self {
        let pieces = body.split(&job.to_string()).map(str::to_owned).collect();
        Self { app, pieces }
    }

    /// The App that it is delivered to.
    pub(super) fn app(&self) -> i64 {
        self.app
    }

    /// The body for a job.
    pub(super) fn body(&self, job: i64) -> Vec<u8> {
        self.pieces.join(&job.to_string()).into_bytes()
    }
}

/// Deliveries of consecutive jobs.
pub(super) struct Batch {
    template: Arc<Template>,
    secret: hmac::Key,
    head: String,
    first: i64,
    signatures: Vec<hmac::Tag>,
    taken: AtomicUsize,
}

impl Batch {
    /// Signs as many as are expected to be sent; more are signed when they are.
    pub(super) fn sign(
        template: Arc<Template>,
        secret: &str,
        address: &str,
        first: i64,
        expected: usize,
    ) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signatures = (first..)
            .take(expected)
            .map(|job| hmac::sign(&secret, &template.body(job)))
            .collect();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nUser-Agent: {USER_AGENT}\r\n\
             Content-Type: application/json\r\nX-GitHub-Event: workflow_job\r\nX-GitHub-Hook-ID: 400000001\r\n\
             X-GitHub-Hook-Installation-Target-ID: {}\r\nX-GitHub-Hook-Installation-Target-Type: integration\r\n",
            template.app
        );
        Self {
            template,
            secret,
            head,
            first,
            signatures,
            taken: AtomicUsize::new(0),
        }
    }

    /// The number of the next delivery.
    pub(super) fn take(&self) -> usize {
        self.taken.fetch_add(1, Ordering::Relaxed)
    }

    /// Its job.
    pub(super) fn job(&self, number: usize) -> i64 {
        i64::try_from(number).map_or(i64::MAX, |number| self.first.saturating_add(number))
    }

    /// The bytes of its request.
    pub(super) fn request(&self, number: usize) -> Vec<u8> {
        let body = self.template.body(self.job(number));
        let mut request = Vec::with_capacity(self.head.len() + body.len() + 256);
        let signed;
        let signature = match self.signatures.get(number) {
            Some(signature) => signature,
            None => {
                signed = hmac::sign(&self.secret, &body);
                &signed
            }
        };
        // Writing to memory does not fail.
        let _ = write!(
            request,
            "{}Content-Length: {}\r\nX-GitHub-Delivery: {}\r\nX-Hub-Signature-256: sha256={}\r\n\r\n",
            self.head,
            body.len(),
            Uuid::new_v4(),
            hex::encode(signature)
        );
        request.extend_from_slice(&body);
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delivery_has_a_job_of_its_own_and_a_signature_that_fits() {
        let template = Arc::new(Template::make().unwrap());
        let batch = Batch::sign(Arc::clone(&template), "s3cret", "127.0.0.1:1", 500, 1);
        // The second one is beyond those that were signed before.
        for job in [500, 501] {
            let number = batch.take();
            assert_eq!(batch.job(number), job);
            let request = String::from_utf8(batch.request(number)).unwrap();
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
            let signature = sandbox::doors::webhooks::signature("s3cret", body.as_bytes());
            assert!(head.contains(&signature), "{head}");
            let payload: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(payload["workflow_job"]["id"], job);
            let url = payload["workflow_job"]["url"].as_str().unwrap();
            assert!(url.ends_with(&format!("/{job}")), "{url}");
        }
    }

    #[test]
    fn a_body_is_about_as_large_as_github_s() {
        let bytes = Template::make().unwrap().body(40_000_000_000).len();
        assert!((6_000..9_000).contains(&bytes), "{bytes}");
    }
}
