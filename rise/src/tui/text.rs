//! Text as a terminal shows it: without what could move the cursor or turn the line around, cut to a width with a mark.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Stands for what was cut.
const MARK: char = '…';
/// Columns of a tab.
const TAB: &str = "    ";

/// A stranger's text on one line: escape sequences, control and formatting characters go.
pub(super) fn clean(text: &str) -> String {
    let plain: std::borrow::Cow<'_, str> = if text.contains('\u{1b}') || text.contains('\u{9b}') {
        anstream::adapter::strip_str(text).to_string().into()
    } else {
        text.into()
    };
    let mut clean = String::with_capacity(plain.len());
    for c in plain.chars() {
        match c {
            '\t' => clean.push_str(TAB),
            '\r' | '\n' => clean.push(' '),
            c if c.is_control() || is_formatting(c) => {}
            c => clean.push(c),
        }
    }
    clean
}

/// Characters without a picture of their own that turn, hide or join what is beside them.
fn is_formatting(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.graphemes(true).map(UnicodeWidthStr::width).sum()
    }
}

/// The beginning of a text, with a mark where something is missing.
pub(super) fn head(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = take(text.graphemes(true), columns.saturating_sub(1)).concat();
    if columns > 0 {
        kept.push(MARK);
    }
    kept
}

/// Both ends of a text: names differ at their ends.
pub(super) fn ends(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns < 6 {
        return head(text, columns);
    }
    let tail_columns = columns.saturating_sub(1).div_ceil(2);
    let head = take(text.graphemes(true), columns - 1 - tail_columns).concat();
    let mut tail = take(text.graphemes(true).rev(), tail_columns);
    tail.reverse();
    format!("{head}{MARK}{}", tail.concat())
}

fn take<'a>(graphemes: impl Iterator<Item = &'a str>, columns: usize) -> Vec<&'a str> {
    let mut left = columns;
    graphemes
        .map_while(|grapheme| {
            left = left.checked_sub(grapheme.width())?;
            Some(grapheme)
        })
        .collect()
}

/// A cluster of marks may be wider than a whole line; such a one is shown character by character.
fn pieces(grapheme: &str, columns: usize) -> Vec<&str> {
    if grapheme.width() <= columns {
        return vec![grapheme];
    }
    grapheme.split_inclusive(|_: char| true).collect()
}

/// A text in lines of at most so many columns, broken between words where that can be.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    if width(text) <= columns {
        return vec![text.to_owned()];
    }
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split_word_bounds() {
        let wide = width(word);
        if used + wide <= columns {
            line.push_str(word);
            used += wide;
            continue;
        }
        if used > 0 {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if word.trim().is_empty() {
            continue;
        }
        for grapheme in word.graphemes(true).flat_map(|it| pieces(it, columns)) {
            let wide = grapheme.width();
            if used + wide > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(grapheme);
            used += wide;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_move_the_cursor_goes() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\u{7}"), "red");
        assert_eq!(clean("\u{1b}]0;title\u{7}x"), "x");
        assert_eq!(clean("a\tb\nc\u{202e}d\u{200b}e"), "a    b cde");
        assert_eq!(clean("größe 漢字 שלום"), "größe 漢字 שלום");
    }

    #[test]
    fn what_is_cut_has_a_mark() {
        assert_eq!(head("abcdef", 4), "abc…");
        assert_eq!(head("abcdef", 6), "abcdef");
        assert_eq!(head("漢字漢字", 4), "漢…");
        assert_eq!(
            ends("rise-riscv-runner-staging-5qwa9wv6l", 20),
            "rise-risc…-5qwa9wv6l"
        );
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn a_cluster_that_is_wider_than_a_line_is_shown_in_pieces() {
        let text = " \u{b47}\u{bc6}";
        assert!(width(text) > 2);
        for line in wrap(text, 0) {
            assert!(width(&line) <= 2, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_place(text in any::<String>(), columns in 0usize..40) {
            let text = clean(&text);
            prop_assert!(!text.chars().any(char::is_control));
            prop_assert!(width(&head(&text, columns)) <= columns);
            prop_assert!(width(&ends(&text, columns)) <= columns);
            for line in wrap(&text, columns) {
                prop_assert!(width(&line) <= columns.max(2));
            }
        }
    }
}
