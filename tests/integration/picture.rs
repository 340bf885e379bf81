//! The picture in the README: the sandbox's own words and those of `rise status`, as a terminal shows them.
//!
//! `RISE_UPDATE_PICTURES=1 cargo test --test integration picture` runs both and draws it anew. Otherwise it is only looked at.
//! What differs from run to run (times of day, ports, random names, the folder) is replaced, so that a picture changes
//! when the program does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anstyle_svg::Term;

use crate::docs::{rise_arguments, root, understands};
use crate::rise::{Tables, command};
use crate::terminal::{Terminal, plain};

const PICTURE: &str = "assets/docs/sandbox.svg";
/// Wide enough for the story; GitHub shows about this much without making it smaller.
const COLUMNS: u16 = 118;
/// So much of the services' story is shown.
const STORY_LINES: usize = 18;
const SANDBOX: &str = "sandbox --boards 2";
/// What stands for the folder.
const FOLDER: &str = "/tmp/rise";
/// Stands for lines that are not shown.
const LEFT_OUT: &str = "\u{1b}[2m⋮\u{1b}[0m";
const DEADLINE: Duration = Duration::from_secs(90);

#[tokio::test]
async fn the_picture_of_the_readme_shows_what_the_program_prints() {
    let path = root().join(PICTURE);
    if std::env::var_os("RISE_UPDATE_PICTURES").is_some() {
        fs::write(&path, draw()).unwrap();
    }
    let svg = fs::read_to_string(&path).unwrap();
    let shown = text_of(&svg);
    let commands: Vec<&str> = shown.lines().filter(|line| line.contains("$ ")).collect();
    assert_eq!(commands.len(), 2, "{shown}");
    for line in commands {
        let arguments = rise_arguments(line).unwrap();
        understands(&arguments).unwrap_or_else(|error| panic!("rise {arguments}: {error}"));
    }
    let empty = Tables::migrated().await;
    let mut status = command("status");
    status.env("POSTGRES_URL", empty.database.url());
    let (output, _) = Terminal::start(status, COLUMNS).until_its_end();
    for heading in headings(&output) {
        assert!(
            shown.contains(&heading),
            "`{heading}` is not in the picture:\n{shown}"
        );
    }
    assert!(shown.contains("12:00:0"), "times are replaced");
    let here = root().display().to_string();
    assert!(!shown.contains(&here), "a folder of this machine is shown");
}

/// The words in capitals above columns: what a picture of an older program would have otherwise.
fn headings(output: &str) -> Vec<String> {
    let is_heading = |word: &&str| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase());
    let lines = output.lines().map(plain);
    let words: Vec<String> = lines
        .flat_map(|line| {
            line.split_whitespace()
                .filter(is_heading)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(!words.is_empty(), "no heading in: {output}");
    words
}

/// The text of a picture. Panics where it is not well-formed: each tag is closed, in order, and nothing stands outside.
fn text_of(svg: &str) -> String {
    let mut open = Vec::new();
    let mut text = String::new();
    let mut rest = svg;
    while let Some((before, after)) = rest.split_once('<') {
        assert!(
            !open.is_empty() || before.trim().is_empty(),
            "outside: {before}"
        );
        if open.last() != Some(&"style") {
            text.push_str(before);
        }
        let (tag, behind) = after.split_once('>').expect("a tag ends");
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        assert_eq!(
            tag.matches('"').count() % 2,
            0,
            "quotes are closed in <{tag}>"
        );
    }
    assert!(
        open.is_empty() && rest.trim().is_empty(),
        "still open: {open:?}"
    );
    for (written, meant) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ] {
        text = text.replace(written, meant);
    }
    text
}

