//! Which key does what, where. The bar at the bottom and the help page are made from the same table that keys are looked
//! up in, so that they cannot disagree.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::app::{App, Tab, View};
use super::grid::Id;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Show(View),
    NextView,
    LastView,
    PreviousView,
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Left,
    Right,
    Enter,
    Back,
    Filter,
    Palette,
    Sort,
    Search,
    NextMatch,
    PreviousMatch,
    Help,
    Owner,
    Browse,
    Copy,
    Export,
    Freeze,
    Wrap,
    Follow,
    Mouse,
    LookUp,
    Act(Act),
    Quit,
    Suspend,
}

/// What may be done to what is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    KillWorker,
    BanEntity,
    Pause,
    Recheck,
    Quarantine,
}

impl Act {
    /// The word on the bar.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::KillWorker => "kill",
            Self::BanEntity => "ban",
            Self::Pause => "pause pool",
            Self::Recheck => "recheck",
            Self::Quarantine => "quarantine",
        }
    }
}

/// A key and what it does here.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    code: KeyCode,
    modifiers: KeyModifiers,
    /// The key as people read it.
    pub(super) key: &'static str,
    /// In a word, for the bar; empty: not on the bar.
    pub(super) word: &'static str,
    /// In a sentence, for the help page.
    pub(super) says: &'static str,
    pub(super) command: Command,
    /// Why it cannot be done now.
    pub(super) disabled: Option<&'static str>,
}

fn on(
    code: KeyCode,
    key: &'static str,
    word: &'static str,
    says: &'static str,
    command: Command,
) -> Binding {
    Binding {
        code,
        modifiers: KeyModifiers::NONE,
        key,
        word,
        says,
        command,
        disabled: None,
    }
}

fn letter(
    c: char,
    key: &'static str,
    word: &'static str,
    says: &'static str,
    command: Command,
) -> Binding {
    on(KeyCode::Char(c), key, word, says, command)
}

fn control(c: char, key: &'static str, says: &'static str, command: Command) -> Binding {
    Binding {
        modifiers: KeyModifiers::CONTROL,
        ..letter(c, key, "", says, command)
    }
}

/// What a key asks for here.
pub(super) fn look_up(app: &App, key: KeyEvent) -> Option<Binding> {
    let wanted = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
    bindings(app)
        .into_iter()
        .find(|binding| binding.code == key.code && binding.modifiers == wanted)
}

/// Everything that keys do here, the most wanted first.
pub(super) fn bindings(app: &App) -> Vec<Binding> {
    let mut keys = if app.detail.is_some() {
        detail(app)
    } else {
        view(app)
    };
    keys.extend(acts(app));
    keys.extend(everywhere(app));
    keys
}

fn view(app: &App) -> Vec<Binding> {
    let mut keys = Vec::new();
    let has_rows = app.list().is_some();
    if app.view == View::Trace {
        keys.push(letter(
            'i',
            "i",
            "look up",
            "look up an account, an installation or a job",
            Command::LookUp,
        ));
    }
    if has_rows {
        keys.extend([
            on(
                KeyCode::Enter,
                "Enter",
                "detail",
                "look at the selected row",
                Command::Enter,
            ),
            letter(
                '/',
                "/",
                "filter",
                "filter rows by words; !word leaves out",
                Command::Filter,
            ),
            letter('s', "s", "sort", "sort by a column", Command::Sort),
        ]);
    }
    if app.view == View::Pools {
        keys.push(on(KeyCode::Left, "←", "", "demand", Command::Left));
        keys.push(on(
            KeyCode::Right,
            "→",
            "demand/boards",
            "go over to the boards, and back",
            Command::Right,
        ));
    }
    if has_rows {
        keys.extend(about_row(app));
    }
    keys.extend(moving());
    keys
}

/// What can be done with the row or the detail that is looked at.
fn about_row(app: &App) -> Vec<Binding> {
    let subject = app.subject();
    let mut keys = Vec::new();
    if matches!(
        subject,
        Some(Id::Worker(_) | Id::Job(_) | Id::Board(_) | Id::Failure(_) | Id::Event(_))
    ) {
        keys.push(letter(
            'j',
            "j",
            "jump",
            "jump to the owner: worker, job, account, pool",
            Command::Owner,
        ));
    }
    if app.address().is_some() {
        keys.push(letter(
            'o',
            "o",
            "open",
            "open GitHub's page in a browser",
            Command::Browse,
        ));
    }
    keys.push(letter(
        'y',
        "y",
        "copy",
        "copy the name, by the terminal (OSC 52)",
        Command::Copy,
    ));
    keys.push(letter(
        'e',
        "e",
        "export",
        "write what is shown to a JSON file",
        Command::Export,
    ));
    keys
}

