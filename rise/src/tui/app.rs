//! The state of the screen and what changes it. Pure: messages in, effects out; no clock, no terminal, no database.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseEvent, MouseEventKind};
use rise_model::Time;
use services::kubernetes::Diagnostics;
use tui_input::{Input, InputRequest};

use super::ask::{Answer, Request, Story};
use super::detail;
use super::dialog::{Dialog, Step};
use super::document::Line;
use super::grid::{Cursor, Direction, Filter, Grid, Id};
use super::keys::{self, Act, Command};
use super::palette;
use super::snapshot::{List, Snapshot};
use super::trace::Traced;

/// The views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Overview,
    Pools,
    Workers,
    Jobs,
    Failures,
    Trace,
}

impl View {
    pub(crate) const ALL: [Self; 6] = [
        Self::Overview,
        Self::Pools,
        Self::Workers,
        Self::Jobs,
        Self::Failures,
        Self::Trace,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Pools => "Pools",
            Self::Workers => "Workers",
            Self::Jobs => "Jobs",
            Self::Failures => "Failures",
            Self::Trace => "Trace",
        }
    }

    fn shifted(self, by: usize) -> Self {
        let at = Self::ALL.iter().position(|view| *view == self).unwrap_or(0);
        Self::ALL[(at + by) % Self::ALL.len()]
    }
}

/// The pages of a detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Story,
    Pod,
    Log,
}

impl Tab {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Story => "Story",
            Self::Pod => "Pod",
            Self::Log => "Log",
        }
    }
}

/// What is looked at more closely.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) subject: Id,
    pub(super) tab: Tab,
    /// The first line on the screen.
    pub(super) first: usize,
    pub(super) wrap: bool,
    pub(super) follow: bool,
    pub(super) search: String,
    pub(super) story: Option<Arc<Story>>,
    pub(super) trouble: Option<String>,
    pub(super) pod: Option<Result<Box<Diagnostics>, String>>,
    pub(super) log: Vec<String>,
    pub(super) log_state: Option<String>,
    /// The lines as they are shown, made anew after each message.
    pub(super) lines: Vec<Line>,
}

impl Detail {
    fn new(subject: Id) -> Self {
        Self {
            subject,
            tab: Tab::Story,
            first: 0,
            wrap: true,
            follow: true,
            search: String::new(),
            story: None,
            trouble: None,
            pod: None,
            log: Vec::new(),
            log_state: None,
            lines: Vec::new(),
        }
    }

    pub(super) fn tabs(&self) -> &'static [Tab] {
        match self.subject {
            Id::Worker(_) | Id::Job(_) => &[Tab::Story, Tab::Pod, Tab::Log],
            Id::Board(_) | Id::Demand(_) | Id::Failure(_) | Id::Event(_) => &[Tab::Story],
        }
    }
}

/// A line that is being written at the bottom.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) kind: PromptKind,
    pub(super) input: Input,
    /// What stood there before.
    before: String,
    /// Which proposal is chosen.
    pub(super) choice: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PromptKind {
    Filter,
    Command,
    Search,
    LookUp,
}

/// What stands over the view.
#[derive(Debug)]
pub(super) enum Overlay {
    Prompt(Prompt),
    Help { input: Input, first: usize },
    Sort { choice: usize },
    Dialog(Box<Dialog>),
}

/// What was published last of the tables and the cluster.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    /// What was read; nothing before the first reading.
    pub(crate) snapshot: Option<Arc<Snapshot>>,
    /// When, by this machine's steady clock.
    pub(crate) read_at: Option<Instant>,
    /// Why nothing newer can be read, and since when.
    pub(crate) trouble: Option<(String, Instant)>,
}

/// What happens to the screen.
#[derive(Debug)]
pub(super) enum Message {
    Key(KeyEvent),
    Paste(String),
    Mouse(MouseEvent),
    Resize(u16, u16),
    Data(Arc<Published>),
    Answer(Answer),
    Tick(Instant),
    Note(String),
}

/// What the screen asks for.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    Quit,
    Suspend,
    Copy(String),
    Browse(String),
    Export { name: String, json: String },
    Ask(Request),
}

/// How the program was started.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The environment's name.
    pub(crate) environment: &'static str,
    /// Whether `--allow-actions` was given.
    pub(crate) acting: Acting,
    /// Whether a cluster is known.
    pub(crate) cluster: bool,
    /// Where logs go.
    pub(crate) log_file: String,
}

