//! The private PostgreSQL with the real programs: it serves, it keeps what it should keep, and nothing outlives its owner.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use sandbox::pg::{Data, DatabaseName, Durability, Error, Options, Place, Postgres, TestDatabase};
use sqlx::{Connection, PgConnection};

/// Makes the test binary a process that holds a server; the value says where its data is kept, or is empty.
const HOLD: &str = "RISE_PG_TEST_HOLD";

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "still waiting: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn kept(folder: &Path) -> Options {
    Options {
        data: Data::Kept(folder.to_path_buf()),
        ..Options::for_tests()
    }
}

/// Every process of the server on this data: they all work in that folder.
fn processes_in(data: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = pid else { continue };
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == data) {
            found.push(pid);
        }
    }
    found
}

fn parent_of(pid: i32) -> i32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("PPid:"))
        .unwrap();
    line["PPid:".len()..].trim().parse().unwrap()
}

fn server_process(data: &Path) -> i32 {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().trim().parse().unwrap()
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

async fn number(url: &str, query: &'static str) -> i32 {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let answer = sqlx::query_scalar(query)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    answer
}

async fn execute(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::query(statement)
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

/// A folder that the server's user can enter, as the sandbox would give one.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// Another process that holds a server.
struct Holder {
    process: Child,
    data: PathBuf,
    url: String,
}

impl Holder {
    fn start(keep_in: &str, uid: Option<u32>) -> Self {
        let mut executable = std::env::current_exe().unwrap();
        let mut copy = None;
        if uid.is_some() {
            // The target folder may be closed to that user.
            let folder = open_folder();
            let to = folder.path().join("holder");
            fs::copy(&executable, &to).unwrap();
            executable = to;
            copy = Some(folder);
        }
        let mut command = Command::new(&executable);
        command
            .args(["--exact", "a_held_server", "--nocapture"])
            .env(HOLD, keep_in)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let mut process = command.spawn().unwrap();
        let mut values = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .map(Result::unwrap)
            .filter_map(|line| line.split_once("held ").map(|(_, value)| value.to_owned()));
        let mut next = || {
            values
                .next()
                .unwrap_or_else(|| panic!("the holder did not start"))
        };
        let holder = Self {
            data: PathBuf::from(next()),
            url: next(),
            process,
        };
        drop(copy);
        holder
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Not a test of its own: what [`Holder`] runs. It holds a server until it is killed, or its standard input ends.
#[tokio::test]
async fn a_held_server() {
    let Ok(keep_in) = std::env::var(HOLD) else {
        return;
    };
    let options = if keep_in.is_empty() {
        Options::for_tests()
    } else {
        kept(Path::new(&keep_in))
    };
    let postgres = Postgres::start(options).await.unwrap();
    println!("\nheld {}", postgres.data_folder().display());
    println!("held {}", postgres.url());
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

#[tokio::test]
async fn a_server_answers_and_leaves_nothing() {
    let postgres = Postgres::start(Options::for_tests()).await.unwrap();
    let Place::Temporary(folder) = postgres.place().clone() else {
        panic!("{:?}", postgres.place());
    };
    let data = postgres.data_folder().to_path_buf();
    assert_eq!(number(&postgres.url(), "SELECT 41 + 1").await, 42);
    assert!(!processes_in(&data).is_empty());

    let url = postgres.url();
    let password = url.split(['@', ':']).nth(2).unwrap();
    assert!(!format!("{postgres:?}").contains(password));
    // Without the password nobody comes in, not even from this machine.
    let wrong = url.replace(password, "wrong");
    assert!(PgConnection::connect(&wrong).await.is_err());

    postgres.stop().await.unwrap();
    assert!(processes_in(&data).is_empty());
    assert!(!folder.exists());
}

#[tokio::test]
async fn what_is_only_dropped_goes_too() {
    let postgres = Postgres::start(Options::for_tests()).await.unwrap();
    let data = postgres.data_folder().to_path_buf();
    let folder = postgres.place().folder().to_path_buf();
    drop(postgres);
    wait_until("the folder goes", || !folder.exists());
    assert!(processes_in(&data).is_empty());
}

#[tokio::test]
async fn a_kept_folder_is_used_again() {
    let folder = open_folder();
    let keep = Options {
        durability: Durability::Fsync,
        ..kept(&folder.path().join("not/there/yet"))
    };
    let first = Postgres::start(keep.clone()).await.unwrap();
    assert!(
        matches!(first.place(), Place::Kept(_)),
        "{:?}",
        first.place()
    );
    execute(&first.url(), "CREATE TABLE kept AS SELECT 7 AS n").await;
    first.stop().await.unwrap();

    let second = Postgres::start(keep).await.unwrap();
    assert_eq!(number(&second.url(), "SELECT n FROM kept").await, 7);
    assert_eq!(
        number(
            &second.url(),
            "SELECT (current_setting('fsync') = 'on')::int"
        )
        .await,
        1
    );
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused() {
    let folder = open_folder();
    let first = Postgres::start(kept(folder.path())).await.unwrap();
    let error = Postgres::start(kept(folder.path())).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
    assert_eq!(number(&first.url(), "SELECT 1").await, 1);
    first.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_of_another_version_is_left_alone() {
    let folder = open_folder();
    fs::create_dir(folder.path().join("data")).unwrap();
    let version = folder.path().join("data/PG_VERSION");
    fs::write(&version, "9\n").unwrap();
    let error = Postgres::start(kept(folder.path())).await.unwrap_err();
    assert!(
        error.to_string().contains("data of PostgreSQL 9"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("RISE_PG_BIN"));
    assert_eq!(fs::read_to_string(version).unwrap(), "9\n");
}

#[tokio::test]
async fn an_interrupted_initdb_is_begun_again() {
    let folder = open_folder();
    fs::create_dir(folder.path().join("data.new")).unwrap();
    fs::write(folder.path().join("data.new/half"), "").unwrap();
    fs::write(folder.path().join("initdb-password"), "old").unwrap();
    let postgres = Postgres::start(kept(folder.path())).await.unwrap();
    assert_eq!(number(&postgres.url(), "SELECT 1").await, 1);
    assert!(!folder.path().join("initdb-password").exists());
    let mode = fs::metadata(folder.path().join("password"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn two_at_once_do_not_meet() {
    let (first, second) = tokio::join!(
        Postgres::start(Options::for_tests()),
        Postgres::start(Options::for_tests())
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_ne!(first.port(), second.port());
    execute(&first.url(), "CREATE TABLE mine ()").await;
    execute(&second.url(), "CREATE TABLE mine ()").await;
    first.stop().await.unwrap();
    assert_eq!(number(&second.url(), "SELECT 1").await, 1);
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_keeps_data_and_port() {
    let mut postgres = Postgres::start(Options::for_tests()).await.unwrap();
    let (url, before) = (postgres.url(), server_process(postgres.data_folder()));
    execute(&url, "CREATE TABLE kept AS SELECT 7 AS n").await;
    postgres.restart().await.unwrap();
    assert_ne!(server_process(postgres.data_folder()), before);
    assert_eq!(number(&url, "SELECT n FROM kept").await, 7);
    let folder = postgres.place().folder().to_path_buf();
    postgres.stop().await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn the_death_of_a_server_is_told() {
    let postgres = Postgres::start(Options::for_tests()).await.unwrap();
    let folder = postgres.place().folder().to_path_buf();
    let early = tokio::time::timeout(Duration::from_millis(50), postgres.ended()).await;
    assert!(early.is_err(), "the server lives");
    kill(server_process(postgres.data_folder()));
    let log = tokio::time::timeout(Duration::from_secs(30), postgres.ended())
        .await
        .unwrap();
    assert!(log.contains("ready to accept connections"), "{log}");
    postgres.stop().await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_setting_that_is_wrong_is_shown() {
    let folder = open_folder();
    let options = Options {
        settings: vec![("no_such_setting".to_owned(), "1".to_owned())],
        ..kept(folder.path())
    };
    let error = Postgres::start(options).await.unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    let postgres = Postgres::start(kept(folder.path())).await.unwrap();
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn killing_the_owner_ends_the_server() {
    let holder = Holder::start("", None);
    let data = holder.data.clone();
    assert!(!processes_in(&data).is_empty());
    // Somebody is connected: that must not hold it up.
    let connection = PgConnection::connect(&holder.url).await.unwrap();
    holder.kill();
    wait_until("the server ends", || processes_in(&data).is_empty());
    let folder = data.parent().unwrap();
    wait_until("its temporary folder goes", || !folder.exists());
    drop(connection);
}

#[tokio::test]
async fn what_a_killed_watchdog_leaves_is_stopped_by_the_next_start() {
    let folder = open_folder();
    let holder = Holder::start(folder.path().to_str().unwrap(), None);
    let url = holder.url.clone();
    let server = server_process(&holder.data);
    let data = holder.data.clone();
    execute(&url, "CREATE TABLE kept AS SELECT 7 AS n").await;
    kill(parent_of(server));
    holder.kill();
    assert_eq!(
        number(&url, "SELECT n FROM kept").await,
        7,
        "it is still there"
    );

    let next = Postgres::start(kept(folder.path())).await.unwrap();
    assert_eq!(next.data_folder(), data);
    assert!(!processes_in(&data).contains(&server));
    assert_eq!(number(&next.url(), "SELECT n FROM kept").await, 7);
    next.stop().await.unwrap();
}

#[tokio::test]
async fn the_next_start_may_come_while_the_watchdog_works() {
    let folder = open_folder();
    let holder = Holder::start(folder.path().to_str().unwrap(), None);
    execute(&holder.url, "CREATE TABLE kept AS SELECT 7 AS n").await;
    holder.kill();
    let next = Postgres::start(kept(folder.path())).await.unwrap();
    assert_eq!(number(&next.url(), "SELECT n FROM kept").await, 7);
    next.stop().await.unwrap();
}

#[tokio::test]
async fn a_stale_process_id_is_nobodys_end() {
    let folder = open_folder();
    let postgres = Postgres::start(kept(folder.path())).await.unwrap();
    let pid_file = postgres.data_folder().join("postmaster.pid");
    let content = fs::read_to_string(&pid_file).unwrap();
    postgres.stop().await.unwrap();
    // As after a power cut, when the number belongs to another program: here to one that works in the data folder.
    let mut other = Command::new("sleep")
        .arg("600")
        .current_dir(pid_file.parent().unwrap())
        .spawn()
        .unwrap();
    let rest = content.split_once('\n').unwrap().1;
    fs::write(&pid_file, format!("{}\n{rest}", other.id())).unwrap();

    let postgres = Postgres::start(kept(folder.path())).await.unwrap();
    assert_eq!(number(&postgres.url(), "SELECT 1").await, 1);
    assert!(other.try_wait().unwrap().is_none(), "it was left alone");
    postgres.stop().await.unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test]
async fn a_server_whose_watchdog_was_killed_still_stops() {
    let postgres = Postgres::start(Options::for_tests()).await.unwrap();
    let data = postgres.data_folder().to_path_buf();
    kill(parent_of(server_process(&data)));
    assert_eq!(number(&postgres.url(), "SELECT 1").await, 1);
    let folder = postgres.place().folder().to_path_buf();
    postgres.stop().await.unwrap();
    assert!(processes_in(&data).is_empty());
    assert!(!folder.exists());
}

#[tokio::test]
async fn an_ordinary_user_has_one_too() {
    // If we are one ourselves, all the other tests show it.
    if !geteuid().is_root() {
        return;
    }
    const NOBODY: u32 = 65534;
    let holder = Holder::start("", Some(NOBODY));
    assert_eq!(number(&holder.url, "SELECT 1").await, 1);
    let status =
        fs::read_to_string(format!("/proc/{}/status", server_process(&holder.data))).unwrap();
    assert!(status.contains(&format!("Uid:\t{NOBODY}")), "{status}");
    let data = holder.data.clone();
    holder.kill();
    wait_until("the server ends", || processes_in(&data).is_empty());
}

#[tokio::test]
async fn data_goes_elsewhere_when_the_servers_user_may_not_enter() {
    // Only root runs it as another user.
    if !geteuid().is_root() {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let wanted = closed.path().join("data");
    let postgres = Postgres::start(kept(&wanted)).await.unwrap();
    let Place::TemporaryInstead {
        wanted: told,
        folder,
    } = postgres.place().clone()
    else {
        panic!("{:?}", postgres.place());
    };
    assert_eq!(told, fs::canonicalize(&wanted).unwrap());
    assert!(postgres.data_folder().starts_with(&folder));
    assert_eq!(number(&postgres.url(), "SELECT 1").await, 1);
    postgres.stop().await.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn databases_are_made_and_removed() {
    let postgres = Postgres::start(Options::for_tests()).await.unwrap();
    let name = DatabaseName::parse("another_one").unwrap();
    let url = postgres.create_database(&name).await.unwrap();
    let again = postgres.create_database(&name).await.unwrap_err();
    assert!(
        again.to_string().contains("create database another_one"),
        "{again}"
    );
    let open = PgConnection::connect(&url).await.unwrap();
    postgres.drop_database(&name).await.unwrap();
    assert!(PgConnection::connect(&url).await.is_err());
    drop(open);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let first = TestDatabase::create().await.unwrap();
    let second = TestDatabase::create().await.unwrap();
    assert_ne!(first.name(), second.name());
    execute(first.url(), "CREATE TABLE mine ()").await;
    execute(second.url(), "CREATE TABLE mine ()").await;
    let url = first.url().to_owned();
    let open = PgConnection::connect(&url).await.unwrap();
    drop(first);
    assert!(PgConnection::connect(&url).await.is_err());
    assert_eq!(number(second.url(), "SELECT 1").await, 1);
    drop(open);
}