fn moving() -> Vec<Binding> {
    vec![
        on(KeyCode::Up, "↑", "", "one row up", Command::Up),
        on(KeyCode::Down, "↓", "", "one row down", Command::Down),
        on(
            KeyCode::PageUp,
            "PgUp",
            "",
            "one screen up",
            Command::PageUp,
        ),
        on(
            KeyCode::PageDown,
            "PgDn",
            "",
            "one screen down",
            Command::PageDown,
        ),
        on(KeyCode::Home, "Home", "", "the first row", Command::Top),
        on(KeyCode::End, "End", "", "the last row", Command::Bottom),
        letter('g', "g", "", "the first row", Command::Top),
        letter('G', "G", "", "the last row", Command::Bottom),
    ]
}

fn detail(app: &App) -> Vec<Binding> {
    let mut keys = vec![on(
        KeyCode::Esc,
        "Esc",
        "back",
        "back to the rows",
        Command::Back,
    )];
    let tab = app.detail.as_ref().map(|detail| detail.tab);
    if app
        .detail
        .as_ref()
        .is_some_and(|detail| detail.tabs().len() > 1)
    {
        keys.push(on(KeyCode::Left, "←", "", "the page before", Command::Left));
        keys.push(on(
            KeyCode::Right,
            "→",
            "story/pod/log",
            "the next page: story, pod, log",
            Command::Right,
        ));
    }
    keys.extend([
        letter('/', "/", "search", "search in the text", Command::Search),
        letter(
            'n',
            "n",
            "next",
            "the next place where it stands",
            Command::NextMatch,
        ),
        letter('N', "N", "", "the place before", Command::PreviousMatch),
        letter(
            'w',
            "w",
            "wrap",
            "wrap long lines, or cut them",
            Command::Wrap,
        ),
    ]);
    if tab == Some(Tab::Log) {
        keys.push(letter(
            'f',
            "f",
            "follow",
            "follow the log as it grows",
            Command::Follow,
        ));
    }
    keys.extend(about_row(app));
    keys.extend(moving());
    keys
}

fn acts(app: &App) -> Vec<Binding> {
    let act = |c: char, key: &'static str, says: &'static str, act: Act| Binding {
        disabled: app.hinders(act),
        ..letter(c, key, act.word(), says, Command::Act(act))
    };
    match app.subject() {
        Some(Id::Worker(_)) => vec![
            act('K', "K", "end the worker and its pod", Act::KillWorker),
            act('B', "B", "ban the account", Act::BanEntity),
        ],
        Some(Id::Job(_)) => vec![
            act('R', "R", "ask GitHub about the job now", Act::Recheck),
            act('B', "B", "ban the account", Act::BanEntity),
        ],
        Some(Id::Board(_)) => vec![
            act('Q', "Q", "give the board no more work", Act::Quarantine),
            act('P', "P", "pause the pool", Act::Pause),
        ],
        Some(Id::Demand(_)) => vec![
            act('P', "P", "pause the pool", Act::Pause),
            act('B', "B", "ban the account", Act::BanEntity),
        ],
        Some(Id::Failure(_) | Id::Event(_)) | None => Vec::new(),
    }
}

fn everywhere(app: &App) -> Vec<Binding> {
    let mut keys = vec![
        letter('?', "?", "help", "this page", Command::Help),
        letter(
            ':',
            ":",
            "command",
            "a command by its name",
            Command::Palette,
        ),
        letter('q', "q", "", "back; at the top: quit", Command::Back),
        on(
            KeyCode::Esc,
            "Esc",
            "",
            "back: closes, then clears the filter",
            Command::Back,
        ),
        letter(
            'p',
            "p",
            "",
            "hold the picture, or let it go on",
            Command::Freeze,
        ),
        letter(
            '-',
            "-",
            "",
            "the view before this one",
            Command::PreviousView,
        ),
        on(KeyCode::Tab, "Tab", "", "the next view", Command::NextView),
        on(
            KeyCode::BackTab,
            "Shift-Tab",
            "",
            "the view to the left",
            Command::LastView,
        ),
        letter(
            'm',
            "m",
            "",
            "the mouse scrolls and selects, or is the terminal's",
            Command::Mouse,
        ),
        control('c', "Ctrl-C", "quit", Command::Quit),
        control(
            'z',
            "Ctrl-Z",
            "stop; the shell's fg goes on",
            Command::Suspend,
        ),
    ];
    for (view, key) in View::ALL.into_iter().zip(["1", "2", "3", "4", "5", "6"]) {
        let c = key.chars().next().unwrap_or('1');
        keys.push(letter(c, key, "", view.title(), Command::Show(view)));
    }
    if app.detail.is_none() && app.view == View::Overview {
        // There is nothing else to do on it.
        keys.insert(0, letter('q', "q", "quit", "quit", Command::Back));
    }
    keys
}
