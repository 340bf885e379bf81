//! Takes secrets out of texts from outside before they are kept or shown: tokens, credentials in URLs, long base64.
//!
//! What is left must still help: hexadecimal digests, paths and names stay.

/// Stands where a secret stood.
pub const REDACTED: &str = "[redacted]";

/// Beginnings of GitHub's tokens.
const TOKEN_PREFIXES: [&str; 7] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "eyJ"];
/// Words after which the next word is a secret.
const BEFORE_SECRET: [&str; 3] = ["bearer ", "basic ", "token "];
/// Names whose values are secrets.
const SECRET_NAMES: [&str; 5] = ["jitconfig", "token", "password", "passwd", "secret"];
/// A piece of base64 of at least this length, with letters of both cases and digits, is no name and no path.
const BASE64_LENGTH: usize = 32;

/// The text without its secrets, and without NUL characters, which PostgreSQL does not store.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word_end = rest.find(is_break).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        if is_secret(word) || (!word.is_empty() && announced(&out)) {
            out.push_str(REDACTED);
        } else {
            out.push_str(word);
        }
        let breaks = after.find(|c| !is_break(c)).unwrap_or(after.len());
        let (separators, next) = after.split_at(breaks);
        out.extend(separators.chars().filter(|c| *c != '\0'));
        rest = next;
    }
    without_url_passwords(&out)
}

/// Whether a character ends a word. `=` is part of base64 and of `name=value` alike: see [`is_secret`].
fn is_break(c: char) -> bool {
    !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '.'))
}

fn is_secret(word: &str) -> bool {
    let token = TOKEN_PREFIXES
        .iter()
        .any(|prefix| word.starts_with(prefix) && word.len() >= prefix.len() + 16);
    token
        || word.split(['/', '.']).any(is_base64)
        || is_base64(&word.replace('/', "")) && !looks_like_path(word)
}

fn is_base64(piece: &str) -> bool {
    piece.len() >= BASE64_LENGTH
        && piece.bytes().any(|b| b.is_ascii_uppercase())
        && piece.bytes().any(|b| b.is_ascii_lowercase())
        && piece.bytes().any(|b| b.is_ascii_digit())
}

/// Paths have a slash every few characters, base64 has one in sixty-four.
fn looks_like_path(word: &str) -> bool {
    let slashes = word.bytes().filter(|b| *b == b'/').count();
    slashes > 0 && word.len() / slashes < 24
}

/// Whether what was just written says that a secret follows.
fn announced(before: &str) -> bool {
    let tail: String = before
        .chars()
        .rev()
        .take(24)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<String>()
        .to_lowercase();
    if BEFORE_SECRET.iter().any(|word| tail.ends_with(word)) {
        return tail.contains("bearer ") || tail.contains("authorization");
    }
    let name = tail.trim_end_matches(['=', ':', '"', '\'', ' ']);
    name.len() < tail.len()
        && tail.contains(['=', ':'])
        && SECRET_NAMES.iter().any(|secret| name.ends_with(secret))
}

/// `scheme://user:password@host` without the password.
fn without_url_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let authority_end = after
            .find(|c: char| c == '/' || c.is_whitespace() || c == '"')
            .unwrap_or(after.len());
        let (authority, next) = after.split_at(authority_end);
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str(REDACTED);
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = next;
    }
    out.push_str(rest);
    out
}

/// The last lines of a text, at most so many and at most so many bytes.
#[must_use]
pub fn tail(text: &str, lines: usize, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    let from = (from..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    let mut kept = text.get(from..).unwrap_or_default();
    // A line that was cut may begin inside a secret that then is not known for one.
    if from > 0 {
        kept = kept.split_once('\n').map_or("", |(_, whole)| whole);
    }
    let body = kept.strip_suffix('\n').unwrap_or(kept);
    match body.rmatch_indices('\n').nth(lines.saturating_sub(1)) {
        Some((at, _)) => kept.get(at + 1..).unwrap_or_default(),
        None => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go() {
        let jit = "eyJraWQiOiIxMjM0NTY3ODkwQUJDREVGIn0".repeat(30);
        for (text, secret) in [
            (format!("run --jitconfig {jit} now"), jit.as_str()),
            ("token ghs_16C7e42F292c6912E7710c838347Ae178B4a x".to_owned(), "ghs_16C7"),
            ("Authorization: Bearer abc123".to_owned(), "abc123"),
            ("password=hunter2 next".to_owned(), "hunter2"),
            ("\"RUNNER_JITCONFIG\": \"abc\"".to_owned(), "\"abc\""),
            ("clone https://u:pw@example.com/x".to_owned(), "u:pw"),
            (
                "blob QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODk= end".to_owned(),
                "QUJDREVG",
            ),
        ] {
            let clean = redact(&text);
            assert!(!clean.contains(secret), "{clean}");
            assert!(clean.contains(REDACTED), "{clean}");
        }
    }

    #[test]
    fn what_helps_stays() {
        for text in [
            "Pulled image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "/home/runner/actions-runner/externals/node20/bin/node: not found",
            "0/8 nodes are available: 8 Insufficient riseproject.com/runner.",
            "rise-riscv-runner-staging-abc123xyz exited",
            "Back-off pulling image \"rg.fr-par.scw.cloud/ns/riscv-runner:ubuntu-24.04-latest\"",
            "a token is needed",
        ] {
            assert_eq!(redact(text), text);
        }
        assert_eq!(redact("a\0b"), "ab");
    }

    #[test]
    fn the_tail_is_whole_lines() {
        assert_eq!(tail("a\nb\nc\n", 2, 100), "b\nc\n");
        assert_eq!(tail("a\nb\nc", 2, 100), "b\nc");
        assert_eq!(tail("long first line\nb\nc\n", 9, 8), "b\nc\n");
        assert_eq!(tail("", 5, 5), "");
        assert_eq!(tail("ü", 5, 1), "");
    }
}
