//! The screen on a terminal: what it shows, what it needs, and how it leaves the terminal.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::rise::{Tables, command};
use crate::terminal::Terminal;

const DEADLINE: Duration = Duration::from_secs(60);

const ROWS: &str = "
    INSERT INTO jobs (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
                      job_labels, k8s_pool, k8s_image, waiting_reason)
    VALUES (4711, 'pending', 'github', 10, 'Acme', 'Organization', 'Acme/rocket', 5, '[\"a\"]', 'scw-em-rv1', 'i',
            'no_free_board:scw-em-rv1');
    INSERT INTO workers (pod_name, status, provider, entity_id, entity_name, entity_type, installation_id, k8s_pool, k8s_image,
                         k8s_node, failure_info, completed_at)
    VALUES ('w-failed', 'failed', 'github', 10, 'Acme', 'Organization', 5, 'scw-em-rv1', 'i', 'board-1',
            '{\"reason\": \"pod_failed\", \"containers\": {\"runner\": {\"exit_code\": 137, \"logs\": \"out of memory\"}}}', now())";

/// The screen over tables with a few rows.
struct Open {
    tables: Tables,
    terminal: Terminal,
    size: (u16, u16),
}

impl Open {
    async fn new() -> Self {
        let tables = Tables::migrated().await;
        sqlx::raw_sql(ROWS).execute(&tables.sql).await.unwrap();
        let mut screen = command("tui");
        screen.env("POSTGRES_URL", tables.database.url());
        let terminal = Terminal::screen(&screen, 80, 24);
        Self {
            tables,
            terminal,
            size: (80, 24),
        }
    }

    fn text(&self) -> String {
        self.terminal
            .shown(self.size.0, self.size.1)
            .screen()
            .contents()
    }

    fn until(&self, wanted: &str) -> String {
        let text = std::cell::RefCell::new(String::new());
        wait(
            &|| format!("`{wanted}` is not on the screen:\n{}", text.borrow()),
            || {
                text.replace(self.text());
                text.borrow().contains(wanted)
            },
        );
        text.into_inner()
    }

    fn pid(&self) -> Pid {
        self.terminal.pid()
    }
}

