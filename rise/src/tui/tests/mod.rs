//! The screen: pictures of it, and what it promises whatever is pressed.

mod frames;
mod promises;
mod world;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::app::{App, Effect, Message};
use super::views;

/// Presses keys: letters as they are, others by name in angle brackets.
fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let (code, modifiers, after) = match named {
            Some(("Ctrl-C", after)) => (KeyCode::Char('c'), KeyModifiers::CONTROL, after),
            Some((name, after)) => (by_name(name), KeyModifiers::NONE, after),
            None => (KeyCode::Char(c), KeyModifiers::NONE, &rest[c.len_utf8()..]),
        };
        rest = after;
        effects.extend(app.update(Message::Key(KeyEvent::new(code, modifiers))));
    }
    effects
}

fn by_name(name: &str) -> KeyCode {
    match name {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Tab" => KeyCode::Tab,
        "End" => KeyCode::End,
        "PgDn" => KeyCode::PageDown,
        other => panic!("no key is called {other}"),
    }
}

fn drawn(app: &App) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, app.size.0, app.size.1));
    views::draw(app, &mut buffer);
    buffer
}

fn text(app: &App) -> String {
    super::once::lines_of(&drawn(app)).join("\n")
}

/// The text, and beside it which style each column has: a letter a style, a dot where there is none.
fn picture(app: &App) -> String {
    let buffer = drawn(app);
    let mut styles: Vec<String> = Vec::new();
    let mut told = Vec::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width)
            .map(|x| {
                let style = buffer.cell((x, y)).unwrap().style();
                let name = format!("{:?} on {:?} {:?}", style.fg, style.bg, style.add_modifier);
                if name == "Some(Reset) on Some(Reset) NONE" {
                    return '.';
                }
                let at = styles
                    .iter()
                    .position(|known| *known == name)
                    .unwrap_or_else(|| {
                        styles.push(name);
                        styles.len() - 1
                    });
                char::from(b'a' + u8::try_from(at).unwrap())
            })
            .collect();
        told.push(line.trim_end_matches('.').to_owned());
    }
    let legend: Vec<String> = styles
        .iter()
        .enumerate()
        .map(|(at, name)| {
            format!(
                "{} {}",
                char::from(b'a' + u8::try_from(at).unwrap()),
                name.replace("Some(", "").replace(')', "")
            )
        })
        .collect();
    format!(
        "{}\n=== styles\n{}\n{}",
        super::once::lines_of(&buffer).join("\n"),
        told.join("\n"),
        legend.join("\n")
    )
}
