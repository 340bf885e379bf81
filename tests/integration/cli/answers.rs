//! Help, configuration, and the manners of every command.

use std::io::Read;
use std::process::Stdio;

use crate::rise::{Tables, command, run};

#[test]
fn the_exit_status_tells_usage_from_failure() {
    let answer = run("statu", &[]);
    assert_eq!(answer.status, 2);
    assert_eq!(answer.out, "");
    assert!(
        answer
            .err
            .starts_with("error: unrecognized subcommand 'statu'\nhint: ")
    );

    let answer = run("status", &[]);
    assert_eq!(answer.status, 2, "nothing says where the tables are");
    assert!(
        answer
            .err
            .contains("missing environment variable: POSTGRES_URL")
    );

    let nobody = [("POSTGRES_URL", "postgres://rise:hunter2@127.0.0.1:1/rise")];
    let answer = run("status", &nobody);
    assert_eq!(answer.status, 1, "{}", answer.err);
    assert!(
        answer
            .err
            .starts_with("error: the database does not answer")
    );
    assert_eq!(
        answer.err.lines().count(),
        2,
        "a line and a hint: {}",
        answer.err
    );
    assert!(!answer.err.contains("hunter2"));

    assert_eq!(run("--version", &[]).status, 0);
    assert_eq!(run("--help", &[]).status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_have_a_status_of_their_own() {
    let tables = Tables::none().await;
    let (_, host) = tables.database.url().rsplit_once('@').unwrap();
    let stranger = format!("postgres://no_such_role:hunter2@{host}");
    let answer = run("db status", &[("POSTGRES_URL", &stranger)]);
    assert_eq!(answer.status, 3, "{}", answer.err);
    assert!(answer.err.contains("no_such_role"), "{}", answer.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = command("config check")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(err, "");
}

#[test]
fn check_tells_every_value_and_hides_secrets() {
    let variables = [
        ("TRACE_API_SECRET", "hunter2"),
        ("POSTGRES_URL", "postgres://u:hunter2@h/d"),
        ("RISE_CONFIG_TOML", "ghfe.public_only = true"),
        ("PROD", "True"),
    ];
    let answer = run("config check --json", &variables);
    assert_eq!(answer.status, 0, "{}", answer.err);
    assert!(!answer.out.contains("hunter2"));
    let report = answer.json();
    assert_eq!(report["environment"], "prod");
    let of = |list: &str, key: &str, name: &str| {
        let items = report[list].as_array().unwrap();
        items.iter().find(|item| item[key] == name).unwrap().clone()
    };
    assert_eq!(of("variables", "name", "TRACE_API_SECRET")["set"], true);
    assert_eq!(of("variables", "name", "PORT")["set"], false);
    let changed = of("values", "key", "ghfe.public_only");
    assert_eq!(changed["value"], "true");
    assert_eq!(changed["from"]["origin"]["name"], "RISE_CONFIG_TOML");
    let default = of("values", "key", "apps.personal");
    assert_eq!(default["from"]["origin"]["kind"], "default");

    let text = run("config check", &variables);
    assert!(
        text.out
            .contains("ghfe.public_only\ttrue\tRISE_CONFIG_TOML:1\n")
    );
    assert!(!text.out.contains("hunter2"));
}

#[test]
fn check_exits_2_and_lists_all_that_is_wrong() {
    let wrong = [
        ("RISE_CONFIG_TOML", "caps.default_max_workers = -1"),
        ("LOGLEVEL", "chatty"),
    ];
    let answer = run("config check --for ghfe", &wrong);
    assert_eq!(answer.status, 2);
    for part in [
        "the configuration has 3 problems",
        "RISE_CONFIG_TOML:1: `caps.default_max_workers`",
        "POSTGRES_URL, GHAPP_WEBHOOK_SECRET, TRACE_API_SECRET",
        "LOGLEVEL is `chatty`",
    ] {
        assert!(answer.err.contains(part), "{part} is not in {}", answer.err);
    }
    let answer = run("config check --for ghfe --json", &wrong);
    assert_eq!(answer.status, 2);
    assert_eq!(answer.json()["problems"].as_array().unwrap().len(), 3);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for (line, variables) in [
        ("--config /nowhere/rise.toml config check", &[][..]),
        ("config check", &[("RISE_CONFIG", "/nowhere/rise.toml")][..]),
    ] {
        let answer = run(line, variables);
        assert_eq!(answer.status, 2);
        assert!(
            answer
                .err
                .contains("/nowhere/rise.toml: the configuration file cannot be read")
        );
    }
}

#[test]
fn route_tells_pool_image_and_why() {
    let line = "config route --json ggml-org/llama.cpp ubuntu-24.04-riscv";
    let answer = run(line, &[("PROD", "true")]);
    assert_eq!(answer.status, 0, "{}", answer.err);
    let report = answer.json();
    assert_eq!(report["decision"], "routed");
    assert_eq!(report["pool"], "cloudv10x-jupiter");
    assert_eq!(report["route"], 1);
    assert!(
        report["image"]
            .as_str()
            .unwrap()
            .ends_with(":ubuntu-24.04-latest")
    );

    let answer = run("config route --entity-id 99 a/b Ubuntu-24.04-RISCV", &[]);
    assert_eq!(answer.status, 0);
    assert!(answer.out.contains("route 2 takes it: pool scw-em-rv1"));
    assert!(
        answer
            .out
            .contains("1\texactly [ubuntu-24.04-riscv], for 134263123")
    );

    let answer = run("config route --entity-id 99 a/b ubuntu-24-riscv", &[]);
    assert_eq!(answer.status, 1);
    assert!(answer.out.contains("no route takes it"));
    assert!(
        answer
            .err
            .contains("the nearest label that a route knows is ubuntu-24.04-riscv")
    );
}

#[test]
fn route_asks_for_an_id_that_it_does_not_know() {
    let answer = run("config route ggml-orgs/llama.cpp ubuntu-24.04-riscv", &[]);
    assert_eq!(answer.status, 2);
    assert!(answer.err.contains("hint: add --entity-id ID"));
    assert!(answer.err.contains("hint: did you mean ggml-org?"));
}

#[test]
fn route_tells_who_is_not_on_an_allow_list() {
    let closed = "[[routes]]\nlabels = [\"new\"]\nallow = [7]\npool = \"scw-em-rv1\"\nimage = \"ubuntu-26.04\"";
    let closed = [("RISE_CONFIG_TOML", closed)];
    let answer = run("config route --entity-id 99 a/b new", &closed);
    assert_eq!(answer.status, 1);
    assert!(
        answer.out.contains("a is not on its allow list"),
        "{}",
        answer.out
    );
    assert_eq!(run("config route --entity-id 7 a/b new", &closed).status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_in_the_help_works() {
    let tables = Tables::migrated().await;
    let examples = examples();
    assert!(examples.len() >= 14, "{examples:?}");
    for example in examples.iter().filter(|example| !needs_a_world(example)) {
        let answer = command(&format!("{example} {}", endless(example)))
            .env("POSTGRES_URL", tables.database.url())
            .env("GHAPP_WEBHOOK_SECRET", "s")
            .env("TRACE_API_SECRET", "t")
            .env("RISE_OPERATOR", "ada")
            .output()
            .unwrap();
        // No scheduler ever led here.
        let expected = i32::from(example.starts_with("status"));
        let said = String::from_utf8_lossy(&answer.stderr);
        assert_eq!(
            answer.status.code(),
            Some(expected),
            "rise {example}: {said}"
        );
    }
}

/// A service would run for ever; with its standard input closed it ends after its start.
fn endless(example: &str) -> &'static str {
    if example.starts_with("serve") {
        "--exit-with-stdin"
    } else {
        ""
    }
}

/// These are tried where there is a GitHub and a cluster to speak to, and where time is not what they take most of.
fn needs_a_world(example: &str) -> bool {
    let screen = example.starts_with("tui") && !example.contains("--once");
    let worlds = [
        "serve scheduler",
        "sandbox",
        "bench",
        "trace",
        "job ",
        "worker ",
        "events -f",
        "board quarantine",
        "board release",
    ];
    screen || worlds.iter().any(|start| example.starts_with(start))
}

/// Every command line that a long help shows, without the program's name.
fn examples() -> Vec<String> {
    let mut examples = Vec::new();
    let mut paths = vec![String::new()];
    while let Some(path) = paths.pop() {
        let help = run(&format!("{path} --help"), &[]).out;
        let below = commands_in(&help);
        if below.is_empty() {
            let (_, shown) = help.split_once("Example:\n").expect(&path);
            let lines = shown
                .lines()
                .filter_map(|line| line.trim().strip_prefix("rise "));
            examples.extend(lines.map(str::to_owned));
        }
        paths.extend(
            below
                .iter()
                .map(|name| format!("{path} {name}").trim().to_owned()),
        );
    }
    examples
}

/// The commands that a help page lists: indented lines that begin with a word, after a heading.
fn commands_in(help: &str) -> Vec<&str> {
    let first_page = help.contains("\nServices:\n");
    let mut listed = Vec::new();
    let mut in_list = false;
    for line in help.lines() {
        match line.strip_prefix("  ") {
            // Commands that belong together share a line, with commas between them.
            Some(entry) if in_list => {
                for word in entry.split_whitespace() {
                    let name = word.trim_end_matches(',');
                    listed.push(name);
                    if name == word {
                        break;
                    }
                }
            }
            Some(_) => {}
            None => {
                let heads = line.ends_with(':') && !line.contains(' ');
                in_list = line == "Commands:" || line == "Try it:" || (first_page && heads);
            }
        }
    }
    listed
}
