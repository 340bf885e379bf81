//! Pictures of every view in every world at three sizes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{picture, press, world};
use crate::tui::app::{App, Message, Published, View};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

fn views() -> [View; 5] {
    [
        View::Overview,
        View::Pools,
        View::Workers,
        View::Jobs,
        View::Failures,
    ]
}

fn all(name: &str, make: fn() -> services::store::live::Live) {
    for (columns, rows) in SIZES {
        let mut told = String::new();
        for view in views() {
            let app = world::app(make(), view, (columns, rows));
            told.push_str(&format!("##### {}\n{}\n", view.title(), picture(&app)));
        }
        insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), told);
    }
}

#[test]
fn nothing_is_there() {
    all("nothing", world::nothing);
}

#[test]
fn normal_load() {
    all("normal", world::normal);
}

#[test]
fn an_outage() {
    all("outage", world::outage);
}

#[test]
fn ten_thousand_workers() {
    let app = world::app(world::many(), View::Workers, (120, 40));
    insta::assert_snapshot!("many_120x40", picture(&app));
}

#[test]
fn hostile_names() {
    all("hostile", world::hostile);
}

#[test]
fn what_stands_over_the_view() {
    let mut told = String::new();
    for (what, view, keys) in [
        ("help", View::Workers, "?"),
        ("help searched", View::Workers, "?sort"),
        ("filter", View::Workers, "/failed"),
        ("nothing passes", View::Workers, "/xyz<Enter>"),
        ("sort", View::Jobs, "s<Down>"),
        ("sorted", View::Jobs, "s<Down><Enter>"),
        ("commands", View::Overview, ":wo"),
        ("read only", View::Workers, "K"),
        ("board", View::Pools, "<Right><Enter>"),
        ("failure", View::Failures, "<Enter>"),
        ("trace", View::Trace, "i99"),
        ("held", View::Overview, "p"),
    ] {
        let mut app = world::app(world::normal(), view, (80, 24));
        press(&mut app, keys);
        told.push_str(&format!("##### {what}: {keys}\n{}\n", picture(&app)));
    }
    insta::assert_snapshot!("over_80x24", told);
}

#[test]
fn old_and_lost() {
    let now = Instant::now();
    let mut told = String::new();
    let mut app = world::app(world::normal(), View::Jobs, (80, 24));
    app.update(Message::Tick(now + Duration::from_secs(90)));
    told.push_str(&format!("##### not read for long\n{}\n", picture(&app)));

    let trouble = |snapshot: &Published| {
        Arc::new(Published {
            trouble: Some((
                "the database does not answer: connection refused".into(),
                now,
            )),
            ..snapshot.clone()
        })
    };
    let mut lost = world::app(world::normal(), View::Jobs, (80, 24));
    let published = trouble(&lost.data);
    lost.update(Message::Data(published));
    lost.update(Message::Tick(now + Duration::from_secs(12)));
    told.push_str(&format!("##### lost\n{}\n", picture(&lost)));

    let mut never = App::new(world::settings(), View::Overview, (80, 24));
    told.push_str(&format!("##### reading\n{}\n", picture(&never)));
    never.update(Message::Data(trouble(&Published::default())));
    never.update(Message::Tick(now + Duration::from_secs(3)));
    told.push_str(&format!("##### never read\n{}\n", picture(&never)));
    let small = world::app(world::normal(), View::Jobs, (30, 8));
    told.push_str(&format!("##### too small\n{}\n", picture(&small)));
    insta::assert_snapshot!("stale_80x24", told);
}
