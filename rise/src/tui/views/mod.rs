//! The screen: a title, the view, the bar of keys; and what stands over them.

mod overlay;
mod overview;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

use super::app::{App, View};
use super::detail;
use super::keys;
use super::snapshot::{List, old};
use super::text;
use super::theme::{BANNER, SELECTED, Tone};
use super::widgets::{Table, put, put_lines, put_right, rows_in};

/// Below this nothing can be told.
const LEAST: (u16, u16) = (40, 10);
/// What is older than this many seconds is said to be old.
const OLD: u64 = 15;

/// Where the parts of the screen are.
struct Areas {
    title: Rect,
    tabs: Rect,
    banner: Rect,
    body: Rect,
    bar: Rect,
}

fn areas(app: &App) -> Areas {
    let all = Rect::new(0, 0, app.size.0, app.size.1);
    let banner = u16::from(banner(app).is_some());
    let [title, tabs, banner, body, bar] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(banner),
        Constraint::Fill(1),
        Constraint::Length(1),
    ])
    .areas(all);
    Areas {
        title,
        tabs,
        banner,
        body,
        bar,
    }
}

/// Where a list stands on the screen.
fn area_of(app: &App, list: List) -> Rect {
    let body = areas(app).body;
    let (upper, lower) = pools(app, body);
    match list {
        List::Demand => upper,
        List::Boards => lower,
        List::Trace => below_subject(body),
        List::Workers | List::Jobs | List::Failures => body,
    }
}

/// The boards have the room that they need, at most a little more than half of it.
fn pools(app: &App, body: Rect) -> (Rect, Rect) {
    let boards = app.grid(List::Boards).map_or(0, |grid| grid.rows.len());
    let wanted = u16::try_from(boards).unwrap_or(u16::MAX).saturating_add(2);
    let lower = wanted.min(body.height * 3 / 5).max(4);
    let [upper, gap, lower] = Layout::vertical([
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(lower),
    ])
    .areas(body);
    let _ = gap;
    (upper, lower)
}

/// The first lines of the trace say what it is of.
fn below_subject(body: Rect) -> Rect {
    Rect {
        y: body.y + 2.min(body.height),
        height: body.height.saturating_sub(2),
        ..body
    }
}

/// Lines for the rows of a list.
pub(super) fn lines_of(app: &App, list: List) -> u16 {
    rows_in(area_of(app, list))
}

/// Columns and lines for a detail's text.
pub(super) fn text_size(app: &App) -> (usize, usize) {
    let body = areas(app).body;
    (
        usize::from(body.width.saturating_sub(2)),
        usize::from(body.height.saturating_sub(1)),
    )
}

/// Which row stands at a place of the screen: its list, and its line in it.
pub(super) fn row_at(app: &App, x: u16, y: u16) -> Option<(List, usize)> {
    let lists: &[List] = match app.view {
        View::Overview => &[],
        View::Pools => &[List::Demand, List::Boards],
        View::Workers => &[List::Workers],
        View::Jobs => &[List::Jobs],
        View::Failures => &[List::Failures],
        View::Trace => &[List::Trace],
    };
    lists.iter().find_map(|list| {
        let area = area_of(app, *list);
        let head = area.height - rows_in(area);
        let inside = area.contains((x, y).into()) && y >= area.y + head;
        inside.then(|| (*list, usize::from(y - area.y - head)))
    })
}

/// Draws the whole screen.
pub(super) fn draw(app: &App, to: &mut Buffer) {
    to.reset();
    if app.size.0 < LEAST.0 || app.size.1 < LEAST.1 {
        put(
            to,
            0,
            0,
            app.size.0,
            "a larger terminal, please",
            Tone::Plain.style(),
        );
        return;
    }
    let areas = areas(app);
    title(app, areas.title, to);
    tabs(app, areas.tabs, to);
    if let Some(words) = banner(app) {
        to.set_style(areas.banner, BANNER);
        put(
            to,
            areas.banner.x + 1,
            areas.banner.y,
            areas.banner.width.saturating_sub(2),
            &words,
            BANNER,
        );
    }
    if app.detail.is_some() {
        draw_detail(app, areas.body, to);
    } else {
        view(app, areas.body, to);
    }
    bar(app, areas.bar, to);
    overlay::draw(app, areas.body, areas.bar, to);
}

