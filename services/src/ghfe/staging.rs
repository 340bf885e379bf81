//! Handing deliveries to staging: production's Apps hear of its repositories too.
//!
//! A delivery goes on as it came, so that staging verifies the same signature, and whatever staging answers is the
//! answer. Nothing is tried twice here: who is answered 502 delivers again.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect;
use rise_model::config::StagingRepositories;

/// An answer is held in memory while it is passed on; ghfe's own are one line.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;
/// How a delivery is marked that went through here.
const OURS: HeaderValue = HeaderValue::from_static("1.1 rise-ghfe");
/// About one connection and not about what it carries, besides those that `Connection` names (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Where production hands deliveries to.
#[derive(Debug, Clone)]
pub struct StagingConfig {
    /// Staging's webhook.
    pub url: reqwest::Url,
    /// The repositories that are staging's.
    pub repositories: StagingRepositories,
}

/// The way to staging.
pub(super) struct Staging {
    client: reqwest::Client,
    url: reqwest::Url,
    within: Duration,
}

/// Why a delivery did not get to staging.
#[derive(Debug, thiserror::Error)]
pub(super) enum StagingError {
    #[error("staging did not answer in {0:?}")]
    TimedOut(Duration),
    #[error("staging could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("staging's answer is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    #[error("the delivery was handed on before: STAGING_URL leads back here")]
    Loop,
}

impl Staging {
    pub(super) fn new(url: reqwest::Url, within: Duration) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            // A redirect is an answer: what is signed for one place is sent to no other.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            url,
            within,
        })
    }

    /// Staging's answer to a delivery, whatever it is.
    pub(super) async fn hand_on(
        &self,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Response, StagingError> {
        if headers.get_all(VIA).iter().any(|via| via == OURS) {
            return Err(StagingError::Loop);
        }
        tokio::time::timeout(self.within, self.exchange(headers, body))
            .await
            .unwrap_or(Err(StagingError::TimedOut(self.within)))
    }

    async fn exchange(&self, headers: &HeaderMap, body: Bytes) -> Result<Response, StagingError> {
        let mut sent = end_to_end(headers);
        for of_this_exchange in [HOST, EXPECT] {
            sent.remove(of_this_exchange);
        }
        sent.append(VIA, OURS);
        let request = self.client.post(self.url.clone()).headers(sent).body(body);
        let mut answer = request.send().await.map_err(StagingError::Unreachable)?;
        let mut held = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(StagingError::Unreachable)? {
            if held.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(StagingError::TooLarge);
            }
            held.extend_from_slice(&chunk);
        }
        let mut response = Response::new(Body::from(held));
        *response.status_mut() = answer.status();
        *response.headers_mut() = end_to_end(answer.headers());
        Ok(response)
    }
}

/// What goes through unchanged. The length is told anew, by who sends.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    let named = headers.get_all(CONNECTION).iter();
    for name in named.filter_map(|value| value.to_str().ok()) {
        for name in name.split(',') {
            kept.remove(name.trim());
        }
    }
    for name in HOP_BY_HOP.iter().chain([&CONTENT_LENGTH]) {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_a_connection_ends_with_it() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret-Of-This-Hop"),
            ("connection", "te"),
            ("te", "trailers"),
            ("keep-alive", "timeout=5"),
            ("x-secret-of-this-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("content-length", "7"),
            ("proxy-authorization", "Basic x"),
            ("x-github-event", "workflow_job"),
            ("via", "1.1 one"),
            ("via", "1.1 two"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let kept = end_to_end(&headers);
        let mut kept: Vec<_> = kept
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        kept.sort_unstable();
        assert_eq!(
            kept,
            [
                ("via", "1.1 one"),
                ("via", "1.1 two"),
                ("x-github-event", "workflow_job"),
            ]
        );
    }
}
