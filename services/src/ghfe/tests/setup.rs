//! The setup pages, against the pretend GitHub: what GitHub says and what a person reads.

use std::sync::OnceLock;

use rise_model::EntityKind;
use sandbox::doors::faults::Fault;
use sandbox::doors::github::AppKeys;
use sandbox::doors::{Doors, DoorsConfig};
use sandbox::world::WorldConfig;
use sandbox::world::cluster::ClusterConfig;
use sandbox::world::github::{AccountConfig, AppKind, GitHubConfig};

use super::*;
use crate::config::GitHubSection;
use crate::github::AppClient;

const HOSTILE: &str = "<script>x</script>";
const NO_ACCESS: &str = "default-src 'none'; style-src 'sha256-";

/// ghfe beside a pretend GitHub.
struct Installed {
    world: World,
    doors: Doors,
}

/// A page as it came.
struct Shown {
    status: u16,
    headers: http::HeaderMap,
    html: String,
}

impl Shown {
    #[track_caller]
    fn says(&self, status: u16, phrases: &[&str]) {
        assert_eq!(self.status, status, "{}", self.html);
        for phrase in phrases {
            assert!(self.html.contains(phrase), "{phrase}: {}", self.html);
        }
    }
}

/// The keys, made once for all tests of a process.
fn keys() -> AppKeys {
    static KEYS: OnceLock<AppKeys> = OnceLock::new();
    KEYS.get_or_init(|| AppKeys::generate().unwrap()).clone()
}

fn client(doors: &Doors, kind: EntityKind, call_timeout: Span) -> AppClient {
    let keys = doors.github().keys();
    let key = keys.private_pem(match kind {
        EntityKind::Organization => AppKind::Organization,
        EntityKind::User => AppKind::Personal,
    });
    let section = GitHubSection {
        call_timeout,
        token_reuse_until: Span::seconds(60),
    };
    AppClient::new(
        doors.github_url(),
        kind,
        config().apps,
        &key.to_owned().into(),
        section,
    )
    .unwrap()
}

impl Installed {
    async fn new() -> Self {
        Self::with(Span::seconds(20), |_, _| {}).await
    }

    async fn with(
        call_timeout: Span,
        change: impl FnOnce(&mut GhfeConfig, &mut SetupApps),
    ) -> Self {
        let mut github = GitHubConfig::quiet();
        github.accounts.extend([
            AccountConfig::organization(21_003_710, "pytorch", &["pytorch"]),
            AccountConfig::organization(666, HOSTILE, &["x"]),
        ]);
        let mut doors = DoorsConfig::new(WorldConfig {
            github,
            cluster: ClusterConfig::default(),
            seed: 5,
        });
        doors.github.delay = None;
        doors.keys = Some(keys());
        let doors = Doors::start(doors).await.unwrap();
        let mut apps = SetupApps {
            organization: Some(client(&doors, EntityKind::Organization, call_timeout)),
            personal: Some(client(&doors, EntityKind::User, call_timeout)),
        };
        let mut config = config();
        change(&mut config, &mut apps);
        let database = TestDatabase::create().await;
        let service =
            Service::start_with(apps, database.store(), |default| *default = config).await;
        Self {
            world: World { database, service },
            doors,
        }
    }

    /// The installation of an App on an account; made if there is none.
    fn installation(&self, login: &str, app: AppKind) -> i64 {
        self.doors.world().with(|world| {
            let now = world.now();
            let account = world.github.account(login).unwrap().id;
            let app_id = match app {
                AppKind::Organization => config().apps.organization.0,
                AppKind::Personal => config().apps.personal.0,
            };
            let there = world.github.installation_on(account, app_id);
            match there.map(|installation| installation.id) {
                Some(id) => id.0,
                None => world.github.install(login, app, now).unwrap().0,
            }
        })
    }

    async fn page(&self, path: &str) -> Shown {
        let service = &self.world.service;
        let url = format!("{}{path}", service.base);
        let response = service.client.get(url).send().await.unwrap();
        Shown {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            html: response.text().await.unwrap(),
        }
    }

    async fn asked_on(&self, word: &str, id: i64) -> Shown {
        self.page(&format!(
            "/setup/{word}?installation_id={id}&setup_action=install"
        ))
        .await
    }
}

#[tokio::test]
async fn the_right_app_is_told_what_to_do_next() {
    let it = Installed::new().await;
    let organization = it.installation("pytorch", AppKind::Organization);
    it.asked_on("org", organization).await.says(
        200,
        &[
            "<h1>All set, pytorch!</h1>",
            "runs-on: ubuntu-24.04-riscv",
            "organization app is installed on <code>pytorch</code>",
        ],
    );
    let personal = it.installation("sandbox-ada", AppKind::Personal);
    it.asked_on("personal", personal).await.says(
        200,
        &["All set, sandbox-ada!", "runs-on: ubuntu-24.04-riscv"],
    );
}

#[tokio::test]
async fn without_a_number_nobody_is_asked() {
    let it = Installed::new().await;
    for path in [
        "/setup/org",
        "/setup/org?installation_id=",
        "/setup/org?installation_id=abc",
        "/setup/personal?setup_action=request",
    ] {
        it.page(path).await.says(400, &["Missing installation id"]);
    }
    assert!(it.doors.github().requests().is_empty());
}

#[tokio::test]
async fn an_unknown_installation_leads_to_the_other_app() {
    let it = Installed::new().await;
    for (word, other) in [("org", "install-personal"), ("personal", "install-org")] {
        it.asked_on(word, 987_654).await.says(
            404,
            &[
                "Installation not found for this app",
                "<code>987654</code>",
                &format!("href=\"https://example.com/{other}\""),
            ],
        );
    }
    // An installation of the other App is none of this one.
    let organization = it.installation("pytorch", AppKind::Organization);
    let page = it.asked_on("personal", organization).await;
    page.says(404, &["Installation not found for this app"]);
    assert!(!page.html.contains("pytorch"));
}