fn title(app: &App, area: Rect, to: &mut Buffer) {
    let mut x = area.x + 1;
    x += put(to, x, area.y, area.width, "rise ", Tone::Strong.style());
    x += put(
        to,
        x,
        area.y,
        area.width,
        app.settings.environment,
        Tone::Accent.style(),
    );
    x += put(to, x, area.y, area.width, "  ", Tone::Plain.style());
    let (words, tone) = match app.snapshot() {
        None => ("reading …".to_owned(), Tone::Quiet),
        Some(snapshot) => match snapshot.unhealthy.as_slice() {
            [] => ("● healthy".to_owned(), Tone::Good),
            [one] => (format!("▲ {one}"), Tone::Bad),
            [first, rest @ ..] => (format!("▲ {first}, and {} more", rest.len()), Tone::Bad),
        },
    };
    let ages = ages(app);
    let taken = u16::try_from(text::width(&ages.0)).unwrap_or(0) + 2;
    put(
        to,
        x,
        area.y,
        area.right().saturating_sub(x + taken),
        &text::clean(&words),
        tone.style(),
    );
    put_right(
        to,
        Rect {
            width: area.width.saturating_sub(1),
            ..area
        },
        &ages.0,
        ages.1.style(),
    );
}

/// How old what is shown is, a source each.
fn ages(app: &App) -> (String, Tone) {
    let Some(age) = app.age() else {
        return (String::new(), Tone::Quiet);
    };
    let now = app.now();
    let mut parts = Vec::new();
    if app.is_held() {
        parts.push("held".to_owned());
    }
    let length = |seconds: u64| {
        crate::when::length(
            rise_model::Time::UNIX_EPOCH,
            rise_model::Time::UNIX_EPOCH
                + chrono::TimeDelta::seconds(i64::try_from(seconds).unwrap_or(i64::MAX / 1000)),
        )
    };
    parts.push(format!("tables {}", length(age.as_secs())));
    let mut stale = age.as_secs() >= OLD;
    if let Some(snapshot) = app.snapshot() {
        if let Some(scheduler) = &snapshot.live.overview.scheduler {
            parts.push(format!("scheduler {}", old(scheduler.at, now)));
        }
        if let Some(as_of) = snapshot.state.cluster_as_of {
            parts.push(format!("cluster {}", old(as_of, now)));
            stale |= (now - as_of).num_seconds() >= 60;
        }
    }
    let mut words = parts.join(" · ");
    if stale {
        words.insert_str(0, "stale: ");
    }
    (
        words,
        if stale || app.is_held() {
            Tone::Waiting
        } else {
            Tone::Quiet
        },
    )
}

/// What is wrong with the sources, over everything.
fn banner(app: &App) -> Option<String> {
    let (trouble, since) = app.data.trouble.as_ref()?;
    let seconds = app
        .clock
        .map(|now| now.saturating_duration_since(*since).as_secs())
        .unwrap_or_default();
    let shown = if app.snapshot().is_some() {
        "what is shown is old"
    } else {
        "nothing was read yet"
    };
    let trouble = text::clean(trouble);
    Some(format!("trying again for {seconds}s, {shown}: {trouble}"))
}

fn tabs(app: &App, area: Rect, to: &mut Buffer) {
    let mut x = area.x + 1;
    for (index, view) in View::ALL.into_iter().enumerate() {
        let words = format!("{} {}", index + 1, view.title());
        let style = if view == app.view {
            SELECTED
        } else {
            Tone::Quiet.style()
        };
        x += put(to, x, area.y, area.right().saturating_sub(x), &words, style) + 2;
    }
}

fn view(app: &App, body: Rect, to: &mut Buffer) {
    match app.view {
        View::Overview => overview::draw(app, body, to),
        View::Pools => {
            table(
                app,
                List::Demand,
                "Demand",
                "no job waits or runs, no worker is at work",
                to,
            );
            table(
                app,
                List::Boards,
                "Boards",
                "the scheduler has told of no board yet",
                to,
            );
        }
        View::Workers => table(app, List::Workers, "Workers", "there is no worker yet", to),
        View::Jobs => table(app, List::Jobs, "Jobs", "there is no job yet", to),
        View::Failures => {
            table(
                app,
                List::Failures,
                "Failures",
                "nothing failed in seven days",
                to,
            );
        }
        View::Trace => trace(app, body, to),
    }
}