fn draw() -> String {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("rise");
    let sandbox = command(&format!("{SANDBOX} --data {}", data.display()));
    let sandbox = Terminal::start(sandbox, COLUMNS);
    wait("the sandbox answers", || data.join("env").exists());
    let env = read_env(&data.join("env"));
    let ask = |line: &str| {
        let mut asked = command(line);
        asked.envs(&env);
        let output = asked.output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    // A moment at which there is something of everything to see, as the leader last wrote it.
    let telling = || {
        let state = ask("status --json")["scheduler"]["state"].take();
        let queue = state["queue"].as_array().into_iter().flatten();
        let reasons: Vec<&str> = queue.filter_map(|group| group["reason"].as_str()).collect();
        let has = |code: &str| reasons.contains(&code);
        let mut boards = state["boards"].as_array().into_iter().flatten();
        let busy = boards.any(|board| board["state"] == "busy");
        busy && has("no_free_board")
            && has("starting")
            && sandbox.so_far().lines().count() > 2 * STORY_LINES
    };
    wait("a job waits for a board and another one starts", telling);
    let mut status = command("status");
    status.envs(&env);
    let (status, _) = Terminal::start(status, COLUMNS).until_its_end();
    let names = names(&ask("workers --limit 1000 --json"));
    let story = sandbox.so_far();
    sandbox.interrupt();
    let (_, ended) = sandbox.until_its_end();
    assert!(ended.success(), "the sandbox ended with {ended}");

    let screen = format!(
        "{}\n{}\n{LEFT_OUT}\n\n{}\n{}",
        prompt(&format!("rise {SANDBOX} --data {FOLDER}")),
        shortened(&story),
        prompt(&format!(". {FOLDER}/env && rise status")),
        status.trim_end(),
    );
    let screen = screen
        .replace(&data.display().to_string(), FOLDER)
        .replace(env!("CARGO_BIN_EXE_rise"), "rise");
    svg(&steady(&screen, &names))
}

/// The story until everything answers, and then what the services do: addresses and advice are left out.
fn shortened(story: &str) -> String {
    let told_by_sandbox = |line: &&str| plain(line).split_whitespace().nth(1) == Some("sandbox");
    let answers = story
        .lines()
        .position(|line| line.contains("everything answers"));
    let begun = answers.expect("the sandbox says that everything answers") + 1;
    let mut lines: Vec<&str> = story.lines().take(begun).collect();
    lines.push(LEFT_OUT);
    let rest = story.lines().skip(begun);
    lines.extend(rest.filter(|line| !told_by_sandbox(line)).take(STORY_LINES));
    lines.join("\n")
}

fn prompt(line: &str) -> String {
    format!("\u{1b}[1;32m$\u{1b}[0m \u{1b}[1m{line}\u{1b}[0m")
}

fn svg(screen: &str) -> String {
    let width = usize::from(COLUMNS) * 84 / 10;
    let drawn = Term::new()
        .palette(PALETTE)
        .fg_color(anstyle_color(0xd6, 0xde, 0xeb))
        .bg_color(anstyle_color(0x1b, 0x22, 0x2e))
        .min_width_px(width)
        .render_svg(screen);
    let size = |name: &str| {
        let value = drawn.split(&format!(" {name}=\"")).nth(1).unwrap();
        value.split("px").next().unwrap().to_owned()
    };
    let (width, height) = (size("width"), size("height"));
    // With a view box the picture shrinks with its page.
    drawn.replacen(
        "<svg ",
        &format!("<svg viewBox=\"0 0 {width} {height}\" "),
        1,
    )
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The variables that a shell would have after sourcing the file.
fn read_env(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    let pairs = text
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned()))
        .collect()
}

/// The random ends of workers' names, the oldest first.
fn names(workers: &serde_json::Value) -> Vec<String> {
    let names = workers["rows"].as_array().unwrap().iter().rev();
    names
        .map(|worker| worker["pod_name"].as_str().unwrap())
        .map(|name| name.rsplit('-').next().unwrap().to_owned())
        .collect()
}