/// Whether anything may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acting {
    /// Nothing.
    ReadOnly,
    /// What is asked for and confirmed.
    Allowed,
}

/// The state of the screen.
#[derive(Debug)]
pub(crate) struct App {
    pub(super) settings: Settings,
    pub(super) view: View,
    before: View,
    pub(super) size: (u16, u16),
    pub(super) data: Arc<Published>,
    /// What is shown while the picture is held.
    held: Option<Arc<Published>>,
    /// This machine's steady clock, as last told.
    pub(super) clock: Option<Instant>,
    cursors: [Cursor; List::ALL.len()],
    pub(super) pools_list: List,
    pub(super) traced: Option<Arc<Traced>>,
    pub(super) trace_trouble: Option<String>,
    pub(super) asked_for: Option<String>,
    pub(super) detail: Option<Detail>,
    pub(super) overlay: Option<Overlay>,
    pub(super) note: Option<String>,
    mouse: bool,
}

impl App {
    pub(crate) fn new(settings: Settings, view: View, size: (u16, u16)) -> Self {
        Self {
            settings,
            view,
            before: view,
            size,
            data: Arc::default(),
            held: None,
            clock: None,
            cursors: Default::default(),
            pools_list: List::Demand,
            traced: None,
            trace_trouble: None,
            asked_for: None,
            detail: None,
            overlay: None,
            note: None,
            mouse: false,
        }
    }

    // What is shown.

    pub(super) fn shown(&self) -> &Published {
        self.held.as_ref().unwrap_or(&self.data)
    }

    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.shown().snapshot.as_deref()
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// How long ago the tables were read.
    pub(super) fn age(&self) -> Option<Duration> {
        Some(self.clock?.saturating_duration_since(self.shown().read_at?))
    }

    /// The database's clock, carried on from the last reading.
    pub(super) fn now(&self) -> Time {
        let read = self.snapshot().map_or(Time::UNIX_EPOCH, Snapshot::now);
        let age = self.age().unwrap_or_default();
        read + TimeDelta::from_std(age).unwrap_or_default()
    }

    /// The list that the cursor is in.
    pub(super) fn list(&self) -> Option<List> {
        match self.view {
            View::Overview => None,
            View::Pools => Some(self.pools_list),
            View::Workers => Some(List::Workers),
            View::Jobs => Some(List::Jobs),
            View::Failures => Some(List::Failures),
            View::Trace => Some(List::Trace),
        }
    }

    pub(super) fn grid(&self, list: List) -> Option<&Grid> {
        match list {
            List::Trace => self.traced.as_ref().map(|traced| &traced.grid),
            List::Demand | List::Boards | List::Workers | List::Jobs | List::Failures => {
                self.snapshot()?.grid(list)
            }
        }
    }

    pub(super) fn cursor(&self, list: List) -> &Cursor {
        &self.cursors[list.index()]
    }

    /// What keys act on: the detail, else the selected row.
    pub(super) fn subject(&self) -> Option<&Id> {
        match &self.detail {
            Some(detail) => Some(&detail.subject),
            None => self.cursor(self.list()?).selected.as_ref(),
        }
    }

    /// Whether the mouse belongs to us: never where text is read.
    pub(super) fn wants_mouse(&self) -> bool {
        self.mouse && self.detail.is_none()
    }

    /// Whether anything on the screen grows older.
    pub(super) fn ages(&self) -> bool {
        self.data.read_at.is_some() || self.data.trouble.is_some()
    }

    /// GitHub's page of the subject.
    pub(super) fn address(&self) -> Option<String> {
        let snapshot = self.snapshot()?;
        let job = |id: i64| snapshot.job(id)?.html_url.clone();
        let url = match self.subject()? {
            Id::Job(id) => match self
                .detail
                .as_ref()
                .and_then(|detail| detail.story.as_deref())
            {
                Some(Story::Job(story)) if story.job.job_id == *id => story.job.html_url.clone(),
                Some(_) | None => job(*id),
            },
            Id::Worker(name) => snapshot.worker(name)?.job_id.and_then(job),
            Id::Board(name) => snapshot.board(name)?.job.and_then(job),
            Id::Demand(_) | Id::Failure(_) | Id::Event(_) => None,
        }?;
        // Strangers' text is not handed to a program as it is.
        let safe = url.starts_with("https://") && url.chars().all(|c| c.is_ascii_graphic());
        safe.then_some(url)
    }

