//! kubectl against the pretend cluster.

use std::process::{Command, Stdio};

use super::{Sandbox, Terminal, until};

#[expect(clippy::print_stderr, reason = "a test that looks at nothing says so")]
fn has_kubectl() -> bool {
    let found = Command::new("kubectl")
        .args(["version", "--client"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        eprintln!("kubectl is not on PATH: what it would see was not looked at");
    }
    found
}

/// A pod whose runner has done its job.
fn finished_pod(terminal: &Terminal) -> String {
    let ask =
        "kubectl get pods --no-headers -o custom-columns=NAME:.metadata.name,PHASE:.status.phase";
    until("a pod is done", || {
        let pods = terminal.out(ask);
        let done = pods.lines().find(|line| line.ends_with("Succeeded"))?;
        Some(done.split_whitespace().next()?.to_owned())
    })
}

#[test]
fn kubectl_looks_at_pods_and_removes_one() {
    if !has_kubectl() {
        return;
    }
    let mut sandbox = Sandbox::start("");
    let terminal = sandbox.joined();
    let pod = finished_pod(&terminal);

    let both = terminal.out("kubectl get pods,nodes");
    let line = |name: &str| {
        both.lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {both}"))
    };
    assert!(line(&format!("pod/{pod} ")).contains("Completed"), "{both}");
    for board in 1..=8 {
        assert!(
            line(&format!("node/riscv-runner-{board} ")).contains("Ready"),
            "{both}"
        );
    }

    let log = terminal.out(&format!("kubectl logs {pod}"));
    assert!(
        log.contains("Running job: ") && log.contains("completed with result: "),
        "{log}"
    );

    let described = terminal.out(&format!("kubectl describe pod {pod}"));
    for part in [
        "Status:",
        "Succeeded",
        "Node:",
        "riscv-runner-",
        "Events:",
        "Scheduled",
        "riseproject.dev/board=",
    ] {
        assert!(described.contains(part), "{part} is not in {described}");
    }

    let deleted = terminal.out(&format!("kubectl delete pod {pod}"));
    assert!(
        deleted.contains(&format!("pod \"{pod}\" deleted")),
        "{deleted}"
    );
    let gone = terminal.sh(&format!("kubectl get pod {pod}"));
    assert_eq!(gone.status, 1);
    assert!(gone.err.contains("NotFound"), "{}", gone.err);

    // The replaced service's recipe for all finished pods at once.
    terminal.out(
        "kubectl delete pods -l app=rise-riscv-runner \
         --field-selector=status.phase!=Running,status.phase!=Pending,status.phase!=Unknown",
    );
}
