//! `rise tui`: everything on one screen that stays open.
//!
//! Messages go in (keys, data, time), the state changes, effects come out, and what changed on the screen is written. The
//! state is pure (`app`); data comes from tasks of their own (`data`); the terminal is given back whatever happens
//! (`guard`).

mod app;
mod ask;
mod data;
mod detail;
mod dialog;
mod document;
mod export;
mod grid;
mod guard;
mod keys;
mod once;
mod palette;
mod screen;
mod snapshot;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod trace;
mod views;
mod widgets;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{Event, EventStream};
use crossterm::queue;
use futures::StreamExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub(crate) use app::{Acting, Settings, View};
pub(crate) use data::Source;
pub(crate) use detail::{Told, job_told, worker_told};
pub(crate) use once::once;
pub(crate) use snapshot::Known;

use app::{App, Effect, Message};
use guard::Guard;
use screen::Screen;

use crate::exit::{Exit, Failure};

/// Ages are brought up to date this often.
const TICK: Duration = Duration::from_secs(1);

/// Shows the screen until somebody closes it, or `ended` comes.
pub(crate) async fn run(
    source: Source,
    settings: Settings,
    view: View,
    ended: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let stop = CancellationToken::new();
    let (feed, work) = data::start(Arc::new(source), stop.clone());
    let screen = play(feed, settings, view);
    let result = tokio::select! {
        result = screen => result,
        () = work => Err(Failure::new(Exit::Failed, "the reading of data ended by itself")),
        () = ended => Ok(()),
    };
    stop.cancel();
    result
}

/// What ends the program, or stops it for a while.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    stop: Signal,
}

/// What a signal asks for.
enum Asked {
    End,
    Stop,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let stop = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            stop: signal(stop)?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::End,
            _ = self.terminate.recv() => Asked::End,
            _ = self.hang_up.recv() => Asked::End,
            _ = self.stop.recv() => Asked::Stop,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to `map_err`")]
fn refused(error: io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("the terminal cannot be used: {error}"),
    )
    .hint("`rise tui --once overview` prints a view without taking the terminal")
}

async fn play(mut feed: data::Feed, settings: Settings, view: View) -> Result<(), Failure> {
    let mut signals = Signals::listen().map_err(refused)?;
    let mut guard = Guard::take().map_err(refused)?;
    let size = Guard::size().map_err(refused)?;
    let mut app = App::new(settings, view, size);
    let mut screen = Screen::new(size.0, size.1);
    let mut keys = EventStream::new();
    let mut at_work = Playing {
        app: &mut app,
        screen: &mut screen,
        guard: &mut guard,
    };
    at_work.draw().map_err(refused)?;
    let mut next_tick = Instant::now() + TICK;
    loop {
        let message = tokio::select! {
            biased;
            asked = signals.next() => match asked {
                Asked::End => return Ok(()),
                Asked::Stop => {
                    drop(keys);
                    at_work.stop().map_err(refused)?;
                    keys = EventStream::new();
                    continue;
                }
            },
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) => Some(Message::Key(key)),
                Some(Ok(Event::Paste(text))) => Some(Message::Paste(text)),
                Some(Ok(Event::Mouse(mouse))) => Some(Message::Mouse(mouse)),
                Some(Ok(Event::Resize(..))) => {
                    let (columns, rows) = Guard::size().map_err(refused)?;
                    Some(Message::Resize(columns, rows))
                }
                Some(Ok(Event::FocusGained | Event::FocusLost)) => None,
                // The terminal is gone.
                Some(Err(_)) | None => return Ok(()),
            },
            changed = feed.published.changed() => {
                if changed.is_err() { return Ok(()) }
                Some(Message::Data(Arc::clone(&feed.published.borrow_and_update())))
            }
            answer = feed.answers.recv() => answer.map(Message::Answer),
            () = tokio::time::sleep_until(next_tick.into()), if at_work.app.ages() => {
                next_tick = Instant::now() + TICK;
                None
            }
        };
        if Guard::lost() {
            return Err(Failure::new(
                Exit::Failed,
                "a part of the program broke down; the message above says where",
            ));
        }
        let mut effects = at_work.app.update(Message::Tick(Instant::now()));
        if let Some(message) = message {
            effects.extend(at_work.app.update(message));
        }
        for effect in effects {
            match effect {
                Effect::Quit => return Ok(()),
                Effect::Suspend => {
                    // Whoever reads keys must not read those for the shell.
                    drop(keys);
                    at_work.stop().map_err(refused)?;
                    keys = EventStream::new();
                }
                Effect::Ask(request) => {
                    let _ = feed.requests.send(request);
                }
                other => at_work.perform(other).map_err(refused)?,
            }
        }
        at_work.draw().map_err(refused)?;
    }
}

/// The state, its picture, and the terminal that it is on.
struct Playing<'a> {
    app: &'a mut App,
    screen: &'a mut Screen,
    guard: &'a mut Guard,
}

impl Playing<'_> {
    fn draw(&mut self) -> io::Result<()> {
        self.guard.set_mouse(self.app.wants_mouse())?;
        let bytes = self.screen.frame(self.app)?;
        if bytes.is_empty() {
            Ok(())
        } else {
            self.guard.write(&bytes)
        }
    }

    fn stop(&mut self) -> io::Result<()> {
        self.guard.stop_and_go_on()?;
        let (columns, rows) = Guard::size()?;
        self.app.update(Message::Resize(columns, rows));
        self.app.update(Message::Tick(Instant::now()));
        self.screen.forget();
        self.draw()
    }

    fn perform(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Copy(text) => {
                let mut bytes = Vec::new();
                queue!(bytes, CopyToClipboard::to_clipboard_from(text))?;
                self.guard.write(&bytes)
            }
            Effect::Browse(url) => {
                let note = match browse(&url) {
                    true => format!("opened {url}"),
                    false => format!("no browser was found; the page is {url}"),
                };
                self.app.update(Message::Note(note));
                Ok(())
            }
            Effect::Export { name, json } => {
                let note = match std::fs::write(&name, json) {
                    Ok(()) => format!("written to {name}"),
                    Err(error) => format!("{name} cannot be written: {error}"),
                };
                self.app.update(Message::Note(note));
                Ok(())
            }
            Effect::Quit | Effect::Suspend | Effect::Ask(_) => Ok(()),
        }
    }
}

/// Hands a page to the person's browser. It is not waited for.
fn browse(url: &str) -> bool {
    let chosen = std::env::var("BROWSER")
        .ok()
        .filter(|browser| !browser.is_empty());
    let programs = chosen
        .iter()
        .map(String::as_str)
        .chain(["xdg-open", "open", "wslview"]);
    programs.into_iter().any(|program| {
        std::process::Command::new(program)
            .arg(url)
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .is_ok()
    })
}