    /// Why something cannot be done; nothing when it can.
    pub(super) fn hinders(&self, act: Act) -> Option<&'static str> {
        match self.settings.acting {
            Acting::ReadOnly => Some("start with --allow-actions to change anything"),
            Acting::Allowed => super::dialog::hinders(self, act),
        }
    }

    /// Lines of rows on the screen.
    pub(super) fn lines(&self, list: List) -> usize {
        usize::from(super::views::lines_of(self, list))
    }

    /// Nothing is selected: for a picture without a cursor.
    pub(super) fn forget_selection(&mut self) {
        for cursor in &mut self.cursors {
            cursor.selected = None;
        }
    }

    // What changes it.

    /// Takes in a message.
    pub(super) fn update(&mut self, message: Message) -> Vec<Effect> {
        let effects = match message {
            Message::Key(key) => self.key(key),
            Message::Paste(text) => {
                self.paste(&text);
                Vec::new()
            }
            Message::Mouse(mouse) => self.mouse(mouse),
            Message::Resize(columns, rows) => {
                self.size = (columns, rows);
                Vec::new()
            }
            Message::Data(data) => self.take_data(data),
            Message::Answer(answer) => {
                self.take_answer(answer);
                Vec::new()
            }
            Message::Tick(now) => {
                self.clock = Some(now);
                Vec::new()
            }
            Message::Note(note) => {
                self.note = Some(note);
                Vec::new()
            }
        };
        self.settle();
        effects
    }

    fn take_data(&mut self, data: Arc<Published>) -> Vec<Effect> {
        let same = match (&self.data.snapshot, &data.snapshot) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let before = std::mem::replace(&mut self.data, data);
        if same || self.is_held() {
            return Vec::new();
        }
        self.take_in_all(before.snapshot.as_deref());
        match &self.detail {
            Some(Detail {
                subject: subject @ (Id::Worker(_) | Id::Job(_)),
                ..
            }) => {
                vec![Effect::Ask(Request::Story(subject.clone()))]
            }
            Some(_) | None => Vec::new(),
        }
    }

    fn take_in_all(&mut self, before: Option<&Snapshot>) {
        let now = self.now();
        let Some(snapshot) = self.shown().snapshot.clone() else {
            return;
        };
        for list in List::ALL {
            if let Some(grid) = snapshot.grid(list) {
                self.cursors[list.index()].take_in(
                    before.and_then(|before| before.grid(list)),
                    grid,
                    now,
                );
            }
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Story(subject, told) => {
                if let Some(detail) = self
                    .detail
                    .as_mut()
                    .filter(|detail| detail.subject == subject)
                {
                    match told {
                        Ok(story) => {
                            detail.story = Some(story);
                            detail.trouble = None;
                        }
                        Err(trouble) => detail.trouble = Some(trouble),
                    }
                }
            }
            Answer::Pod(subject, told) => {
                if let Some(detail) = self
                    .detail
                    .as_mut()
                    .filter(|detail| detail.subject == subject)
                {
                    detail.pod = Some(told);
                }
            }
            Answer::Log {
                subject,
                lines,
                state,
            } => {
                if let Some(detail) = self
                    .detail
                    .as_mut()
                    .filter(|detail| detail.subject == subject)
                {
                    detail.log = lines;
                    detail.log_state = state;
                }
            }
            Answer::Trace(told) => {
                self.asked_for = None;
                match told {
                    Ok(traced) => {
                        let before = self.traced.replace(traced);
                        let now = self.now();
                        if let Some(traced) = &self.traced {
                            let cursor = &mut self.cursors[List::Trace.index()];
                            cursor.filter = Filter {
                                text: traced.narrowed.clone(),
                            };
                            cursor.take_in(
                                before.as_ref().map(|before| &before.grid),
                                &traced.grid,
                                now,
                            );
                            // The story is read from its end.
                            cursor.step(&traced.grid, isize::MAX / 2);
                        }
                        self.trace_trouble = None;
                    }
                    Err(trouble) => self.trace_trouble = Some(trouble),
                }
            }
            Answer::Done(note) => self.note = Some(note),
        }
    }

    /// Brings what follows from the state up to date.
    fn settle(&mut self) {
        for list in List::ALL {
            let lines = self.lines(list);
            self.cursors[list.index()].scroll(lines);
        }
        let Some(mut detail) = self.detail.take() else {
            return;
        };
        let (columns, rows) = super::views::text_size(self);
        detail.lines = detail::lines(self, &detail, columns);
        let last = detail.lines.len().saturating_sub(rows);
        let follows = detail.tab == Tab::Log && detail.follow && detail.search.is_empty();
        detail.first = if follows {
            last
        } else {
            detail.first.min(last)
        };
        self.detail = Some(detail);
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return vec![Effect::Quit];
        }
        self.note = None;
        match self.overlay.take() {
            Some(Overlay::Prompt(prompt)) => self.key_in_prompt(prompt, key),
            Some(Overlay::Help { input, first }) => {
                self.key_in_help(input, first, key);
                Vec::new()
            }
            Some(Overlay::Sort { choice }) => {
                self.key_in_sort(choice, key);
                Vec::new()
            }
            Some(Overlay::Dialog(mut dialog)) => match dialog.key(key) {
                Step::Stay => {
                    self.overlay = Some(Overlay::Dialog(dialog));
                    Vec::new()
                }
                Step::Cancel => Vec::new(),
                Step::Act(order) => vec![Effect::Ask(Request::Act(order))],
            },
            None => match keys::look_up(self, key) {
                Some(binding) => match binding.disabled {
                    Some(why) => {
                        self.note = Some(format!("{}: {why}", binding.word));
                        Vec::new()
                    }
                    // A key that is held down must not act twice.
                    None if matches!(binding.command, Command::Act(_))
                        && key.kind == KeyEventKind::Repeat =>
                    {
                        Vec::new()
                    }
                    None => self.command(binding.command),
                },
                None => Vec::new(),
            },
        }
    }

    pub(super) fn command(&mut self, command: Command) -> Vec<Effect> {
        match command {
            Command::Show(view) => self.show(view),
            Command::NextView => self.show(self.view.shifted(1)),
            Command::LastView => self.show(self.view.shifted(View::ALL.len() - 1)),
            Command::PreviousView => self.show(self.before),
            Command::Up => self.go(-1),
            Command::Down => self.go(1),
            Command::PageUp => self.go(-self.page()),
            Command::PageDown => self.go(self.page()),
            Command::Top => self.go(isize::MIN / 2),
            Command::Bottom => self.go(isize::MAX / 2),
            Command::Left => return self.sideways(-1),
            Command::Right => return self.sideways(1),
            Command::Enter => return self.enter(),
            Command::Back => return self.back(),
            Command::Filter => {
                let text = self
                    .list()
                    .map(|list| self.cursor(list).filter.text.clone());
                self.prompt(PromptKind::Filter, text.unwrap_or_default());
            }
            Command::Palette => self.prompt(PromptKind::Command, String::new()),
            Command::LookUp => self.prompt(PromptKind::LookUp, String::new()),
            Command::Search => {
                let text = self.detail.as_ref().map(|detail| detail.search.clone());
                self.prompt(PromptKind::Search, text.unwrap_or_default());
            }
            Command::NextMatch => self.find(1),
            Command::PreviousMatch => self.find(-1),
            Command::Sort => {
                let sorted = self.list().and_then(|list| self.cursor(list).sort);
                self.overlay = Some(Overlay::Sort {
                    choice: sorted.map_or(0, |(column, _)| column),
                });
            }
            Command::Help => {
                self.overlay = Some(Overlay::Help {
                    input: Input::default(),
                    first: 0,
                });
            }
            Command::Owner => return self.jump(),
            Command::Browse => return self.address().map(Effect::Browse).into_iter().collect(),
            Command::Copy => return self.copy(),
            Command::Export => return super::export::export(self).into_iter().collect(),
            Command::Freeze => self.freeze(),
            Command::Wrap => {
                if let Some(detail) = &mut self.detail {
                    detail.wrap = !detail.wrap;
                }
            }
            Command::Follow => {
                if let Some(detail) = &mut self.detail {
                    detail.follow = !detail.follow;
                }
            }
            Command::Mouse => {
                self.mouse = !self.mouse;
                let now = if self.mouse {
                    "the mouse scrolls and selects"
                } else {
                    "the mouse is the terminal's"
                };
                self.note = Some(now.to_owned());
            }
            Command::Act(act) => {
                self.overlay =
                    Dialog::open(self, act).map(|dialog| Overlay::Dialog(Box::new(dialog)));
            }
            Command::Quit => return vec![Effect::Quit],
            Command::Suspend => return vec![Effect::Suspend],
        }
        Vec::new()
    }

    pub(super) fn show(&mut self, view: View) {
        self.detail = None;
        if view != self.view {
            self.before = self.view;
            self.view = view;
        }
    }

    fn page(&self) -> isize {
        let lines = match (&self.detail, self.list()) {
            (Some(_), _) => super::views::text_size(self).1,
            (None, Some(list)) => self.lines(list),
            (None, None) => 1,
        };
        isize::try_from(lines.saturating_sub(1).max(1)).unwrap_or(1)
    }

    fn go(&mut self, by: isize) {
        if let Some(detail) = &mut self.detail {
            detail.follow = false;
            detail.first = detail.first.saturating_add_signed(by);
            return;
        }
        let Some(list) = self.list() else { return };
        self.with_grid(list, |cursor, grid| cursor.step(grid, by));
    }

    fn with_grid(&mut self, list: List, act: impl FnOnce(&mut Cursor, &Grid)) {
        let (snapshot, traced) = (self.shown().snapshot.clone(), self.traced.clone());
        let grid = match list {
            List::Trace => traced.as_ref().map(|traced| &traced.grid),
            List::Demand | List::Boards | List::Workers | List::Jobs | List::Failures => {
                snapshot.as_ref().and_then(|snapshot| snapshot.grid(list))
            }
        };
        if let Some(grid) = grid {
            act(&mut self.cursors[list.index()], grid);
        }
    }

    fn take_in(&mut self, list: List) {
        let now = self.now();
        self.with_grid(list, |cursor, grid| cursor.take_in(Some(grid), grid, now));
    }

    fn sideways(&mut self, by: isize) -> Vec<Effect> {
        let Some(detail) = &mut self.detail else {
            self.pools_list = match self.pools_list {
                List::Demand => List::Boards,
                List::Boards | List::Workers | List::Jobs | List::Failures | List::Trace => {
                    List::Demand
                }
            };
            return Vec::new();
        };
        let tabs = detail.tabs();
        let at = tabs.iter().position(|tab| *tab == detail.tab).unwrap_or(0);
        let to = at.saturating_add_signed(by).min(tabs.len() - 1);
        if to == at {
            return Vec::new();
        }
        detail.tab = tabs[to];
        detail.first = 0;
        match detail.tab {
            Tab::Log => {
                detail.follow = true;
                vec![Effect::Ask(Request::Log(detail.subject.clone()))]
            }
            Tab::Story | Tab::Pod => vec![Effect::Ask(Request::NoLog)],
        }
    }

    fn enter(&mut self) -> Vec<Effect> {
        let Some(id) = self.subject().cloned() else {
            return Vec::new();
        };
        self.open(id)
    }

    pub(super) fn open(&mut self, id: Id) -> Vec<Effect> {
        let asks = matches!(id, Id::Worker(_) | Id::Job(_));
        self.detail = Some(Detail::new(id.clone()));
        if asks {
            vec![Effect::Ask(Request::Story(id))]
        } else {
            Vec::new()
        }
    }

    fn back(&mut self) -> Vec<Effect> {
        if self.detail.take().is_some() {
            return vec![Effect::Ask(Request::NoLog)];
        }
        if let Some(list) = self.list()
            && !self.cursor(list).filter.text.is_empty()
        {
            self.set_filter(list, String::new());
            return Vec::new();
        }
        if self.view == View::Overview {
            return vec![Effect::Quit];
        }
        self.show(View::Overview);
        Vec::new()
    }

    pub(super) fn set_filter(&mut self, list: List, text: String) {
        self.cursors[list.index()].filter = Filter { text };
        self.take_in(list);
    }

    pub(super) fn sort_by(&mut self, list: List, column: usize) {
        let cursor = &mut self.cursors[list.index()];
        cursor.sort = match cursor.sort {
            Some((before, Direction::Up)) if before == column => Some((column, Direction::Down)),
            Some((before, Direction::Down)) if before == column => None,
            Some(_) | None => Some((column, Direction::Up)),
        };
        self.take_in(list);
    }

    fn jump(&mut self) -> Vec<Effect> {
        let Some(target) = detail::owner(self) else {
            self.note = Some("there is nothing to jump to".to_owned());
            return Vec::new();
        };
        match target {
            detail::Target::Row(view, list, id) => {
                let was_detail = self.detail.is_some();
                self.show(view);
                if view == View::Pools {
                    self.pools_list = list;
                }
                let filtered = !self.cursor(list).filter.text.is_empty();
                let mut found = false;
                self.with_grid(list, |cursor, grid| found = cursor.select(grid, &id));
                if !found && filtered {
                    self.set_filter(list, String::new());
                    self.with_grid(list, |cursor, grid| found = cursor.select(grid, &id));
                }
                if !found || was_detail {
                    return self.open(id);
                }
                Vec::new()
            }
            detail::Target::Look(text) => self.look_up(text),
        }
    }

    pub(super) fn look_up(&mut self, text: String) -> Vec<Effect> {
        self.show(View::Trace);
        self.asked_for = Some(text.clone());
        vec![Effect::Ask(Request::Trace(text))]
    }

    fn copy(&mut self) -> Vec<Effect> {
        let Some(name) = self.subject().map(detail::name) else {
            return Vec::new();
        };
        self.note = Some(format!("copied {name}"));
        vec![Effect::Copy(name)]
    }

    fn freeze(&mut self) {
        if let Some(before) = self.held.take() {
            self.take_in_all(before.snapshot.as_deref());
        } else {
            self.held = Some(Arc::clone(&self.data));
        }
    }

    fn find(&mut self, direction: isize) {
        let Some(detail) = &mut self.detail else {
            return;
        };
        if detail.search.is_empty() {
            return;
        }
        detail.follow = false;
        let found: Vec<usize> = (0..detail.lines.len())
            .filter(|at| detail.lines[*at].contains(&detail.search))
            .collect();
        let to = if direction > 0 {
            found
                .iter()
                .find(|at| **at > detail.first)
                .or(found.first())
        } else {
            found
                .iter()
                .rev()
                .find(|at| **at < detail.first)
                .or(found.last())
        };
        match to {
            Some(to) => detail.first = *to,
            None => self.note = Some("it stands nowhere".to_owned()),
        }
    }

    // What stands over the view.

    fn prompt(&mut self, kind: PromptKind, text: String) {
        self.overlay = Some(Overlay::Prompt(Prompt {
            kind,
            before: text.clone(),
            input: Input::new(text),
            choice: 0,
        }));
    }

    fn paste(&mut self, text: &str) {
        let text = super::text::clean(text);
        let input = match &mut self.overlay {
            Some(Overlay::Prompt(prompt)) => &mut prompt.input,
            Some(Overlay::Help { input, .. }) => input,
            Some(Overlay::Dialog(dialog)) => match dialog.input() {
                Some(input) => input,
                None => return,
            },
            Some(Overlay::Sort { .. }) | None => return,
        };
        for c in text.chars().take(200) {
            let _ = input.handle(InputRequest::InsertChar(c));
        }
        self.preview();
    }

    /// Shows what a filter that is being written lets through.
    fn preview(&mut self) {
        if let Some(Overlay::Prompt(Prompt {
            kind: PromptKind::Filter,
            input,
            ..
        })) = &self.overlay
            && let Some(list) = self.list()
        {
            let text = input.value().to_owned();
            self.set_filter(list, text);
        }
    }

    fn key_in_prompt(&mut self, mut prompt: Prompt, key: KeyEvent) -> Vec<Effect> {
        match key.code {
            KeyCode::Esc => {
                if prompt.kind == PromptKind::Filter
                    && let Some(list) = self.list()
                {
                    self.set_filter(list, prompt.before);
                }
                Vec::new()
            }
            KeyCode::Enter => self.entered(&prompt),
            KeyCode::Up => {
                prompt.choice = prompt.choice.saturating_sub(1);
                self.overlay = Some(Overlay::Prompt(prompt));
                Vec::new()
            }
            KeyCode::Down => {
                let last = palette::proposals(prompt.input.value())
                    .len()
                    .saturating_sub(1);
                prompt.choice = (prompt.choice + 1).min(last);
                self.overlay = Some(Overlay::Prompt(prompt));
                Vec::new()
            }
            KeyCode::Tab if prompt.kind == PromptKind::Command => {
                if let Some(proposal) = palette::proposals(prompt.input.value()).get(prompt.choice)
                {
                    prompt.input = Input::new(format!("{} ", proposal.name));
                    prompt.choice = 0;
                }
                self.overlay = Some(Overlay::Prompt(prompt));
                Vec::new()
            }
            _ => {
                if let Some(request) = edit(key) {
                    let _ = prompt.input.handle(request);
                    prompt.choice = 0;
                }
                self.overlay = Some(Overlay::Prompt(prompt));
                self.preview();
                Vec::new()
            }
        }
    }

    fn entered(&mut self, prompt: &Prompt) -> Vec<Effect> {
        let text = prompt.input.value().trim().to_owned();
        match prompt.kind {
            PromptKind::Filter => Vec::new(),
            PromptKind::Command => palette::run(self, &text, prompt.choice),
            PromptKind::Search => {
                if let Some(detail) = &mut self.detail {
                    detail.search = text;
                    let at = detail.first;
                    let here = detail
                        .lines
                        .get(at)
                        .is_some_and(|line| line.contains(&detail.search));
                    if !here {
                        self.find(1);
                    }
                }
                Vec::new()
            }
            PromptKind::LookUp if text.is_empty() => Vec::new(),
            PromptKind::LookUp => self.look_up(text),
        }
    }

    fn key_in_help(&mut self, mut input: Input, mut first: usize, key: KeyEvent) {
        match key.code {
            KeyCode::Esc | KeyCode::Enter => return,
            KeyCode::Char('q' | '?') if input.value().is_empty() => return,
            KeyCode::Up => first = first.saturating_sub(1),
            KeyCode::Down => first = (first + 1).min(keys::bindings(self).len()),
            KeyCode::PageUp => first = first.saturating_sub(10),
            KeyCode::PageDown => first = (first + 10).min(keys::bindings(self).len()),
            _ => {
                if let Some(request) = edit(key) {
                    let _ = input.handle(request);
                    first = 0;
                }
            }
        }
        self.overlay = Some(Overlay::Help { input, first });
    }

    fn key_in_sort(&mut self, choice: usize, key: KeyEvent) {
        let Some(list) = self.list() else { return };
        let columns = self.grid(list).map_or(0, |grid| grid.columns.len());
        let choice = match key.code {
            KeyCode::Esc | KeyCode::Char('q') => return,
            KeyCode::Enter | KeyCode::Char('s' | ' ') if columns > 0 => {
                return self.sort_by(list, choice);
            }
            KeyCode::Up => choice.saturating_sub(1),
            KeyCode::Down => (choice + 1).min(columns.saturating_sub(1)),
            _ => choice,
        };
        self.overlay = Some(Overlay::Sort { choice });
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        if self.overlay.is_some() || !self.wants_mouse() {
            return Vec::new();
        }
        match mouse.kind {
            MouseEventKind::ScrollUp => self.go(-3),
            MouseEventKind::ScrollDown => self.go(3),
            MouseEventKind::Down(_) => {
                if let Some((list, line)) = super::views::row_at(self, mouse.column, mouse.row) {
                    if self.view == View::Pools {
                        self.pools_list = list;
                    }
                    let first = self.cursor(list).first;
                    if first + line < self.cursor(list).len() {
                        self.with_grid(list, |cursor, grid| {
                            cursor.step(grid, 0);
                            cursor.go_to(grid, first + line);
                        });
                    }
                }
            }
            _ => {}
        }
        Vec::new()
    }
}

/// What a key does to a line that is being written.
pub(super) fn edit(key: KeyEvent) -> Option<InputRequest> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    Some(match key.code {
        KeyCode::Char('a') if control => InputRequest::GoToStart,
        KeyCode::Char('e') if control => InputRequest::GoToEnd,
        KeyCode::Char('u') if control => InputRequest::DeleteLine,
        KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
        KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
        KeyCode::Char(_) if control || key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(c) => InputRequest::InsertChar(c),
        KeyCode::Backspace => InputRequest::DeletePrevChar,
        KeyCode::Delete => InputRequest::DeleteNextChar,
        KeyCode::Left => InputRequest::GoToPrevChar,
        KeyCode::Right => InputRequest::GoToNextChar,
        KeyCode::Home => InputRequest::GoToStart,
        KeyCode::End => InputRequest::GoToEnd,
        _ => return None,
    })
}
