//! The documentation tells the truth where a machine can tell: command lines are understood, files are there, and the
//! variables are those that the program reads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::rise::run;

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// A document and its text.
struct Page {
    path: PathBuf,
    text: String,
}

/// What people read: the documents at the root, and those of each folder that has some.
fn pages() -> Vec<Page> {
    let root = root();
    let mut paths = vec![
        root.join("README.md"),
        root.join("CHANGELOG.md"),
        root.join("tests/README.md"),
        root.join("migrations/README.md"),
    ];
    for entry in fs::read_dir(root.join("assets/docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            paths.push(path);
        }
    }
    let page = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Page { path, text }
    };
    paths.into_iter().map(page).collect()
}

impl Page {
    /// Lines of blocks for a shell, and what stands between backticks elsewhere.
    fn code(&self) -> Vec<String> {
        let mut code = Vec::new();
        let mut prose = String::new();
        // The language of the block that the line is in.
        let mut fence: Option<&str> = None;
        for line in self.text.lines() {
            match (line.strip_prefix("```"), fence) {
                (Some(language), None) => fence = Some(language),
                (Some(_), Some(_)) => fence = None,
                (None, Some("sh")) => code.push(line.trim().to_owned()),
                // A drawing.
                (None, Some(_)) => {}
                (None, None) if line.starts_with("    ") => code.push(line.trim().to_owned()),
                (None, None) => {
                    prose.push_str(line);
                    prose.push(' ');
                }
            }
        }
        code.extend(prose.split('`').skip(1).step_by(2).map(str::to_owned));
        code
    }

    /// The targets of links.
    fn links(&self) -> Vec<&str> {
        let after = self.text.split("](").skip(1);
        after.filter_map(|rest| rest.split(')').next()).collect()
    }

    /// Headings, as links name them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        let anchor = |heading: &str| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        };
        headings.map(anchor).collect()
    }
}

/// The arguments of a line that calls the program, without what a shell adds.
pub(crate) fn rise_arguments(line: &str) -> Option<String> {
    let line = line.split(" #").next()?.split(" | ").next()?;
    let line = line.rsplit(" && ").next()?.trim();
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let arguments = line
        .strip_prefix("cargo run -- ")
        .or_else(|| line.strip_prefix("rise "))?;
    // A name in capitals stands for something: `rise COMMAND --help`.
    let fixed = arguments
        .split_whitespace()
        .take_while(|word| *word != "COMMAND");
    Some(fixed.collect::<Vec<_>>().join(" "))
}

/// Whether the program understands a command line, by asking for its help behind all of its arguments.
pub(crate) fn understands(arguments: &str) -> Result<(), String> {
    let answer = run(&format!("{arguments} --help"), &[]);
    if answer.status == 0 {
        Ok(())
    } else {
        Err(answer.err)
    }
}

#[test]
fn the_program_understands_every_command_line_in_the_documents() {
    let mut seen = BTreeSet::new();
    for page in pages() {
        for arguments in page.code().iter().filter_map(|line| rise_arguments(line)) {
            if let Err(error) = understands(&arguments) {
                panic!("{}: rise {arguments}: {error}", page.path.display());
            }
            seen.insert(arguments);
        }
    }
    for expected in [
        "sandbox",
        "serve ghfe --env prod",
        "config check --for ghfe",
    ] {
        assert!(
            seen.contains(expected),
            "`{expected}` was not found in {seen:?}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_noticed() {
    let wrong = [
        "statu",
        "status --jsn",
        "serve ghfe --env production",
        "jobs --status gone",
    ];
    for arguments in wrong {
        assert!(understands(arguments).is_err(), "rise {arguments}");
    }
    let line = "rise jobs --json | head -n 1   # the newest";
    assert_eq!(rise_arguments(line).as_deref(), Some("jobs --json"));
    let joined = "$ . /tmp/rise/env && rise status";
    assert_eq!(rise_arguments(joined).as_deref(), Some("status"));
    assert_eq!(rise_arguments("rises"), None);
}

#[test]
fn every_part_of_the_test_command_that_the_documents_name_is_there() {
    let script = fs::read_to_string(root().join("tests/run")).unwrap();
    let mut seen = 0;
    for page in pages() {
        for line in page.code() {
            let mut words = line.split_whitespace();
            if words.next() != Some("tests/run") {
                continue;
            }
            seen += 1;
            // A space and another: the explanation of a bare `tests/run`.
            if let Some(part) = words.next().filter(|_| !line.contains("tests/run  "))
                && !part.starts_with('#')
            {
                let case = format!("\n  {part})");
                assert!(script.contains(&case), "{}: `{line}`", page.path.display());
            }
        }
    }
    assert!(seen > 1, "no document names tests/run");
}

#[test]
fn every_file_that_the_documents_name_is_there() {
    let root = root();
    let places: BTreeSet<String> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    let mut seen = 0;
    for page in pages() {
        let name = page.path.strip_prefix(&root).unwrap().display();
        for link in page
            .links()
            .into_iter()
            .filter(|link| !link.contains("://"))
        {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.path.clone()
            } else {
                page.path.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{name} links to {link}");
            if !anchor.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let anchors = Page { path: target, text }.anchors();
                assert!(
                    anchors.contains(anchor),
                    "{name} links to {link}: {anchors:?}"
                );
            }
            seen += 1;
        }
        for code in page.code() {
            let word = code.split_whitespace().next().unwrap_or_default();
            let first = word.split('/').next().unwrap_or_default();
            let is_path = word.contains('/') && places.contains(first);
            if is_path {
                assert!(root.join(word).exists(), "{name} names {word}");
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen} files were found");
}

#[test]
fn the_readme_lists_the_variables_that_the_program_reads() {
    let answer = run("config check --json", &[]);
    let read: BTreeSet<String> = answer.json()["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|variable| variable["name"].as_str().unwrap().to_owned())
        .collect();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let told: BTreeSet<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|name| {
            name.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .map(str::to_owned)
        .collect();
    assert_eq!(told, read);
}
