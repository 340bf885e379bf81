//! What stands over the view: the line that is written, proposals, help, the choice of a column, a question.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::widgets::{Block, BorderType, Clear, Widget};
use tui_input::Input;

use crate::tui::app::{App, Overlay, Prompt, PromptKind};
use crate::tui::dialog::{Dialog, Field};
use crate::tui::keys;
use crate::tui::palette;
use crate::tui::text;
use crate::tui::theme::{SELECTED, Tone};
use crate::tui::widgets::put;

pub(super) fn draw(app: &App, body: Rect, bar: Rect, to: &mut Buffer) {
    match &app.overlay {
        Some(Overlay::Prompt(prompt)) => draw_prompt(prompt, body, bar, to),
        Some(Overlay::Help { input, first }) => help(app, input, *first, body, to),
        Some(Overlay::Sort { choice }) => sort(app, *choice, body, to),
        Some(Overlay::Dialog(dialog)) => question(dialog, body, to),
        None => {}
    }
}

/// A box in the middle of an area, with its edge drawn. Gives the room inside.
fn frame(area: Rect, width: u16, height: u16, title: &str, to: &mut Buffer) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(place, to);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .title(format!(" {title} "));
    let inside = block.inner(place);
    block.render(place, to);
    Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    }
}

/// The text that is being written, with a cursor in it. Its end stays in sight.
fn line(input: &Input, x: u16, y: u16, columns: u16, to: &mut Buffer) {
    let room = usize::from(columns.saturating_sub(1));
    let before: String = input.value().chars().take(input.cursor()).collect();
    let skipped = text::width(&before).saturating_sub(room);
    let mut passed = 0;
    let visible: String = input
        .value()
        .chars()
        .skip_while(|c| {
            let skip = passed < skipped;
            passed += text::width(&c.to_string());
            skip
        })
        .collect();
    put(to, x, y, columns, &visible, Tone::Plain.style());
    let at = u16::try_from(text::width(&before).saturating_sub(skipped)).unwrap_or(0);
    if let Some(cell) = to.cell_mut((x + at.min(columns.saturating_sub(1)), y)) {
        cell.modifier |= Modifier::REVERSED;
    }
}

fn draw_prompt(prompt: &Prompt, body: Rect, bar: Rect, to: &mut Buffer) {
    Clear.render(bar, to);
    let (label, hint) = match prompt.kind {
        PromptKind::Filter => ("/", "Enter keeps, Esc undoes; !word leaves out"),
        PromptKind::Command => (":", "Tab completes, ↑↓ choose, Enter does it"),
        PromptKind::Search => ("/", "Enter finds, n the next"),
        PromptKind::LookUp => (
            "look up: ",
            "a login, or an id of an account, installation or job",
        ),
    };
    let begin = put(to, bar.x + 1, bar.y, bar.width, label, Tone::Accent.style());
    let hint_columns = u16::try_from(text::width(hint)).unwrap_or(0);
    let room = bar.width.saturating_sub(begin + 2);
    let for_hint = if room > hint_columns + 22 {
        hint_columns + 2
    } else {
        0
    };
    line(&prompt.input, bar.x + 1 + begin, bar.y, room - for_hint, to);
    if for_hint > 0 {
        put(
            to,
            bar.right() - hint_columns - 1,
            bar.y,
            hint_columns,
            hint,
            Tone::Quiet.style(),
        );
    }
    if prompt.kind == PromptKind::Command {
        proposals(prompt, body, to);
    }
}

fn proposals(prompt: &Prompt, body: Rect, to: &mut Buffer) {
    let proposals = palette::proposals(prompt.input.value());
    let lines = u16::try_from(proposals.len())
        .unwrap_or(u16::MAX)
        .min(body.height.saturating_sub(2))
        .max(1);
    let place = Rect {
        y: body.bottom().saturating_sub(lines + 2),
        height: lines + 2,
        width: body.width.min(78),
        ..body
    };
    let inside = frame(place, place.width, place.height, "commands", to);
    if proposals.is_empty() {
        put(
            to,
            inside.x,
            inside.y,
            inside.width,
            "no command has these letters",
            Tone::Quiet.style(),
        );
    }
    for ((index, proposal), y) in proposals.iter().enumerate().zip(inside.y..inside.bottom()) {
        put(to, inside.x, y, 10, proposal.name, Tone::Strong.style());
        put(
            to,
            inside.x + 11,
            y,
            inside.width.saturating_sub(11),
            proposal.says,
            Tone::Quiet.style(),
        );
        if index == prompt.choice {
            to.set_style(
                Rect {
                    y,
                    height: 1,
                    ..inside
                },
                SELECTED,
            );
        }
    }
}

