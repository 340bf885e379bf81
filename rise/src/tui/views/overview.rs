//! Everything on one screen; what is wrong stands first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rise_model::Time;
use rise_model::waiting::explain;

use crate::commands::status::{BOARD_STATES, PoolLine};
use crate::tui::app::App;
use crate::tui::document::{Document, Line};
use crate::tui::snapshot::Snapshot;
use crate::tui::text;
use crate::tui::theme::Tone;
use crate::tui::widgets::{put, put_lines, spark};
use crate::when;

pub(super) fn draw(app: &App, body: Rect, to: &mut Buffer) {
    let area = Rect {
        x: body.x + 1,
        width: body.width.saturating_sub(2),
        ..body
    };
    let Some(snapshot) = app.snapshot() else {
        let words = if app.data.trouble.is_some() {
            ""
        } else {
            "reading …"
        };
        put(to, area.x, area.y, area.width, words, Tone::Quiet.style());
        return;
    };
    let lines = lines(
        snapshot,
        app.now(),
        usize::from(area.width),
        usize::from(area.height),
    );
    put_lines(to, area, &lines, "");
}

fn lines(snapshot: &Snapshot, now: Time, columns: usize, rows: usize) -> Vec<Line> {
    let mut document = Document::new(columns, false);
    let to = &mut document;
    health(to, snapshot, now);
    to.heading("Pools");
    for pool in &snapshot.pools {
        self::pool(to, pool);
    }
    hour(to, snapshot);
    let fixed = document.finish();
    // Two headings with a line above each; the rest is shared.
    let left = rows.saturating_sub(fixed.len() + 4);
    let waiting = waiting(snapshot, now, columns);
    let failures = failures(snapshot, now, columns);
    let for_waiting = waiting
        .len()
        .min(left.saturating_sub(failures.len().min(left / 2)));
    let for_failures = left.saturating_sub(for_waiting);
    let mut lines = fixed;
    let mut part = |heading: String, body: Vec<Line>, room: usize| {
        let mut document = Document::new(columns, false);
        document.heading(&heading);
        lines.push(Line::default());
        lines.extend(document.finish());
        lines.extend(shortened(body, room));
    };
    let count = snapshot
        .live
        .jobs
        .iter()
        .filter(|job| job.status == "pending")
        .count();
    part(format!("Waiting longest, of {count}"), waiting, for_waiting);
    part(
        "Failures, the latest first".to_owned(),
        failures,
        for_failures,
    );
    lines
}

/// What does not fit is said to be there.
fn shortened(mut lines: Vec<Line>, room: usize) -> Vec<Line> {
    if lines.len() > room && room > 0 {
        let more = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(Line {
            spans: vec![(format!("  … {more} more"), Tone::Quiet)],
        });
    } else {
        lines.truncate(room);
    }
    lines
}

fn health(to: &mut Document, snapshot: &Snapshot, now: Time) {
    for reason in snapshot.unhealthy.iter().take(6) {
        to.parts(vec![
            ("▲ ".to_owned(), Tone::Bad),
            (text::clean(reason), Tone::Bad),
        ]);
    }
    if snapshot.unhealthy.is_empty() {
        to.parts(vec![("● all is well".to_owned(), Tone::Good)]);
    }
    let Some(row) = &snapshot.live.overview.scheduler else {
        return;
    };
    let mut words = vec![
        format!("epoch {}", row.epoch),
        format!("round {}", row.round),
    ];
    if let Some(effects) = snapshot.state.effects_in_flight {
        words.push(format!("{effects} effects in flight"));
    }
    if let Some(good) = snapshot.state.last_good_round_at {
        words.push(format!("last good round {}", when::ago(good, now)));
    }
    if let Some(version) = &snapshot.state.version {
        words.push(format!("version {}", text::clean(version)));
    }
    to.parts(vec![
        ("  scheduler  ".to_owned(), Tone::Quiet),
        (words.join(" · "), Tone::Plain),
    ]);
    for breaker in &snapshot.state.breakers {
        to.parts(vec![
            ("  not called ".to_owned(), Tone::Quiet),
            (format!("{} ", text::clean(&breaker.party)), Tone::Bad),
            (
                format!(
                    "{} for {}: {}",
                    text::clean(&breaker.trouble),
                    when::length(breaker.since, now),
                    text::clean(&breaker.message)
                ),
                Tone::Quiet,
            ),
        ]);
    }
}

/// One character a board, or a part of them where there are many; each state has a sign of its own.
fn sign(state: &str) -> char {
    match state {
        "busy" => '█',
        "starting" => '▓',
        "idle" => '▒',
        "free" => '░',
        "cordoned" => '-',
        "quarantined" => 'q',
        "lost" => 'x',
        _ => '?',
    }
}