fn wait(what: &dyn Fn() -> String, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !done() {
        assert!(Instant::now() < deadline, "{}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The ordinary screen, its cursor, and lines that the terminal edits.
fn left_as_it_was(output: &str) {
    let end = output
        .rfind("\u{1b}[?1049l")
        .expect("the ordinary screen is back");
    assert!(
        output[end..].contains("\u{1b}[?25h"),
        "the cursor is seen again"
    );
    assert!(!output[end..].contains("\u{1b}[?1049h"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_a_key_away_and_q_leaves() {
    let open = Open::new().await;
    open.until("Waiting longest, of 1");
    open.terminal.press("4");
    open.until("Acme/rocket");
    open.terminal.press("\r");
    open.until("every board of pool scw-em-rv1 has work");
    open.terminal.press("q3");
    open.until("w-failed");
    open.terminal.press("\r");
    let story = open.until("out of memory");
    assert!(story.contains("137"), "{story}");
    open.terminal.press("q5");
    open.until("pod_failed");
    open.terminal.press("?");
    open.until("Failures: keys");
    open.terminal.press("\u{1b}");
    wait(&|| "help is closed".into(), || {
        !open.text().contains("Failures: keys")
    });
    open.terminal.press("q");
    open.until("Waiting longest");
    open.terminal.press("q");
    let (output, status) = open.terminal.until_its_end();
    assert!(status.success(), "{status}");
    left_as_it_was(&output);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_follows_what_happens_and_the_size() {
    let mut open = Open::new().await;
    open.terminal.press("4");
    open.until("pending");
    sqlx::query("UPDATE staging.jobs SET status = 'running'")
        .execute(&open.tables.sql)
        .await
        .unwrap();
    open.until("running");
    open.size = (130, 40);
    open.terminal.resize(130, 40);
    open.until("WAITED");
    open.size = (60, 12);
    open.terminal.resize(60, 12);
    wait(&|| open.text(), || {
        !open.text().contains("WAITED") && open.text().contains("4711")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_leave_the_terminal_as_it_was() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        let open = Open::new().await;
        open.until("Waiting longest");
        assert!(!open.terminal.edits_lines(), "keys come one by one");
        kill_process(open.pid(), signal).unwrap();
        wait(&|| format!("{signal:?}"), || open.terminal.edits_lines());
        let (output, _) = open.terminal.until_its_end();
        left_as_it_was(&output);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_screen_gives_the_terminal_back_until_it_goes_on() {
    let open = Open::new().await;
    open.until("Waiting longest");
    open.terminal.press("\u{1a}");
    wait(&|| "stopped".into(), || open.terminal.edits_lines());
    let stopped = format!("/proc/{}/stat", open.pid().as_raw_nonzero());
    wait(&|| "the process is stopped".into(), || {
        std::fs::read_to_string(&stopped).unwrap().contains(") T ")
    });
    wait(&|| "the ordinary screen".into(), || {
        open.terminal.so_far().contains("\u{1b}[?1049l")
    });
    left_as_it_was(&open.terminal.so_far());
    kill_process(open.pid(), Signal::CONT).unwrap();
    wait(&|| "it goes on".into(), || !open.terminal.edits_lines());
    open.terminal.press("4");
    open.until("Acme/rocket");
    open.terminal.press("\u{3}");
    let (output, _) = open.terminal.until_its_end();
    left_as_it_was(&output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_is_told_and_comes_back() {
    let open = Open::new().await;
    open.until("Waiting longest");
    open.terminal.press("4");
    open.until("Acme/rocket");
    let rename = |from: &str, to: &str| format!("ALTER SCHEMA {from} RENAME TO {to}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(rename("staging", "away")))
        .execute(&open.tables.sql)
        .await
        .unwrap();
    let told = open.until("trying again");
    assert!(told.contains("Acme/rocket"), "what was read stays:\n{told}");
    open.terminal.press("3");
    open.until("w-failed");
    sqlx::raw_sql(sqlx::AssertSqlSafe(rename("away", "staging")))
        .execute(&open.tables.sql)
        .await
        .unwrap();
    wait(&|| open.text(), || !open.text().contains("trying again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_to_read_are_enough() {
    let tables = Tables::migrated().await;
    sqlx::raw_sql(ROWS).execute(&tables.sql).await.unwrap();
    let role = format!("reader_{}", std::process::id());
    let grant = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'reading'; GRANT USAGE ON SCHEMA staging TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA staging TO {role}"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(grant))
        .execute(&tables.sql)
        .await
        .unwrap();
    let url = tables.database.url();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, place) = rest.split_once('@').unwrap_or(("", rest));
    let url = format!("{scheme}://{role}:reading@{place}");
    let read = |line: &str| crate::rise::run(line, &[("POSTGRES_URL", url.as_str())]);
    for view in ["overview", "pools", "workers", "jobs", "failures"] {
        let answer = read(&format!("tui --once {view}"));
        assert_eq!(answer.status, 0, "{view}: {}", answer.err);
    }
    let jobs = read("tui --once jobs --json").json();
    assert_eq!(jobs["rows"][0]["job_id"], 4711);
    for line in ["job 4711", "worker w-failed", "events"] {
        let answer = read(line);
        assert_eq!(answer.status, 0, "{line}: {}", answer.err);
    }
    let drop = format!("DROP OWNED BY {role}; DROP ROLE {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop))
        .execute(&tables.sql)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_it_says_what_to_do() {
    let tables = Tables::migrated().await;
    let answer = tables.run("tui");
    assert_eq!(answer.status, 2);
    assert!(answer.err.contains("--once"), "{}", answer.err);
}
