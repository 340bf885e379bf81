//! The page as HTML: one template, one stylesheet inside it, no script, nothing loaded from anywhere.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use rise_model::EntityKind;

use super::Found;
use crate::style::STYLE;

/// When a page that could not be made may be asked for again.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// What the template shows.
#[derive(Template)]
#[template(path = "setup.html")]
pub(super) struct Page<'a> {
    pub(super) kind: EntityKind,
    pub(super) found: &'a Found,
    /// Where this App is installed.
    pub(super) here: &'a str,
    /// Where the other one is.
    pub(super) other: &'a str,
    pub(super) public_only: bool,
}

impl Page<'_> {
    /// Which App it is about, in the words of the replaced service.
    fn app(&self) -> &'static str {
        word(self.kind)
    }

    /// What that App was installed on when it is the wrong one.
    fn account(&self) -> &'static str {
        match self.kind {
            EntityKind::Organization => "a personal account",
            EntityKind::User => "an organization",
        }
    }

    fn other_app(&self) -> &'static str {
        word(super::other(self.kind))
    }

    fn heading(&self) -> String {
        match self.found {
            Found::NoId => "Missing installation id".to_owned(),
            Found::Unknown(_) => "Installation not found for this app".to_owned(),
            Found::Trouble(_) => "Something went wrong".to_owned(),
            Found::NoKey | Found::Busy => "This cannot be checked now".to_owned(),
            Found::Installed { login, .. } => format!("All set, {login}!"),
            Found::Suspended { login } => format!("The app is suspended on {login}"),
            Found::WrongApp { .. } => {
                format!("You installed the {} app on {}", self.app(), self.account())
            }
            Found::NoSuchKind => "This kind of account is not served".to_owned(),
        }
    }

    /// The answer with this status, under this policy.
    pub(super) fn answer(&self, status: StatusCode, policy: HeaderValue) -> Response {
        let Ok(html) = self.render() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut response = (status, Html(html)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        for (name, value) in [
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

fn word(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Organization => "organization",
        EntityKind::User => "personal",
    }
}
