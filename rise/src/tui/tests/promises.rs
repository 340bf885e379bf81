//! What holds whatever is pressed and whatever comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use proptest::prelude::*;
use services::store::live::Live;

use super::{press, text, world};
use crate::tui::app::{Acting, App, Effect, Message, Settings, View};
use crate::tui::ask::Request;
use crate::tui::dialog::{Dialog, Object, Step};
use crate::tui::grid::Id;
use crate::tui::keys::Act;
use crate::tui::screen::Screen;
use crate::tui::snapshot::List;

fn selected(app: &App) -> Option<&Id> {
    app.cursor(app.list()?).selected.as_ref()
}

fn name(number: i64) -> Id {
    Id::Worker(format!("rise-riscv-runner-staging-{number:09}"))
}

#[test]
fn the_cursor_follows_its_row() {
    let mut live = world::normal();
    let mut app = world::app(live.clone(), View::Workers, (80, 24));
    press(&mut app, "<Down><Down><Down>");
    assert_eq!(selected(&app), Some(&name(3)));
    press(&mut app, "ss");
    assert_eq!(selected(&app), Some(&name(3)), "sorted");
    live.workers.insert(0, world::worker(77, "pending"));
    app.update(Message::Data(world::published(
        live.clone(),
        Instant::now(),
    )));
    assert_eq!(selected(&app), Some(&name(3)), "a row came");
    live.workers
        .retain(|worker| !worker.pod_name.ends_with("000003"));
    app.update(Message::Data(world::published(live, Instant::now())));
    assert!(
        matches!(selected(&app), Some(Id::Worker(_))),
        "on a neighbour: {:?}",
        selected(&app)
    );
    assert_ne!(selected(&app), Some(&name(3)));
}

#[test]
fn a_cursor_that_nobody_moved_stays_at_the_top() {
    let mut live = world::normal();
    let mut app = world::app(live.clone(), View::Workers, (80, 24));
    live.workers.insert(0, world::worker(77, "pending"));
    app.update(Message::Data(world::published(live, Instant::now())));
    assert_eq!(selected(&app), Some(&name(77)));
}

#[test]
fn when_rows_come_and_the_selected_goes_its_neighbour_is_next() {
    let mut live = world::normal();
    let mut app = world::app(live.clone(), View::Workers, (80, 24));
    press(&mut app, "<Down><Down>");
    assert_eq!(selected(&app), Some(&name(2)));
    live.workers
        .retain(|worker| !worker.pod_name.ends_with("000002"));
    for number in 100..110 {
        live.workers.insert(0, world::worker(number, "pending"));
    }
    app.update(Message::Data(world::published(live, Instant::now())));
    assert_eq!(selected(&app), Some(&name(3)));
}

#[test]
fn escape_clears_the_filter_before_it_leaves() {
    let mut app = world::app(world::normal(), View::Workers, (80, 24));
    press(&mut app, "/!completed<Enter>");
    assert_eq!(app.cursor(List::Workers).len(), 5);
    press(&mut app, "<Esc>");
    assert_eq!(app.cursor(List::Workers).len(), 13);
    assert_eq!(app.view, View::Workers);
    press(&mut app, "q");
    assert_eq!(app.view, View::Overview);
    assert_eq!(press(&mut app, "q"), [Effect::Quit]);
}

#[test]
fn control_c_quits_from_everywhere() {
    for keys in ["", "/abc", ":", "?", "2<Enter>", "3<Enter>/x"] {
        let mut app = world::app(world::normal(), View::Workers, (80, 24));
        press(&mut app, keys);
        assert_eq!(press(&mut app, "<Ctrl-C>"), [Effect::Quit], "{keys}");
    }
}

#[test]
fn a_jump_leads_from_the_worker_to_its_job_and_its_account() {
    let mut app = world::app(world::normal(), View::Workers, (80, 24));
    press(&mut app, "<Down>j");
    assert_eq!(app.view, View::Jobs);
    assert_eq!(selected(&app), Some(&Id::Job(43_718_000_001)));
    assert_eq!(
        press(&mut app, "j"),
        [Effect::Ask(Request::Trace("99".into()))]
    );
    assert_eq!(app.view, View::Trace);
    press(&mut app, "-");
    assert_eq!(app.view, View::Jobs);
}

#[test]
fn held_pictures_do_not_change() {
    let mut app = world::app(world::normal(), View::Workers, (80, 24));
    press(&mut app, "p");
    let before = text(&app);
    app.update(Message::Data(world::published(
        world::nothing(),
        Instant::now(),
    )));
    assert!(text(&app).contains("running"), "{}", text(&app));
    press(&mut app, "p");
    assert!(
        text(&app).contains("there is no worker yet"),
        "{}",
        text(&app)
    );
    assert!(before.contains("held"));
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let mut app = world::app(world::normal(), View::Overview, (120, 40));
    let mut screen = Screen::new(120, 40);
    assert!(!screen.frame(&app).unwrap().is_empty());
    assert!(screen.frame(&app).unwrap().is_empty());
    let again = Arc::clone(&app.data);
    app.update(Message::Data(again));
    assert!(screen.frame(&app).unwrap().is_empty());
}

#[test]
fn each_frame_is_one_synchronised_piece() {
    let app = world::app(world::normal(), View::Overview, (120, 40));
    let bytes = Screen::new(120, 40).frame(&app).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("\u{1b}[?2026h") && text.ends_with("\u{1b}[?2026l"));
    assert_eq!(text.matches("\u{1b}[?2026h").count(), 1);
}

fn allowed(live: Live, view: View) -> App {
    let now = Instant::now();
    let settings = Settings {
        acting: Acting::Allowed,
        ..world::settings()
    };
    let mut app = App::new(settings, view, (80, 24));
    app.update(Message::Tick(now));
    app.update(Message::Data(world::published(live, now)));
    app
}