fn table(app: &App, list: List, title: &str, empty: &str, to: &mut Buffer) {
    let area = area_of(app, list);
    let Some(grid) = app.grid(list) else {
        let words = if app.data.trouble.is_some() {
            ""
        } else {
            "reading …"
        };
        put(
            to,
            area.x + 1,
            area.y,
            area.width,
            words,
            Tone::Quiet.style(),
        );
        return;
    };
    Table {
        grid,
        cursor: app.cursor(list),
        title,
        rows_are: list.rows_are(),
        focused: app.list() == Some(list),
        now: app.now(),
        empty,
    }
    .draw(area, to);
}

fn trace(app: &App, body: Rect, to: &mut Buffer) {
    let room = body.width.saturating_sub(2);
    let (words, tone) = match (&app.asked_for, &app.trace_trouble, &app.traced) {
        (Some(asked), _, _) => (format!("looking up {asked} …"), Tone::Quiet),
        (None, Some(trouble), _) => (trouble.clone(), Tone::Bad),
        (None, None, Some(traced)) => (traced.subject.clone(), Tone::Strong),
        (None, None, None) => (
            "i looks up an account by login or id, an installation or a job by its id".to_owned(),
            Tone::Plain,
        ),
    };
    put(
        to,
        body.x + 1,
        body.y,
        room,
        &text::clean(&words),
        tone.style(),
    );
    if app.traced.is_some() {
        table(app, List::Trace, "Events", "nothing was logged", to);
    }
}

fn draw_detail(app: &App, body: Rect, to: &mut Buffer) {
    let Some(detail) = &app.detail else { return };
    let mut x = body.x + 1;
    let name = text::clean(&detail::name(&detail.subject));
    x += put(to, x, body.y, body.width / 2, &name, Tone::Strong.style()) + 2;
    if detail.tabs().len() > 1 {
        for tab in detail.tabs() {
            let style = if *tab == detail.tab {
                SELECTED
            } else {
                Tone::Quiet.style()
            };
            x += put(
                to,
                x,
                body.y,
                body.right().saturating_sub(x),
                tab.title(),
                style,
            ) + 2;
        }
    }
    if detail.tab == super::app::Tab::Log && detail.follow {
        x += put(
            to,
            x,
            body.y,
            body.right().saturating_sub(x),
            "following",
            Tone::Good.style(),
        ) + 2;
    }
    if !detail.search.is_empty() {
        let found = detail
            .lines
            .iter()
            .filter(|line| line.contains(&detail.search))
            .count();
        let words = format!("/{}: {found} lines", detail.search);
        put(
            to,
            x,
            body.y,
            body.right().saturating_sub(x + 10),
            &words,
            Tone::Accent.style(),
        );
    }
    let text = Rect {
        x: body.x + 1,
        y: body.y + 1,
        width: body.width.saturating_sub(2),
        height: body.height.saturating_sub(1),
    };
    let all = detail.lines.len();
    let last = (detail.first + usize::from(text.height)).min(all);
    if all > usize::from(text.height) {
        let place = format!("{}–{last}/{all} ", detail.first + 1);
        put_right(to, Rect { height: 1, ..body }, &place, Tone::Quiet.style());
    }
    put_lines(
        to,
        text,
        detail.lines.get(detail.first..last).unwrap_or_default(),
        &detail.search,
    );
}

fn bar(app: &App, area: Rect, to: &mut Buffer) {
    if let Some(note) = &app.note {
        put(
            to,
            area.x + 1,
            area.y,
            area.width.saturating_sub(2),
            &text::clean(note),
            Tone::Accent.style(),
        );
        return;
    }
    let keys = keys::bindings(app);
    let mut x = area.x + 1;
    let mut left_out = false;
    for binding in keys.iter().filter(|binding| !binding.word.is_empty()) {
        let wanted = text::width(binding.key) + 1 + text::width(binding.word);
        // Room for the mark that something is left out, and help is always there.
        if usize::from(area.right().saturating_sub(x)) < wanted + 12 && binding.key != "?" {
            left_out = true;
            continue;
        }
        let style = if binding.disabled.is_some() {
            Tone::Quiet.style()
        } else {
            Tone::Accent.style()
        };
        x += put(
            to,
            x,
            area.y,
            area.right().saturating_sub(x),
            binding.key,
            style,
        ) + 1;
        x += put(
            to,
            x,
            area.y,
            area.right().saturating_sub(x),
            binding.word,
            Tone::Quiet.style(),
        ) + 2;
    }
    if left_out {
        put(
            to,
            x,
            area.y,
            area.right().saturating_sub(x),
            "…",
            Tone::Quiet.style(),
        );
    }
}
