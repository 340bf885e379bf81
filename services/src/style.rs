//! The one stylesheet of all pages. It stands inside each page, and a browser takes it by its hash and nothing else.

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;

pub(crate) const STYLE: &str = include_str!("../../assets/pages/style.css");

/// Whether a page has forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forms {
    /// None.
    None,
    /// They lead to this service.
    Own,
}

/// The policy under which a browser shows a page: the stylesheet by its hash, no script, nothing loaded from anywhere.
pub(crate) fn policy(forms: Forms) -> HeaderValue {
    let hash = digest::digest(&digest::SHA256, STYLE.as_bytes());
    let hash = BASE64_STANDARD.encode(hash);
    let action = match forms {
        Forms::None => "'none'",
        Forms::Own => "'self'",
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {action}; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
