//! Strangers' words, fit to be shown: what would steer a terminal or turn the reading direction is made visible, so that
//! a name, a label or a log cannot pretend to be something else. Escaping for HTML is the template's work.

use std::fmt;

/// A text that was made fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shown(String);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Shown {
    /// One line: line ends are made visible too.
    pub(super) fn line(text: &str) -> Self {
        let mut shown = String::with_capacity(text.len());
        for letter in text.chars() {
            push(&mut shown, letter);
        }
        Self(shown)
    }

    /// Several lines, without the colours of terminals.
    pub(super) fn lines(text: &str) -> Self {
        let text = text.replace("\r\n", "\n");
        let mut shown = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(letter) = rest.chars().next() {
            if let Some(after) = after_colour(rest) {
                rest = after;
                continue;
            }
            match letter {
                '\n' | '\t' => shown.push(letter),
                _ => push(&mut shown, letter),
            }
            rest = &rest[letter.len_utf8()..];
        }
        Self(shown)
    }

    /// The end of it, in whole lines of at most so many bytes, and whether something was left out.
    pub(super) fn tail(text: &str, bytes: usize) -> (Self, bool) {
        if text.len() <= bytes {
            return (Self::lines(text), false);
        }
        let cut = (text.len() - bytes..=text.len()).find(|at| text.is_char_boundary(*at));
        let end = &text[cut.unwrap_or(0)..];
        let whole = end.split_once('\n').map_or(end, |(_, whole)| whole);
        (Self::lines(whole), true)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What stands behind `ESC [ 1 ; 31 m`.
fn after_colour(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let parameters = rest.find(|letter: char| !matches!(letter, '0'..='9' | ';' | ':'))?;
    rest[parameters..].strip_prefix(['m', 'K'])
}

fn push(shown: &mut String, letter: char) {
    match letter {
        // The block of pictures of control characters has their order.
        '\0'..='\u{1f}' => shown.extend(char::from_u32(0x2400 + u32::from(letter))),
        '\u{7f}' => shown.push('\u{2421}'),
        '\u{80}'..='\u{9f}' => shown.push('\u{fffd}'),
        // Line and paragraph separators; marks, embeddings, overrides and isolates of direction; widthless letters.
        '\u{2028}'
        | '\u{2029}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{200b}'
        | '\u{2060}'
        | '\u{feff}'
        | '\u{00ad}'
        | '\u{e0000}'..='\u{e007f}' => {
            shown.push_str(&format!("\u{27e8}U+{:04X}\u{27e9}", u32::from(letter)));
        }
        _ => shown.push(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_made_visible() {
        let cases = [
            ("plain, ünïcode, 日本", "plain, ünïcode, 日本"),
            ("a\0b\n\u{7f}\u{9b}", "a␀b␊␡\u{fffd}"),
            ("\u{202e}gpj.exe", "⟨U+202E⟩gpj.exe"),
            ("a\u{2028}b\u{feff}", "a⟨U+2028⟩b⟨U+FEFF⟩"),
            ("\u{1b}[31mred", "␛[31mred"),
        ];
        for (text, expected) in cases {
            assert_eq!(Shown::line(text).0.as_str(), expected, "{text:?}");
        }
    }

    #[test]
    fn logs_keep_their_lines_and_lose_their_colours() {
        let log = "\u{1b}[1;31mError\u{1b}[0m: x\r\n\tline 2\u{1b}]0;title\u{7}\n\u{1b}[2J";
        assert_eq!(
            Shown::lines(log).0.as_str(),
            "Error: x\n\tline 2␛]0;title␇\n␛[2J"
        );
    }

    #[test]
    fn the_end_of_a_long_text_is_whole_lines() {
        assert_eq!(Shown::tail("a\nb", 10), (Shown::line("a").join("b"), false));
        let (end, cut) = Shown::tail("first\nsecond\nthird", 8);
        assert_eq!((end.0.as_str(), cut), ("third", true));
        let (end, cut) = Shown::tail("äääää", 3);
        assert_eq!((end.0.as_str(), cut), ("ä", true));
    }

    impl Shown {
        fn join(self, line: &str) -> Self {
            Self(format!("{}\n{line}", self.0))
        }
    }
}
