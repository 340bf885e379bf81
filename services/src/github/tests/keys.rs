//! A key made for this run of the tests, in the two forms that keys come in.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// What PKCS#8 puts before the PKCS#1 key of 2048 bits.
const PKCS8_HEADER_BYTES: usize = 26;

fn der() -> &'static [u8] {
    static DER: OnceLock<Vec<u8>> = OnceLock::new();
    DER.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        der.as_ref().to_vec()
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// As `openssl` writes it now.
pub(in crate::github) fn pkcs8() -> String {
    pem("PRIVATE KEY", der())
}

/// As GitHub gives it out.
pub(in crate::github) fn pkcs1() -> String {
    pem("RSA PRIVATE KEY", &der()[PKCS8_HEADER_BYTES..])
}
