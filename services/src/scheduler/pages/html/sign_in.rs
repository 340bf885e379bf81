//! The form that takes the token.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer;
use crate::style::STYLE;

/// Why the form is shown again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Refused {
    /// It was another token.
    WrongToken,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    refused: Option<Refused>,
}

pub(in super::super) fn page(status: StatusCode, refused: Option<Refused>) -> Response {
    answer(status, &SignIn { refused })
}