fn type_into(dialog: &mut Dialog, keys: &[KeyCode]) -> Vec<Step> {
    keys.iter()
        .map(|code| dialog.key(KeyEvent::new(*code, KeyModifiers::NONE)))
        .collect()
}

#[test]
fn enter_never_confirms() {
    let mut app = allowed(world::normal(), View::Workers);
    press(&mut app, "<Down>");
    let mut dialog = Dialog::open(&app, Act::KillWorker).unwrap();
    assert_eq!(
        dialog.what,
        Object::Worker("rise-riscv-runner-staging-000000001".into())
    );
    assert!(
        dialog.hits.as_deref().unwrap().contains("43718000001"),
        "a busy worker asks for its name"
    );
    let steps = type_into(&mut dialog, &[KeyCode::Enter]);
    assert!(matches!(steps[..], [Step::Cancel]), "cancel is the default");
    let mut keys = vec![KeyCode::Tab, KeyCode::Char('w'), KeyCode::Tab];
    keys.extend(
        "rise-riscv-runner-staging-000000001"
            .chars()
            .map(KeyCode::Char),
    );
    keys.extend([KeyCode::Enter, KeyCode::Enter, KeyCode::Enter]);
    assert!(
        type_into(&mut dialog, &keys)
            .iter()
            .all(|step| matches!(step, Step::Stay))
    );
    let held =
        KeyEvent::new_with_kind(KeyCode::Char('y'), KeyModifiers::NONE, KeyEventKind::Repeat);
    assert!(
        matches!(dialog.key(held), Step::Stay),
        "a held key does not confirm"
    );
    let step = dialog.key(KeyEvent::new(KeyCode::Char('y'), KeyModifiers::NONE));
    assert!(matches!(step, Step::Act(order) if order.reason == "w"));
}

#[test]
fn without_a_reason_or_the_name_nothing_is_done() {
    let mut app = allowed(world::normal(), View::Workers);
    press(&mut app, "<Down>");
    let mut dialog = Dialog::open(&app, Act::KillWorker).unwrap();
    let keys = [KeyCode::Tab, KeyCode::Tab, KeyCode::Tab, KeyCode::Char('y')];
    assert!(
        type_into(&mut dialog, &keys)
            .iter()
            .all(|step| matches!(step, Step::Stay))
    );
    assert_eq!(dialog.missing(), Some("say why"));
}

#[test]
fn wide_names_keep_the_columns() {
    let app = world::app(world::hostile(), View::Jobs, (120, 40));
    let buffer = super::drawn(&app);
    let first = (0..120)
        .find(|x| buffer.cell((*x, 3)).unwrap().symbol() == "R")
        .unwrap();
    for y in 4..10 {
        let cell = buffer.cell((first - 1, y)).unwrap().symbol();
        assert_eq!(cell, " ", "the column before REPOSITORY in line {y}");
    }
    assert!(!text(&app).chars().any(|c| c.is_control() && c != '\n'));
}

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let code = prop_oneof![
        6 => proptest::char::range(' ', '~').prop_map(KeyCode::Char),
        1 => any::<char>().prop_map(KeyCode::Char),
        6 => proptest::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Tab,
            KeyCode::BackTab, KeyCode::PageUp, KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Backspace,
            KeyCode::Delete, KeyCode::F(1), KeyCode::Null,
        ]),
    ];
    let modifiers = prop_oneof![
        8 => Just(KeyModifiers::NONE),
        1 => Just(KeyModifiers::CONTROL),
        1 => Just(KeyModifiers::ALT),
        1 => Just(KeyModifiers::SHIFT),
    ];
    (code, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

#[derive(Debug, Clone)]
enum Happens {
    Key(KeyEvent),
    World(u8),
    Size(u16, u16),
    Later(u64),
    Paste(String),
}

fn anything() -> impl Strategy<Value = Happens> {
    prop_oneof![
        12 => any_key().prop_map(Happens::Key),
        2 => (0u8..4).prop_map(Happens::World),
        1 => (1u16..220, 1u16..70).prop_map(|(columns, rows)| Happens::Size(columns, rows)),
        1 => (0u64..100_000).prop_map(Happens::Later),
        1 => any::<String>().prop_map(Happens::Paste),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_is_pressed_breaks_it(happens in proptest::collection::vec(anything(), 1..60)) {
        let mut app = allowed(world::normal(), View::Overview);
        let mut clock = Instant::now();
        for one in happens {
            let message = match one {
                Happens::Key(key) => Message::Key(key),
                Happens::World(0) => Message::Data(world::published(world::nothing(), clock)),
                Happens::World(1) => Message::Data(world::published(world::hostile(), clock)),
                Happens::World(2) => Message::Data(world::published(world::outage(), clock)),
                Happens::World(_) => Message::Data(world::published(world::normal(), clock)),
                Happens::Size(columns, rows) => Message::Resize(columns, rows),
                Happens::Later(milliseconds) => {
                    clock += Duration::from_millis(milliseconds);
                    Message::Tick(clock)
                }
                Happens::Paste(text) => Message::Paste(text),
            };
            app.update(message);
            super::drawn(&app);
            for list in List::ALL {
                let cursor = app.cursor(list);
                let Some(grid) = app.grid(list) else { continue };
                let Some(selected) = &cursor.selected else {
                    prop_assert_eq!(cursor.len(), 0);
                    continue;
                };
                let lines = app.lines(list);
                let on_screen = cursor.visible(grid, lines).any(|row| row.id == *selected);
                prop_assert!(on_screen || lines == 0, "{:?} of {:?} is not on the screen", selected, list);
            }
        }
    }
}
