//! The Apps' private keys: PEM as people put it into environment variables, and what is wrong with one that does not
//! sign.

use jsonwebtoken::EncodingKey;
use rise_model::EntityKind;
use secrecy::{ExposeSecret, SecretString};

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum GitHubSetupError {
    /// Not a URL with scheme and host.
    #[error("`{0}` is not the URL of GitHub's API")]
    Url(String),
    /// A key cannot be used.
    #[error("the private key of the {} App {problem}", app_word(*.kind))]
    Key {
        /// Which App's.
        kind: EntityKind,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// The HTTP client could not be made.
    #[error("the client for GitHub could not be made")]
    Client(#[source] octocrab::Error),
}

fn app_word(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Organization => "organisation",
        EntityKind::User => "personal",
    }
}

/// What is wrong with a private key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// No `-----BEGIN …-----` in it.
    #[error("is not a PEM text")]
    NotPem,
    /// It ends early.
    #[error("is cut short: its END line is missing")]
    CutShort,
    /// Something else in PEM: a public key, a certificate, an encrypted key.
    #[error("is PEM of another kind than an RSA private key")]
    WrongKind,
    /// The bytes are no RSA key that signs.
    #[error("is damaged: it does not sign")]
    Damaged,
}

impl GitHubSetupError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Url(_) => "set GITHUB_API_URL to https://api.github.com, or leave it unset",
            Self::Key {
                kind: EntityKind::Organization,
                ..
            } => {
                "set GHAPP_ORG_PRIVATE_KEY (or GHAPP_ORG_PRIVATE_KEY_FILE) to the .pem file that the App's settings page gave out, unchanged"
            }
            Self::Key {
                kind: EntityKind::User,
                ..
            } => {
                "set GHAPP_PERSONAL_PRIVATE_KEY (or GHAPP_PERSONAL_PRIVATE_KEY_FILE) to the .pem file that the App's settings page gave out, unchanged"
            }
            Self::Client(_) => {
                "check that this machine has CA certificates (package ca-certificates)"
            }
        }
    }
}

/// The key for signing an App's JWTs, tried once.
pub(super) fn signing_key(
    kind: EntityKind,
    app: u64,
    pem: &SecretString,
) -> Result<EncodingKey, GitHubSetupError> {
    let named = |problem| GitHubSetupError::Key { kind, problem };
    let pem = SecretString::from(normalised(pem.expose_secret()).map_err(named)?);
    let key = EncodingKey::from_rsa_pem(pem.expose_secret().as_bytes())
        .map_err(|_| named(KeyProblem::Damaged))?;
    // The key is not looked into before it signs.
    octocrab::auth::create_jwt(app.into(), &key).map_err(|_| named(KeyProblem::Damaged))?;
    Ok(key)
}

/// PEM in its own form again: variables hold it with `\n` written out, quoted, indented, on one line, or with carriage
/// returns.
fn normalised(text: &str) -> Result<String, KeyProblem> {
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let (_, from_label) = text.split_once("-----BEGIN ").ok_or(KeyProblem::NotPem)?;
    let (label, from_body) = from_label.split_once("-----").ok_or(KeyProblem::CutShort)?;
    if !matches!(label, "RSA PRIVATE KEY" | "PRIVATE KEY") {
        return Err(KeyProblem::WrongKind);
    }
    let (body, _) = from_body
        .split_once(&format!("-----END {label}-----"))
        .ok_or(KeyProblem::CutShort)?;
    if body.contains("Proc-Type:") {
        return Err(KeyProblem::WrongKind);
    }
    let body: Vec<char> = body.chars().filter(|c| !c.is_whitespace()).collect();
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in body.chunks(64) {
        pem.extend(line);
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    Ok(pem)
}

#[cfg(test)]
mod tests {
    use super::super::tests::keys;
    use super::*;

    fn signs(pem: &str) -> Result<(), KeyProblem> {
        match signing_key(EntityKind::Organization, 1, &pem.to_owned().into()) {
            Ok(_) => Ok(()),
            Err(GitHubSetupError::Key { problem, .. }) => Err(problem),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_signs_however_the_variable_holds_it() {
        for pem in [keys::pkcs1(), keys::pkcs8()] {
            for held in [
                pem.clone(),
                pem.replace('\n', "\\n"),
                pem.replace('\n', "\r\n"),
                pem.replace('\n', " "),
                pem.replace('\n', "\n    "),
                format!("\"{}\"", pem.trim().replace('\n', "\\n")),
            ] {
                assert_eq!(signs(&held), Ok(()), "{held:?}");
            }
        }
    }

    #[test]
    fn a_bad_key_is_told_apart() {
        let pkcs8 = keys::pkcs8();
        let cut: String = pkcs8.lines().take(5).collect::<Vec<_>>().join("\n");
        let holed: String = pkcs8
            .lines()
            .enumerate()
            .filter(|(n, _)| *n != 4)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        for (pem, problem) in [
            (String::new(), KeyProblem::NotPem),
            ("not a key".to_owned(), KeyProblem::NotPem),
            (cut, KeyProblem::CutShort),
            (holed, KeyProblem::Damaged),
            (
                pkcs8.replace("PRIVATE KEY", "PUBLIC KEY"),
                KeyProblem::WrongKind,
            ),
        ] {
            assert_eq!(signs(&pem), Err(problem), "{pem:?}");
        }
    }

    #[test]
    fn the_message_names_the_app_and_the_hint_the_variable() {
        let error = signing_key(EntityKind::User, 1, &String::new().into())
            .err()
            .unwrap();
        insta::assert_snapshot!(error, @"the private key of the personal App is not a PEM text");
        assert!(error.hint().contains("GHAPP_PERSONAL_PRIVATE_KEY"));
    }
}