fn help(app: &App, input: &Input, first: usize, body: Rect, to: &mut Buffer) {
    let wanted = input.value().to_lowercase();
    let keys = keys::bindings(app);
    let mut seen = Vec::new();
    let fits = |key: &str, says: &str| {
        wanted.is_empty()
            || key.to_lowercase().contains(&wanted)
            || says.to_lowercase().contains(&wanted)
    };
    for binding in &keys {
        if fits(binding.key, binding.says) && !seen.iter().any(|(key, _, _)| *key == binding.key) {
            seen.push((binding.key, binding.says, binding.disabled));
        }
    }
    let height = u16::try_from(seen.len())
        .unwrap_or(u16::MAX)
        .saturating_add(5);
    let inside = frame(
        body,
        76,
        height.max(9),
        &format!("{}: keys", app.view.title()),
        to,
    );
    put(to, inside.x, inside.y, 8, "search:", Tone::Quiet.style());
    line(
        input,
        inside.x + 8,
        inside.y,
        inside.width.saturating_sub(8),
        to,
    );
    let list = Rect {
        y: inside.y + 1,
        height: inside.height.saturating_sub(2),
        ..inside
    };
    let first = first.min(seen.len().saturating_sub(usize::from(list.height)));
    for ((key, says, disabled), y) in seen.iter().skip(first).zip(list.y..list.bottom()) {
        put(to, list.x, y, 10, key, Tone::Accent.style());
        let used = put(
            to,
            list.x + 11,
            y,
            list.width.saturating_sub(11),
            says,
            Tone::Plain.style(),
        );
        if let Some(why) = disabled {
            let x = list.x + 11 + used + 1;
            put(
                to,
                x,
                y,
                list.right().saturating_sub(x),
                &format!("({why})"),
                Tone::Quiet.style(),
            );
        }
    }
    let shown = first + usize::from(list.height);
    let more = seen.len().saturating_sub(shown);
    let foot = if more > 0 {
        format!("↓ {more} more    logs: {}", app.settings.log_file)
    } else {
        format!("logs: {}", app.settings.log_file)
    };
    put(
        to,
        inside.x,
        inside.bottom().saturating_sub(1),
        inside.width,
        &foot,
        Tone::Quiet.style(),
    );
}

fn sort(app: &App, choice: usize, body: Rect, to: &mut Buffer) {
    let Some(columns) = app
        .list()
        .and_then(|list| app.grid(list))
        .map(|grid| grid.columns)
    else {
        return;
    };
    let height = u16::try_from(columns.len()).unwrap_or(0) + 3;
    let inside = frame(body, 34, height, "sort by", to);
    for ((index, column), y) in columns
        .iter()
        .enumerate()
        .zip(inside.y..inside.bottom().saturating_sub(1))
    {
        put(
            to,
            inside.x,
            y,
            inside.width,
            &column.name.to_lowercase(),
            Tone::Plain.style(),
        );
        if index == choice {
            to.set_style(
                Rect {
                    y,
                    height: 1,
                    ..inside
                },
                SELECTED,
            );
        }
    }
    let foot = "Enter: up, down, as it was";
    put(
        to,
        inside.x,
        inside.bottom().saturating_sub(1),
        inside.width,
        foot,
        Tone::Quiet.style(),
    );
}

fn question(dialog: &Dialog, body: Rect, to: &mut Buffer) {
    let title = format!(
        "{} {}?",
        dialog.act.word(),
        text::ends(&text::clean(&dialog.what.name()), 40)
    );
    let inside = frame(
        body,
        70,
        if dialog.hits.is_some() { 11 } else { 8 },
        &title,
        to,
    );
    let mut y = inside.y;
    let mut field = |of: Field, label: &str, input: Option<&Input>, to: &mut Buffer| {
        let style = if dialog.field == of {
            SELECTED
        } else {
            Tone::Plain.style()
        };
        let used = put(to, inside.x, y, inside.width, label, style);
        if let Some(input) = input {
            let x = inside.x + used + 1;
            let room = inside.right().saturating_sub(x);
            if dialog.field == of {
                line(input, x, y, room, to);
            } else {
                put(to, x, y, room, input.value(), Tone::Plain.style());
            }
        }
        y += 1;
    };
    field(Field::Cancel, "[ cancel ]", None, to);
    field(Field::Reason, "why:", Some(&dialog.reason), to);
    if let Some(hits) = &dialog.hits {
        field(Field::Name, &format!("{hits}; type its name:"), None, to);
        field(Field::Name, "name:", Some(&dialog.name), to);
    }
    let confirm = match dialog.missing() {
        Some(missing) => format!("[ {} ] {missing}", dialog.act.word()),
        None => format!("[ {} ] press y here", dialog.act.word()),
    };
    field(Field::Confirm, &confirm, None, to);
    let foot = "Tab goes on, Esc cancels; Enter never confirms";
    put(
        to,
        inside.x,
        inside.bottom().saturating_sub(1),
        inside.width,
        foot,
        Tone::Quiet.style(),
    );
}
