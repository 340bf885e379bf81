//! However it ends, no process of it stays; if it may, it leaves no file either.

use super::{Process, Sandbox, inside, until, until_gone};

/// Everything that belongs to a sandbox that answers: its two services and its database are among them.
fn family(sandbox: &Sandbox) -> Vec<Process> {
    until("both services and the database run", || {
        let family = Process::below(sandbox.pid());
        let named = |name: &str| family.iter().filter(|process| process.name == name).count();
        (named("rise") == 2 && named("postgres") > 1).then_some(family)
    })
}

#[test]
fn ctrl_c_ends_it_with_a_report_and_leaves_nothing() {
    let mut sandbox = Sandbox::start("");
    sandbox.joined();
    sandbox.until("a job's whole story", |story| {
        let whole = [
            "stored",
            "is reserved for",
            "is made",
            "runs on",
            "marked running",
            "completed",
            "is done",
        ];
        whole.iter().all(|part| story.contains(part)).then_some(())
    });
    sandbox.until("how it stands", |story| {
        story.contains("  so far ").then_some(())
    });
    let family = family(&sandbox);
    sandbox.signal("INT");
    let status = sandbox.ended();
    let (story, err) = (sandbox.out.text(), sandbox.err.text());
    assert_eq!(status, Some(0), "{story}\n{err}");
    let (_, report) = story.split_once("\nReport\n").expect(&story);
    for line in [
        "jobs in\t",
        "done\t",
        "lost\t0\n",
        "leaked pods\t0\n",
        "leaked runners\t0\n",
    ] {
        assert!(report.contains(line), "{line:?} is not in {report}");
    }
    assert_eq!(err, "");
    until_gone(&family);
    assert_eq!(
        inside(sandbox.temporary.path()),
        Vec::<std::path::PathBuf>::new()
    );
}

#[test]
fn ctrl_c_before_its_time_is_told_by_the_status() {
    let mut sandbox = Sandbox::start("--no-traffic --exit-after 1h");
    sandbox.joined();
    sandbox.signal("INT");
    assert_eq!(sandbox.ended(), Some(4), "{}", sandbox.err.text());
}

#[test]
fn killed_it_leaves_no_service_and_no_database() {
    let mut sandbox = Sandbox::start("");
    sandbox.joined();
    let family = family(&sandbox);
    sandbox.signal("KILL");
    assert_eq!(sandbox.ended(), None);
    until_gone(&family);
}
