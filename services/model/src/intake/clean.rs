//! Makes JSON that PostgreSQL's `jsonb` takes out of JSON that GitHub may send.
//!
//! A NUL (`\u0000`), half a surrogate pair (`\ud800`) and bytes that are no UTF-8 each become U+FFFD. Nothing else
//! changes: what is no JSON stays none. A body without any of them, which is nearly every one, is not copied.

use std::borrow::Cow;

/// `\uXXXX`.
const ESCAPE_BYTES: usize = 6;

/// The body with what no database text can hold replaced.
#[must_use]
pub fn clean(body: &[u8]) -> Cow<'_, str> {
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) => replace_escapes(text).map_or(Cow::Borrowed(text), Cow::Owned),
        Cow::Owned(text) => Cow::Owned(replace_escapes(&text).unwrap_or(text)),
    }
}

/// In JSON a backslash stands inside strings only, so escapes can be found without following the structure.
fn replace_escapes(text: &str) -> Option<String> {
    let mut out: Option<String> = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(step) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += step;
        let Some(unit) = escaped_unit(text, at) else {
            // A two-character escape; the second may be a backslash itself.
            at += 2;
            if !text.is_char_boundary(at) {
                at -= 1;
            }
            continue;
        };
        match unit {
            0xD800..=0xDBFF if escaped_unit(text, at + ESCAPE_BYTES).is_some_and(is_low) => {
                at += 2 * ESCAPE_BYTES;
            }
            0 | 0xD800..=0xDFFF => {
                let cleaned = out.get_or_insert_with(|| String::with_capacity(text.len()));
                cleaned.push_str(&text[copied..at]);
                cleaned.push(char::REPLACEMENT_CHARACTER);
                at += ESCAPE_BYTES;
                copied = at;
            }
            _ => at += ESCAPE_BYTES,
        }
    }
    out.map(|mut cleaned| {
        cleaned.push_str(&text[copied..]);
        cleaned
    })
}

fn is_low(unit: u16) -> bool {
    (0xDC00..=0xDFFF).contains(&unit)
}

/// The code unit of an escape that begins here.
fn escaped_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE_BYTES)?.strip_prefix("\\u")?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_no_text_can_hold_is_replaced_and_nothing_else() {
        for (sent, kept) in [
            (r#"{"a":"plain"}"#, "{\"a\":\"plain\"}"),
            (r#"{"a":"x\u0000y"}"#, "{\"a\":\"x\u{FFFD}y\"}"),
            (r#"{"\u0000":1}"#, "{\"\u{FFFD}\":1}"),
            (r#"["\ud800"]"#, "[\"\u{FFFD}\"]"),
            (r#"["\uDFFFx"]"#, "[\"\u{FFFD}x\"]"),
            (r#"["\ud83d\ude00"]"#, r#"["\ud83d\ude00"]"#),
            (r#"["\ud83d\ud83d\ude00"]"#, "[\"\u{FFFD}\\ud83d\\ude00\"]"),
            (r#"["\ud83d\u0041"]"#, "[\"\u{FFFD}\\u0041\"]"),
            (r#"["\\u0000"]"#, r#"["\\u0000"]"#),
            (r#"["\\\u0000"]"#, "[\"\\\\\u{FFFD}\"]"),
            (r#"["\u00e9\n\"é"]"#, r#"["\u00e9\n\"é"]"#),
            (r#"["\ud8"]"#, r#"["\ud8"]"#),
            (r#"["\é"]"#, r#"["\é"]"#),
            ("\\", "\\"),
            ("\\u", "\\u"),
        ] {
            assert_eq!(clean(sent.as_bytes()), kept, "{sent}");
        }
        assert_eq!(clean(b"[\"\xff\"]"), "[\"\u{FFFD}\"]");
        assert_eq!(clean(b"[\"\xff\\ud800\"]"), "[\"\u{FFFD}\u{FFFD}\"]");
    }

    #[test]
    fn a_body_without_them_is_not_copied() {
        assert!(matches!(
            clean(br#"{"a":"\u003c\ud83d\ude00\\"}"#),
            Cow::Borrowed(_)
        ));
    }

    proptest! {
        /// Any string that was escaped unit by unit can be read afterwards, and holds no NUL.
        #[test]
        fn every_escaped_string_can_be_read(units in proptest::collection::vec(
            prop_oneof![Just(0_u16), 0xD7FE..=0xE001_u16, any::<u16>()], 0..20)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            let text = format!("\"{escaped}\"");
            let read: String = serde_json::from_str(&clean(text.as_bytes())).unwrap();
            prop_assert!(!read.contains('\0'));
            let expected: String = char::decode_utf16(units)
                .map(|c| match c { Ok('\0') | Err(_) => char::REPLACEMENT_CHARACTER, Ok(c) => c })
                .collect();
            prop_assert_eq!(read, expected);
        }

        /// Whatever the bytes are, nothing panics and a second pass changes nothing.
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(prop_oneof![
            Just(b'\\'), Just(b'u'), Just(b'0'), Just(b'd'), Just(b'8'), any::<u8>()], 0..60)) {
            let once = clean(&bytes).into_owned();
            prop_assert_eq!(clean(once.as_bytes()).into_owned(), once);
        }
    }
}