fn pool(to: &mut Document, pool: &PoolLine) {
    /// Of a gauge.
    const WIDEST: usize = 30;
    let total: usize = pool.boards.values().sum();
    let mut order = vec![
        "busy",
        "starting",
        "idle",
        "free",
        "cordoned",
        "quarantined",
        "lost",
    ];
    order.extend(
        pool.boards
            .keys()
            .map(String::as_str)
            .filter(|state| !BOARD_STATES.contains(state)),
    );
    let mut parts = vec![(
        format!("  {:<20} ", text::ends(&text::clean(&pool.name), 20)),
        Tone::Plain,
    )];
    let mut counts = Vec::new();
    let mut drawn = 0;
    for state in order {
        let Some(count) = pool.boards.get(state).copied().filter(|count| *count > 0) else {
            continue;
        };
        // At least one sign: what there is must be seen.
        let signs = if total <= WIDEST {
            count
        } else {
            (count * WIDEST / total).max(1)
        };
        drawn += signs;
        parts.push((sign(state).to_string().repeat(signs), Tone::of_board(state)));
        counts.push(format!("{count} {}", text::clean(state)));
    }
    let place = if to.columns() >= 110 { WIDEST + 7 } else { 12 };
    parts.push((" ".repeat(place.saturating_sub(drawn) + 1), Tone::Plain));
    let waiting = if pool.jobs_waiting > 0 {
        Tone::Waiting
    } else {
        Tone::Quiet
    };
    parts.push((format!("{:>4} wait ", pool.jobs_waiting), waiting));
    parts.push((format!("{:>4} run  ", pool.jobs_running), Tone::Plain));
    let boards = if counts.is_empty() {
        "no board is known".to_owned()
    } else {
        counts.join(", ")
    };
    parts.push((boards, Tone::Quiet));
    to.parts(parts);
}

fn hour(to: &mut Document, snapshot: &Snapshot) {
    let Some(hour) = &snapshot.hour else { return };
    to.heading("The last hour, a column a minute");
    let room = to.columns().saturating_sub(20).min(60);
    let skipped = hour.minutes.len().saturating_sub(room);
    for (name, tone, of) in [
        (
            "jobs waiting",
            Tone::Waiting,
            (|minute| minute.waiting) as fn(&services::store::live::Minute) -> i64,
        ),
        ("jobs running", Tone::Busy, |minute| minute.running),
    ] {
        let numbers: Vec<i64> = hour.minutes.iter().skip(skipped).map(of).collect();
        let most = numbers.iter().copied().max().unwrap_or(0);
        to.parts(vec![
            (format!("  {name} "), Tone::Quiet),
            (spark(&numbers, most), tone),
            (format!(" {most}"), Tone::Quiet),
        ]);
    }
    let length = |seconds: Option<f64>| match seconds {
        None => "–".to_owned(),
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a day fit")]
        Some(seconds) => when::length(
            Time::UNIX_EPOCH,
            Time::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds.round() as i64),
        ),
    };
    to.parts(vec![
        ("  time in queue".to_owned(), Tone::Quiet),
        (format!(" p50 {}", length(hour.queue.p50)), Tone::Plain),
        (format!(" · p95 {}", length(hour.queue.p95)), Tone::Plain),
        (
            format!("   of {} jobs that began", hour.queue.jobs),
            Tone::Quiet,
        ),
    ]);
}

fn waiting(snapshot: &Snapshot, now: Time, columns: usize) -> Vec<Line> {
    let mut jobs: Vec<_> = snapshot
        .live
        .jobs
        .iter()
        .filter(|job| job.status == "pending")
        .collect();
    jobs.sort_by_key(|job| (job.queued_at, job.job_id));
    let mut document = Document::new(columns, false);
    let repository = if columns >= 110 { 40 } else { 26 };
    for job in jobs.into_iter().take(100) {
        let why = job
            .waiting_reason
            .as_deref()
            .map_or_else(|| "no reason is known yet".to_owned(), explain);
        let name = text::ends(&text::clean(&job.repo_full_name), repository);
        let gap = " ".repeat(repository - text::width(&name));
        document.parts(vec![
            (
                format!("  {:>7}  ", when::length(job.queued_at, now)),
                Tone::Waiting,
            ),
            (format!("{}{gap}  ", name), Tone::Plain),
            (text::clean(&why), Tone::Quiet),
        ]);
    }
    let mut lines = document.finish();
    if lines.is_empty() {
        lines.push(Line {
            spans: vec![("  no job waits".to_owned(), Tone::Quiet)],
        });
    }
    lines
}

fn failures(snapshot: &Snapshot, now: Time, columns: usize) -> Vec<Line> {
    let mut document = Document::new(columns, false);
    for group in &snapshot.live.failures {
        document.parts(vec![
            (
                format!("  {:>7}  ", when::length(group.last, now)),
                Tone::Quiet,
            ),
            (
                format!("{:>4} {:<8}", group.count, format!("{}s", group.kind)),
                Tone::Plain,
            ),
            (
                format!("{:<24} ", text::head(&text::clean(&group.reason), 24)),
                Tone::Bad,
            ),
            (text::clean(&group.message), Tone::Quiet),
        ]);
    }
    let mut lines = document.finish();
    if lines.is_empty() {
        lines.push(Line {
            spans: vec![("  nothing failed in seven days".to_owned(), Tone::Quiet)],
        });
    }
    lines
}
