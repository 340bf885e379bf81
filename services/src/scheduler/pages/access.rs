//! `DASHBOARD_TOKEN`: who brings it sees everything, who does not sees nothing of private repositories. Without one the
//! pages are open, as the replaced service's.
//!
//! It is brought as a bearer token, or as a cookie that the sign-in form or `?token=` is exchanged for. The cookie says
//! until when it is good and is signed with the token, so that every scheduler takes it and it tells nothing of the token.

use aws_lc_rs::{constant_time, digest, hmac};
use axum::extract::{Form, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::Pages;
use super::html::sign_in::{self, Refused};
use super::params::encoded;
use crate::store::pages::Viewer;

const COOKIE_NAME: &str = "rise_dashboard";
/// How long a cookie is good, in seconds: a week.
const COOKIE_LASTS: i64 = 7 * 86_400;
/// Kept apart from whatever else may once be signed with the token.
const SIGNED_FOR: &str = "rise dashboard cookie 1\n";

/// The token, as far as it is needed.
#[derive(Clone)]
pub(super) struct Token {
    digest: digest::Digest,
    key: hmac::Key,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// How a request stands to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    /// No token is set.
    Open,
    /// The token was brought.
    SignedIn,
    /// It was not.
    SignedOut,
}

impl Session {
    pub(super) fn viewer(self) -> Viewer {
        match self {
            Self::Open | Self::SignedIn => Viewer::Trusted,
            Self::SignedOut => Viewer::Anybody,
        }
    }
}

impl Token {
    /// An empty one is none.
    pub(super) fn of(secret: &SecretString) -> Option<Self> {
        let secret = secret.expose_secret();
        (!secret.is_empty()).then(|| Self {
            digest: digest::digest(&digest::SHA256, secret.as_bytes()),
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
        })
    }

    /// Digests are compared, so that time tells nothing of the token.
    fn is(&self, given: &[u8]) -> bool {
        let given = digest::digest(&digest::SHA256, given);
        constant_time::verify_slices_are_equal(self.digest.as_ref(), given.as_ref()).is_ok()
    }

    fn cookie(&self, until: i64) -> String {
        let signature = hmac::sign(&self.key, format!("{SIGNED_FOR}{until}").as_bytes());
        format!("{until}.{}", hex::encode(signature))
    }

    fn signed(&self, cookie: &str, now: i64) -> bool {
        let Some((until, signature)) = cookie.split_once('.') else {
            return false;
        };
        let (Ok(until), Ok(signature)) = (until.parse::<i64>(), hex::decode(signature)) else {
            return false;
        };
        let good = hmac::verify(
            &self.key,
            format!("{SIGNED_FOR}{until}").as_bytes(),
            &signature,
        );
        good.is_ok() && (now..=now + COOKIE_LASTS).contains(&until)
    }

    fn admits(&self, headers: &HeaderMap, now: i64) -> bool {
        let bearer = headers.get_all(AUTHORIZATION).iter().any(|value| {
            let parts = value.as_bytes().split_at_checked("Bearer ".len());
            parts.is_some_and(|(scheme, token)| {
                scheme.eq_ignore_ascii_case(b"Bearer ") && self.is(token)
            })
        });
        bearer
            || headers
                .get_all(COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .any(|(name, value)| name == COOKIE_NAME && self.signed(value, now))
    }
}

/// Finds out who asks, and exchanges `?token=` of a page for a cookie.
pub(super) async fn recognise(
    State(pages): State<Pages>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = &pages.token else {
        request.extensions_mut().insert(Session::Open);
        return next.run(request).await;
    };
    if let Some((given, rest)) = token_in(request.uri())
        && request.method() == Method::GET
    {
        return exchange(token, request.headers(), &given, &rest);
    }
    let session = if token.admits(request.headers(), Utc::now().timestamp()) {
        Session::SignedIn
    } else {
        Session::SignedOut
    };
    request.extensions_mut().insert(session);
    next.run(request).await
}

fn exchange(token: &Token, headers: &HeaderMap, given: &str, rest: &str) -> Response {
    if token.is(given.as_bytes()) {
        to(rest, &set_cookie(token, headers))
    } else {
        sign_in::page(StatusCode::UNAUTHORIZED, Some(Refused::WrongToken))
    }
}

/// The value of `token`, and the address without it.
fn token_in(uri: &Uri) -> Option<(String, String)> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(uri.query()?).ok()?;
    let (_, given) = pairs.iter().find(|(name, _)| name == "token")?.clone();
    let rest: Vec<String> = pairs
        .iter()
        .filter(|(name, _)| name != "token")
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    let path = uri.path();
    // One slash: two would begin another host's address.
    let path = format!("/{}", path.trim_start_matches(['/', '\\']));
    let rest = if rest.is_empty() {
        path
    } else {
        format!("{path}?{}", rest.join("&"))
    };
    Some((given, rest))
}

/// Leads elsewhere with a cookie.
fn to(path: &str, cookie: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    for (name, value) in [(LOCATION, path), (SET_COOKIE, cookie)] {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn set_cookie(token: &Token, headers: &HeaderMap) -> String {
    let value = token.cookie(Utc::now().timestamp() + COOKIE_LASTS);
    let secure = secure(headers);
    format!("{COOKIE_NAME}={value}; Path=/; Max-Age={COOKIE_LASTS}; HttpOnly; SameSite=Lax{secure}")
}

/// TLS ends before us; who ends it says so.
fn secure(headers: &HeaderMap) -> &'static str {
    let forwarded = headers.get("x-forwarded-proto");
    match forwarded.map(HeaderValue::as_bytes) {
        Some(b"https") => "; Secure",
        Some(_) | None => "",
    }
}

/// The form.
pub(super) async fn form(State(pages): State<Pages>) -> Response {
    match pages.token {
        Some(_) => sign_in::page(StatusCode::OK, None),
        None => no_token(),
    }
}

/// What the form sends.
#[derive(Deserialize)]
pub(super) struct Given {
    #[serde(default)]
    token: SecretString,
}

pub(super) async fn sign_in(
    State(pages): State<Pages>,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Response {
    match &pages.token {
        Some(token) => exchange(
            token,
            &headers,
            given.token.expose_secret().trim(),
            "/usage",
        ),
        None => no_token(),
    }
}

pub(super) async fn sign_out(headers: HeaderMap) -> Response {
    let secure = secure(&headers);
    to(
        "/usage",
        &format!("{COOKIE_NAME}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}"),
    )
}

fn no_token() -> Response {
    let text = "no DASHBOARD_TOKEN is set: the pages are open\n";
    (StatusCode::NOT_FOUND, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::of(&text.into()).unwrap()
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_token_is_brought_as_bearer_or_cookie() {
        let ours = token("open sesame");
        let cookie = ours.cookie(1_000);
        let of_another = token("other").cookie(1_000);
        let far = ours.cookie(1_000 + 2 * COOKIE_LASTS);
        let longer = format!("2000.{}", cookie.split_once('.').unwrap().1);
        let cases = [
            ("authorization", "Bearer open sesame".to_owned(), true),
            ("authorization", "bearer open sesame".to_owned(), true),
            ("authorization", "Bearer open sesam".to_owned(), false),
            ("authorization", "open sesame".to_owned(), false),
            ("cookie", format!("a=b; rise_dashboard={cookie}; c"), true),
            ("cookie", format!("rise_dashboard={of_another}"), false),
            ("cookie", format!("rise_dashboard={far}"), false),
            ("cookie", format!("rise_dashboard={longer}"), false),
            ("cookie", format!("other={cookie}"), false),
            ("cookie", "rise_dashboard=open sesame".to_owned(), false),
        ];
        for (name, value, expected) in cases {
            assert_eq!(
                ours.admits(&headers(name, &value), 900),
                expected,
                "{value}"
            );
        }
        let late = headers("cookie", &format!("rise_dashboard={cookie}"));
        assert!(!ours.admits(&late, 1_001));
        assert!(Token::of(&"".into()).is_none());
    }

    #[test]
    fn an_address_is_left_without_its_token() {
        let cases = [
            (
                "/jobs?token=a%26b&status=failed",
                "a&b",
                "/jobs?status=failed",
            ),
            ("/usage?token=", "", "/usage"),
            ("//evil.example/?token=x", "x", "/evil.example/"),
            (
                "/jobs?repo=o/r&entity=%3C&token=x",
                "x",
                "/jobs?repo=o/r&entity=%3C",
            ),
        ];
        for (uri, given, rest) in cases {
            let found = token_in(&uri.parse().unwrap()).unwrap();
            assert_eq!(found, (given.to_owned(), rest.to_owned()), "{uri}");
        }
        assert_eq!(token_in(&"/jobs?page=1".parse().unwrap()), None);
    }
}