/// The screen with the same words in each run, as far as they do not depend on who was quicker.
fn steady(screen: &str, names: &[String]) -> String {
    let mut screen = screen.to_owned();
    for (index, name) in names.iter().enumerate() {
        screen = screen.replace(name, &invented(index));
    }
    let mut ports = BTreeMap::new();
    let mut began = None;
    let lines: Vec<String> = screen
        .lines()
        .map(|line| steady_time(&steady_ports(line, &mut ports), &mut began))
        .collect();
    lines.join("\n")
}

/// A name as a worker could have.
fn invented(index: usize) -> String {
    let mut state = 0x9e37_79b9_u64.wrapping_mul(index as u64 + 1);
    let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        char::from(letters[(state >> 33) as usize % letters.len()])
    };
    (0..9).map(letter).collect()
}

fn steady_ports(line: &str, ports: &mut BTreeMap<String, usize>) -> String {
    let mut parts = line.split("127.0.0.1:");
    let mut steady = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        let next = 40_001 + ports.len();
        let port = ports.entry(part[..end].to_owned()).or_insert(next);
        steady.push_str(&format!("127.0.0.1:{port}{}", &part[end..]));
    }
    steady
}

/// The story begins at noon.
fn steady_time(line: &str, began: &mut Option<u32>) -> String {
    let is_time = |at: &usize| {
        let Some(text) = line.as_bytes().get(*at..*at + 8) else {
            return false;
        };
        text.iter().enumerate().all(|(index, byte)| match index {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
    };
    let Some(at) = (0..line.len()).find(is_time) else {
        return line.to_owned();
    };
    let parts: Vec<u32> = line[at..at + 8]
        .split(':')
        .map(|part| part.parse().unwrap())
        .collect();
    let seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    let day = 24 * 3600;
    let since = (seconds + day - *began.get_or_insert(seconds)) % day;
    let time = format!("12:{:02}:{:02}", since / 60, since % 60);
    format!("{}{time}{}", &line[..at], &line[at + 8..])
}

fn anstyle_color(r: u8, g: u8, b: u8) -> anstyle::Color {
    anstyle::RgbColor(r, g, b).into()
}

/// Colours that can be read on the picture's ground.
const PALETTE: anstyle_svg::Palette = {
    use anstyle::RgbColor as C;
    anstyle_svg::Palette([
        C(0x01, 0x16, 0x27),
        C(0xef, 0x6b, 0x73),
        C(0x7f, 0xd9, 0x62),
        C(0xe5, 0xc0, 0x7b),
        C(0x82, 0xaa, 0xff),
        C(0xc7, 0x92, 0xea),
        C(0x7f, 0xdb, 0xca),
        C(0xd6, 0xde, 0xeb),
        C(0x8b, 0x96, 0xa8),
        C(0xff, 0x8b, 0x92),
        C(0xa5, 0xe8, 0x8a),
        C(0xff, 0xd8, 0x8f),
        C(0xa6, 0xc5, 0xff),
        C(0xde, 0xb4, 0xf5),
        C(0xa3, 0xec, 0xde),
        C(0xff, 0xff, 0xff),
    ])
};

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let names = ["aaaaaaaaa".to_owned(), "bbbbbbbbb".to_owned()];
    let one = steady(
        "23:59:59  at http://127.0.0.1:123\n00:00:01  w-aaaaaaaaa w-bbbbbbbbb 127.0.0.1:99",
        &names,
    );
    let names = ["ccccccccc".to_owned(), "ddddddddd".to_owned()];
    let two = steady(
        "08:00:00  at http://127.0.0.1:7\n08:00:02  w-ccccccccc w-ddddddddd 127.0.0.1:8",
        &names,
    );
    assert_eq!(one, two);
    assert!(
        one.starts_with("12:00:00  at http://127.0.0.1:40001\n12:00:02  w-"),
        "{one}"
    );
}

#[test]
#[should_panic(expected = "closed out of order")]
fn a_picture_that_is_not_well_formed_is_noticed() {
    text_of("<svg><text>x</svg></text>");
}
