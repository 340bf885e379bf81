//! Who asks: an App by a signed JWT, an installation by its token, or nobody in particular.

use std::collections::BTreeMap;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::Value;

use super::reply::Reply;
use crate::world::Time;
use crate::world::github::{AppKind, Caller, GitHub, TokenRejected};

/// How far ahead a JWT may expire.
const JWT_MAX_LIFE_SECONDS: i64 = 600;
/// How far ahead of ours an App's clock may be. GitHub's own tolerance is not published.
const JWT_CLOCK_SKEW_SECONDS: i64 = 30;

/// The Apps' keys: made once, private halves for the product, public halves for the door.
#[derive(Clone)]
pub struct AppKeys(BTreeMap<AppKind, AppKey>);

#[derive(Clone)]
struct AppKey {
    private_pem: String,
    public: DecodingKey,
}

impl std::fmt::Debug for AppKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The random source gave no key.
#[derive(Debug, thiserror::Error)]
#[error("no RSA key could be made for the pretend Apps")]
pub struct NoKey;

impl AppKeys {
    /// New keys, which takes some hundred milliseconds of computing.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn generate() -> Result<Self, NoKey> {
        let kinds = [AppKind::Organization, AppKind::Personal];
        kinds
            .into_iter()
            .map(|kind| Ok((kind, AppKey::generate()?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// An App's private key, PKCS#8 in PEM, as GitHub hands it to the App's owner.
    #[must_use]
    pub fn private_pem(&self, app: AppKind) -> &str {
        self.0.get(&app).map_or("", |key| &key.private_pem)
    }

    fn public(&self, app: AppKind) -> Option<&DecodingKey> {
        self.0.get(&app).map(|key| &key.public)
    }
}

impl AppKey {
    fn generate() -> Result<Self, NoKey> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| NoKey)?;
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| NoKey)?;
        let private_pem = pem("PRIVATE KEY", der.as_ref());
        Ok(Self {
            private_pem,
            public: DecodingKey::from_rsa_der(pair.public_key().as_ref()),
        })
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {what}-----\n");
    let body = STANDARD.encode(der);
    for (index, letter) in body.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str(&format!("\n-----END {what}-----\n"));
    text
}

/// The claims of an App's JWT that GitHub looks at.
#[derive(Deserialize)]
struct Claims {
    iss: Option<Value>,
    iat: Option<i64>,
    exp: Option<i64>,
}

/// Who asks, by the request's `Authorization`.
pub(super) fn identify(
    github: &GitHub,
    keys: &AppKeys,
    headers: &HeaderMap,
    now: Time,
) -> Result<Caller, Reply> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Ok(Caller::Anonymous);
    };
    let credentials = value.to_str().ok().and_then(|value| value.split_once(' '));
    let Some((scheme, secret)) = credentials else {
        return Err(Reply::unauthorized("Bad credentials"));
    };
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("token") {
        return Err(Reply::unauthorized("Bad credentials"));
    }
    if secret.starts_with("ghs_") {
        return github
            .authenticate(secret, now)
            .map(Caller::Installation)
            .map_err(|rejected| match rejected {
                TokenRejected::BadCredentials => Reply::unauthorized(&rejected.to_string()),
                TokenRejected::Suspended => Reply::forbidden(&rejected.to_string()),
            });
    }
    if secret.split('.').count() == 3 {
        return app_of_jwt(github, keys, secret, now).map(Caller::App);
    }
    Err(Reply::unauthorized("Bad credentials"))
}

fn app_of_jwt(github: &GitHub, keys: &AppKeys, jwt: &str, now: Time) -> Result<i64, Reply> {
    let undecodable = || Reply::unauthorized("A JSON web token could not be decoded");
    let issuer =
        jsonwebtoken::dangerous::insecure_decode::<Claims>(jwt).map_err(|_| undecodable())?;
    let issuer = match issuer.claims.iss {
        Some(Value::String(text)) => text,
        Some(Value::Number(number)) => number.to_string(),
        _ => {
            return Err(Reply::unauthorized(
                "'Issuer' claim ('iss') must be present",
            ));
        }
    };
    let mut apps = github.apps().iter();
    let app = apps.find(|app| app.id.to_string() == issuer || app.client_id == issuer);
    let app = app.ok_or_else(|| Reply::not_found_with("Integration not found"))?;
    let mut validation = Validation::new(Algorithm::RS256);
    // The claims are judged below, by GitHub's rules and the world's clock.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = keys.public(app.kind).ok_or_else(undecodable)?;
    let token = jsonwebtoken::decode::<Claims>(jwt, key, &validation).map_err(|_| undecodable())?;
    judge(&token.claims, now.timestamp()).map_err(Reply::unauthorized)?;
    Ok(app.id)
}

/// Whether the claims' times are as GitHub wants them.
fn judge(claims: &Claims, now: i64) -> Result<(), &'static str> {
    let Some(exp) = claims.exp else {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        );
    };
    if exp <= now {
        return Err(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        );
    }
    if exp > now + JWT_MAX_LIFE_SECONDS + JWT_CLOCK_SKEW_SECONDS {
        return Err("'Expiration time' claim ('exp') is too far in the future");
    }
    if claims
        .iat
        .is_none_or(|iat| iat > now + JWT_CLOCK_SKEW_SECONDS)
    {
        return Err(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_a_jwt_are_judged_as_github_does() {
        let now = 1_800_000_000;
        let claims = |iat, exp| Claims {
            iss: None,
            iat,
            exp,
        };
        for (iat, exp, good) in [
            (Some(now - 60), Some(now + 540), true),
            (Some(now), Some(now + 600), true),
            (Some(now - 60), Some(now + 700), false),
            (Some(now - 600), Some(now), false),
            (Some(now + 120), Some(now + 300), false),
            (None, Some(now + 300), false),
            (Some(now), None, false),
        ] {
            assert_eq!(
                judge(&claims(iat, exp), now).is_ok(),
                good,
                "iat {iat:?}, exp {exp:?}"
            );
        }
    }
}
