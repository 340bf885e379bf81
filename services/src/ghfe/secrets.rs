//! The two secrets of ghfe, compared in constant time and never printed.

use aws_lc_rs::{constant_time, digest, hmac};
use secrecy::{ExposeSecret, SecretString};

/// The value of `X-Hub-Signature-256`, read but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature(Vec<u8>);

impl Signature {
    /// Reads `sha256=<hex>`.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let hex = header.strip_prefix(b"sha256=")?;
        let bytes = hex::decode(hex).ok()?;
        (bytes.len() == digest::SHA256_OUTPUT_LEN).then_some(Self(bytes))
    }
}

/// The webhook's secret, and while it is rotated the others.
pub(super) struct WebhookSecrets(Vec<hmac::Key>);

impl WebhookSecrets {
    /// The whole value first, then each line that is not empty.
    pub(super) fn new(value: &SecretString) -> Self {
        let whole = value.expose_secret();
        let mut secrets = vec![whole];
        secrets.extend(whole.lines().filter(|line| *line != whole));
        secrets.retain(|secret| !secret.trim().is_empty());
        let keys = secrets
            .iter()
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        Self(keys.collect())
    }

    /// Whether one of them signed this body.
    pub(super) fn signed(&self, body: &[u8], signature: &Signature) -> bool {
        self.0
            .iter()
            .any(|key| hmac::verify(key, body, &signature.0).is_ok())
    }
}

/// The token of `/trace/`.
pub(super) struct BearerToken(Option<digest::Digest>);

impl BearerToken {
    /// An empty secret admits nobody.
    pub(super) fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret();
        Self((!secret.is_empty()).then(|| digest::digest(&digest::SHA256, secret.as_bytes())))
    }

    /// Whether an `Authorization` header carries it. Digests are compared, so that time tells nothing of its length.
    pub(super) fn admits(&self, authorization: &[u8]) -> bool {
        let Some(expected) = &self.0 else {
            return false;
        };
        let Some((scheme, token)) = authorization.split_at_checked("Bearer ".len()) else {
            return false;
        };
        let given = digest::digest(&digest::SHA256, token);
        scheme.eq_ignore_ascii_case(b"Bearer ")
            && constant_time::verify_slices_are_equal(expected.as_ref(), given.as_ref()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &str, body: &[u8]) -> Signature {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Signature(hmac::sign(&key, body).as_ref().to_vec())
    }

    #[test]
    fn github_s_own_example_is_accepted() {
        let secrets = WebhookSecrets::new(&"It's a Secret to Everybody".into());
        let header = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let signature = Signature::parse(header).unwrap();
        assert!(secrets.signed(b"Hello, World!", &signature));
        assert!(!secrets.signed(b"Hello, World?", &signature));
    }

    #[test]
    fn malformed_signatures_are_none() {
        let short = "ab".repeat(31);
        for header in [
            String::new(),
            "sha256=".into(),
            "sha256=bogus".into(),
            format!("sha256={short}"),
            format!("sha256={short}zz"),
            format!("sha1={short}ab"),
            format!("{short}ab"),
        ] {
            assert_eq!(Signature::parse(header.as_bytes()), None, "{header}");
        }
        assert!(Signature::parse(format!("sha256={}", "AB".repeat(32)).as_bytes()).is_some());
    }

    #[test]
    fn a_secret_is_rotated_line_by_line() {
        let secrets = WebhookSecrets::new(&"old\r\n\nnew\n".into());
        for (secret, good) in [
            ("old", true),
            ("new", true),
            ("old\r\n\nnew\n", true),
            ("", false),
            ("ol", false),
        ] {
            assert_eq!(
                secrets.signed(b"{}", &sign(secret, b"{}")),
                good,
                "{secret:?}"
            );
        }
        let none = WebhookSecrets::new(&"".into());
        assert!(!none.signed(b"{}", &sign("", b"{}")));
        let blank = WebhookSecrets::new(&"\n".into());
        assert!(!blank.signed(b"{}", &sign("\n", b"{}")));
    }

    #[test]
    fn the_bearer_token_is_compared_whole() {
        let token = BearerToken::new(&"abc".into());
        for (header, good) in [
            ("Bearer abc", true),
            ("bearer abc", true),
            ("Bearer abcd", false),
            ("Bearer ab", false),
            ("Bearer ", false),
            ("abc", false),
            ("", false),
        ] {
            assert_eq!(token.admits(header.as_bytes()), good, "{header}");
        }
        assert!(!BearerToken::new(&"".into()).admits(b"Bearer "));
    }
}