#[tokio::test]
async fn the_wrong_app_leads_to_the_right_one() {
    let it = Installed::new().await;
    let on_user = it.installation("sandbox-ada", AppKind::Organization);
    it.asked_on("org", on_user).await.says(
        400,
        &[
            "You installed the organization app on a personal account",
            "<code>sandbox-ada</code>",
            "href=\"https://example.com/install-personal\"",
        ],
    );
    let on_organization = it.installation("pytorch", AppKind::Personal);
    it.asked_on("personal", on_organization).await.says(
        400,
        &[
            "You installed the personal app on an organization",
            "<code>pytorch</code>",
            "href=\"https://example.com/install-org\"",
        ],
    );
}

#[tokio::test]
async fn github_s_trouble_is_no_verdict() {
    let it = Installed::with(Span::millis(300), |_, _| {}).await;
    let id = it.installation("pytorch", AppKind::Organization);
    for (status, shown) in [(500, "500"), (502, "502"), (401, "401"), (429, "429")] {
        let status = StatusCode::from_u16(status).unwrap();
        let fault = Fault::Refuse(status, json!({ "message": "secret words" }));
        let _armed = it.doors.github().faults().arm("get_installation", fault, 1);
        let page = it.asked_on("org", id).await;
        let code = format!("<code>{shown}</code>");
        page.says(502, &["Something went wrong", &code]);
        assert!(!page.html.contains("secret words"));
    }
    let held = it
        .doors
        .github()
        .faults()
        .arm("get_installation", Fault::Hold, 1);
    it.asked_on("org", id)
        .await
        .says(502, &["Something went wrong", "<code>0</code>"]);
    drop(held);
    let lost = it
        .doors
        .github()
        .faults()
        .arm("get_installation", Fault::LoseAnswer, 1);
    it.asked_on("org", id)
        .await
        .says(502, &["Something went wrong", "<code>0</code>"]);
    drop(lost);
}

#[tokio::test]
async fn a_hostile_login_is_only_text() {
    let it = Installed::new().await;
    let organization = it.installation(HOSTILE, AppKind::Organization);
    let personal = it.installation(HOSTILE, AppKind::Personal);
    for (word, id, status) in [("org", organization, 200), ("personal", personal, 400)] {
        let page = it.asked_on(word, id).await;
        page.says(status, &["script&#62;x&#60;/script"]);
        assert!(!page.html.contains("<script"), "{}", page.html);
    }
}

#[tokio::test]
async fn a_suspended_installation_is_not_all_set() {
    let it = Installed::new().await;
    let id = it.installation("pytorch", AppKind::Organization);
    it.doors.world().with(|world| {
        let now = world.now();
        world.github.suspend("pytorch", now).unwrap();
    });
    it.asked_on("org", id)
        .await
        .says(200, &["The app is suspended on pytorch"]);
}

#[tokio::test]
async fn without_a_key_the_page_says_that_it_cannot_know() {
    let it = Installed::with(Span::seconds(20), |_, apps| apps.personal = None).await;
    let id = it.installation("sandbox-ada", AppKind::Personal);
    let page = it.asked_on("personal", id).await;
    page.says(
        503,
        &["This cannot be checked now", "is not set up to ask GitHub"],
    );
    assert_eq!(page.headers["retry-after"], "60");
    assert!(it.doors.github().requests().is_empty());
    let organization = it.installation("pytorch", AppKind::Organization);
    it.asked_on("org", organization).await.says(200, &[]);
}

#[tokio::test]
async fn a_crowd_cannot_use_up_what_github_allows() {
    let it = Installed::with(Span::seconds(20), |config, _| {
        config.setup.lookups_per_minute = 3;
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(it.asked_on("org", 987_654).await.status);
    }
    // A minute may end on the way, on a machine that is slow enough.
    assert_eq!(statuses[..3], [404; 3]);
    assert!(statuses[3..].contains(&503), "{statuses:?}");
    it.asked_on("org", 1)
        .await
        .says(503, &["This cannot be checked now"]);
    it.page("/setup/org").await.says(400, &[]);
}

#[tokio::test]
async fn the_page_lets_nothing_in() {
    let it = Installed::new().await;
    for path in ["/setup/org", "/setup/org?installation_id=987654"] {
        let page = it.page(path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with(NO_ACCESS), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        // The hash is that of the stylesheet as the page has it.
        let (_, style) = page.html.split_once("<style>").unwrap();
        let (style, _) = style.split_once("</style>").unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
        let hash = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, hash);
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    }
}

#[tokio::test]
async fn other_words_and_methods_are_those_of_the_webhook() {
    let it = Installed::new().await;
    let page = it.page("/setup/other?installation_id=1").await;
    assert_eq!(page.status, 405);
    let service = &it.world.service;
    let posted = service
        .send_to("/setup/org", Delivery::of("ping", "{}"))
        .await;
    posted.is(200, "pong");
}

#[tokio::test]
async fn no_delivery_asks_github_anything() {
    let it = Installed::new().await;
    for word in ["queued", "in_progress", "completed"] {
        let answer = it.world.send(Delivery::job(&action(word))).await;
        assert_eq!(answer.status, 200);
    }
    let account = json!({ "id": 1, "target_id": 99, "target_type": "Organization", "account": { "login": "org" } });
    let created = json!({ "action": "created", "installation": account });
    let answer = it
        .world
        .send(Delivery::json("installation", &created))
        .await;
    assert_eq!(answer.status, 200);
    assert!(it.doors.github().requests().is_empty());
}
