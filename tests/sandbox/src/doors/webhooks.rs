//! The sender of webhooks: takes what the world wants delivered, signs it, posts it with GitHub's headers, and records
//! how that went. It tries once, as GitHub does; several are under way at a time, so that order is not kept.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use rand::Rng;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::SharedWorld;
use super::trouble::{Trouble, WebhookTrouble, one_in};
use crate::world::github::{Delivery, DeliveryStatus};

/// The stream of chance for trouble.
const CHANCE_STREAM: u64 = 0x686f_6f6b;

/// How deliveries are sent.
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// What bodies are signed with, for both Apps.
    pub secret: String,
    /// Where they go; nothing to keep them until a target is set.
    pub target: Option<String>,
    /// How long an answer may take (GitHub: 10 s).
    pub timeout: Duration,
    /// How many may be under way.
    pub parallel: usize,
}

impl Default for WebhooksConfig {
    fn default() -> Self {
        Self {
            secret: "sandbox-webhook-secret".to_owned(),
            target: None,
            timeout: Duration::from_secs(10),
            parallel: 8,
        }
    }
}

/// A handle on the sender.
#[derive(Debug, Clone)]
pub struct Webhooks {
    target: watch::Sender<Option<String>>,
    trouble: Arc<Trouble<WebhookTrouble>>,
    to_lose: Arc<AtomicUsize>,
}

impl Webhooks {
    pub(super) fn new(config: &WebhooksConfig, seed: u64) -> Self {
        Self {
            target: watch::Sender::new(config.target.clone()),
            trouble: Arc::new(Trouble::none(seed, CHANCE_STREAM)),
            to_lose: Arc::default(),
        }
    }

    /// From now on deliveries meet this trouble by chance.
    pub fn set_trouble(&self, trouble: WebhookTrouble) {
        self.trouble.set(trouble);
    }

    /// The next `count` deliveries do not arrive; GitHub lists them as failed.
    pub fn lose_next(&self, count: usize) {
        self.to_lose.fetch_add(count, Ordering::Relaxed);
    }

    /// What will become of one delivery.
    fn fate(&self) -> Fate {
        let one_less = |left: usize| left.checked_sub(1);
        let named = self
            .to_lose
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        self.trouble.draw(|trouble, chance| {
            let lost = one_in(trouble.lose_one_in, chance) || named.is_ok();
            let doubled = one_in(trouble.double_one_in, chance);
            Fate {
                copies: match (lost, doubled) {
                    (true, _) => 0,
                    (false, true) => 2,
                    (false, false) => 1,
                },
                delay: if one_in(trouble.delay_one_in, chance) {
                    chance.random_range(Duration::ZERO..=trouble.delay_up_to)
                } else {
                    Duration::ZERO
                },
            }
        })
    }

    /// From now on deliveries go to `url`; with `None` they wait.
    pub fn set_target(&self, url: Option<&str>) {
        self.target.send_replace(url.map(str::to_owned));
    }

    /// Where deliveries go.
    #[must_use]
    pub fn target(&self) -> watch::Receiver<Option<String>> {
        self.target.subscribe()
    }
}

/// `sha256=` and the hexadecimal HMAC of a body.
#[must_use]
pub fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// The headers of a delivery, all but the signature.
pub(super) fn headers(delivery: &Delivery) -> Vec<(String, Value)> {
    // Each App has one hook; its id is not used for anything, so a number made of the App's will do.
    let hook_id = 400_000_000 + delivery.app_id % 100_000_000;
    [
        ("Accept", "*/*".to_owned()),
        ("Content-Type", "application/json".to_owned()),
        (
            "User-Agent",
            format!("GitHub-Hookshot/{:07x}", hook_id % 0x1000_0000),
        ),
        ("X-GitHub-Delivery", delivery.guid.to_string()),
        ("X-GitHub-Event", delivery.event.to_owned()),
        ("X-GitHub-Hook-ID", hook_id.to_string()),
        (
            "X-GitHub-Hook-Installation-Target-ID",
            delivery.app_id.to_string(),
        ),
        (
            "X-GitHub-Hook-Installation-Target-Type",
            "integration".to_owned(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.into()))
    .into()
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy)]
struct Fate {
    /// How often it is sent.
    copies: u32,
    /// How late.
    delay: Duration,
}

/// What a delivery needs on its way.
#[derive(Clone)]
struct Sender {
    client: reqwest::Client,
    secret: String,
    world: SharedWorld,
}

/// Sends deliveries until `shutdown`.
pub(super) async fn send_all(
    webhooks: Webhooks,
    config: WebhooksConfig,
    client: reqwest::Client,
    world: SharedWorld,
    shutdown: CancellationToken,
) {
    let mut target = webhooks.target();
    let mut changes = world.changes();
    let sender = Sender {
        client,
        secret: config.secret,
        world: world.clone(),
    };
    // Those under way. Dropped, and so ended, when this function ends.
    let mut under_way = JoinSet::new();
    let mut waiting = VecDeque::new();
    loop {
        changes.mark_unchanged();
        let url = target.borrow_and_update().clone();
        if let Some(url) = url {
            if world.read(|world| world.github.outbox_len()) > 0 {
                waiting.extend(world.with(|world| world.github.take_outbox()));
            }
            while under_way.len() < config.parallel {
                let Some(delivery) = waiting.pop_front() else {
                    break;
                };
                under_way.spawn(sender.clone().send(url.clone(), delivery, webhooks.fate()));
            }
        }
        tokio::select! {
            _ = changes.changed() => {}
            changed = target.changed() => if changed.is_err() { return },
            Some(ended) = under_way.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(error = %error, "sending a webhook delivery failed inside");
                }
            }
            () = shutdown.cancelled() => return,
        }
    }
}

impl Sender {
    async fn send(self, url: String, delivery: Delivery, fate: Fate) {
        tokio::time::sleep(fate.delay).await;
        let mut status = DeliveryStatus::FailedToConnect;
        for _ in 0..fate.copies {
            status = self.post(&url, &delivery).await;
        }
        self.world.with(|world| {
            let now = world.now();
            world.github.delivery_answered(delivery.id, status, now);
        });
    }

    async fn post(&self, url: &str, delivery: &Delivery) -> DeliveryStatus {
        let body = delivery.payload.to_string();
        let mut request = self.client.post(url);
        for (name, value) in headers(delivery) {
            request = request.header(name, value.as_str().unwrap_or_default());
        }
        let signature = signature(&self.secret, body.as_bytes());
        match request
            .header("X-Hub-Signature-256", signature)
            .body(body)
            .send()
            .await
        {
            Ok(answer) => DeliveryStatus::Answered(answer.status().as_u16()),
            Err(error) if error.is_timeout() => DeliveryStatus::TimedOut,
            Err(_) => DeliveryStatus::FailedToConnect,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_signed_as_in_githubs_published_example() {
        assert_eq!(
            signature("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
