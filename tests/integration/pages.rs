//! The scheduler's pages in a real browser, and its metrics in Prometheus' own checker, where these are installed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{Given, ORG_REPO, Rig, holds};

const PAGES: [&str; 6] = [
    "/usage",
    "/jobs",
    "/workers",
    "/jobs?status=pending&entity=9",
    "/workers?worker=long",
    "/workers?status=failed&per_page=1",
];
/// A phone and a desk.
const WIDTHS: [u32; 2] = [390, 1440];

/// Rows with words of strangers that have no place to break, and with scripts in them.
const HOSTILE: &str = r#"
    INSERT INTO jobs (job_id, status, provider, entity_id, entity_name, entity_type, repo_full_name, installation_id,
        job_labels, k8s_pool, k8s_image, k8s_pod, html_url, job_name, sender_login, waiting_reason, failure_info)
    SELECT n, (CASE WHEN n < 3 THEN 'pending' ELSE 'failed' END)::status_enum, 'github', 9, e, 'User', e, 1,
        jsonb_build_array(e, e), e, e, e, 'https://example.com/' || e, e, e, 'paused:' || e,
        jsonb_build_object('version', 2, 'reason', e, 'message', e)
    FROM (SELECT repeat('x', 300) || '<script>document.title = 1</script>' || U&'\202E' AS e) AS evil,
        generate_series(1, 4) AS n;
    INSERT INTO workers (pod_name, status, provider, entity_id, entity_name, entity_type, installation_id,
        job_labels, k8s_pool, k8s_image, k8s_node, condemned_reason, failure_info)
    SELECT n, 'failed', 'github', 9, e, 'User', 1, jsonb_build_array(e), e, e, e, e,
        jsonb_build_object('version', 2, 'reason', e, 'pod_message', e, 'containers', jsonb_build_object(e,
          jsonb_build_object('exit_code', 1, 'logs', e)), 'events', jsonb_build_array(jsonb_build_object('reason', e)))
    FROM (SELECT repeat('y', 300) || '<img src=x onerror=alert(1)>' AS e) AS evil,
        (VALUES ('long'), ('other')) AS names(n);
    INSERT INTO alerts (name, subject, text) SELECT e, e, e FROM (SELECT repeat('z', 300) AS e) AS evil;"#;

async fn busy() -> Rig {
    let rig = Rig::start(Given::boards(2)).await;
    for _ in 0..3 {
        rig.push_long(ORG_REPO);
    }
    rig.until("a job runs and one waits", async || {
        let jobs = rig.jobs().await;
        let count = |status| jobs.iter().filter(|job| job.status == status).count();
        holds(count("running") == 2 && count("pending") == 1, jobs.len())
    })
    .await;
    sqlx::raw_sql(HOSTILE).execute(&rig.sql).await.unwrap();
    rig
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|program| program.is_file())
}

#[expect(
    clippy::print_stderr,
    reason = "whoever runs the tests should know what was not looked at"
)]
fn not_installed(what: &str) {
    eprintln!("{what} is not installed: its part of this test is left out");
}

/// What a browser without a window makes of an address: the document in the end, and what it complained of.
fn browsed(browser: &Path, profile: &Path, width: u32, address: &str) -> (String, String) {
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ])
        .args(["--hide-scrollbars", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={},1000", width.max(600)))
        .arg(address)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A page in a frame of that width, with a line that tells how wide it would like to be.
fn measured(page: &str, width: u32) -> String {
    let probe = "<script>addEventListener('load', () => { parent.document.title = 'wide ' + \
        document.documentElement.scrollWidth; })</script></body>";
    let page = page.replace("</body>", probe);
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        r#"<!doctype html><body style="margin:0"><iframe style="border:0;width:{width}px;height:900px" srcdoc="{page}"></iframe>"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_whole_in_a_browser_and_never_too_wide() {
    let rig = busy().await;
    let browser = installed(&["chromium", "chromium-browser", "google-chrome"]);
    if browser.is_none() {
        not_installed("Chromium");
    }
    let folder = TempDir::new().unwrap();
    for path in PAGES {
        let url = format!("{}{path}", rig.scheduler().url());
        let answer = client().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let page = answer.text().await.unwrap();
        assert!(page.trim_end().ends_with("</html>"), "{path}");
        let Some(browser) = &browser else { continue };
        let (shown, complaints) = browsed(browser, folder.path(), 1440, &url);
        for place in ["Usage", "Jobs", "Workers"] {
            assert!(shown.contains(&format!(">{place}</a>")), "{path}: {shown}");
        }
        assert!(
            shown.contains(" - Staging</title>"),
            "{path}: a script ran: {shown}"
        );
        for complaint in ["Content Security Policy", "Refused to", "CONSOLE"] {
            assert!(!complaints.contains(complaint), "{path}: {complaints}");
        }
        for width in WIDTHS {
            let file = folder.path().join("measured.html");
            std::fs::write(&file, measured(&page, width)).unwrap();
            let address = format!("file://{}", file.display());
            let (shown, complaints) = browsed(browser, folder.path(), width, &address);
            assert!(
                shown.contains(&format!("<title>wide {width}</title>")),
                "{path} at {width}: {} {complaints}",
                shown.chars().take(300).collect::<String>()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_as_prometheus_wants_them() {
    let mut rig = busy().await;
    let url = format!("{}/metrics", rig.scheduler().url());
    let text = client()
        .get(&url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for (metric, what) in [
        ("rise_leader 1", "who leads"),
        (
            "rise_actions_total{kind=\"create_pod\",outcome=\"done\"} 2",
            "actions",
        ),
        (
            "rise_github_calls_total{operation=\"create_jit_config\",answer=\"success\"} 2",
            "calls of GitHub",
        ),
        (
            "rise_github_budget_remaining_calls ",
            "what is left of them",
        ),
        ("rise_slots{pool=\"scw-em-rv1\",state=\"busy\"} 2", "slots"),
        (
            "rise_queue_jobs{pool=\"scw-em-rv1\",reason=\"no_free_board\"} 1",
            "the queue",
        ),
    ] {
        assert!(text.contains(metric), "{what}: {metric} is not in {text}");
    }
    // Intake adds what it counted when it ends.
    rig.restart_ghfe();
    let text = client()
        .get(&url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        text.contains("rise_webhook_deliveries_total{outcome=\"job_stored\"} 3"),
        "{text}"
    );
    let Some(promtool) = installed(&["promtool"]) else {
        not_installed("promtool");
        return;
    };
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}
