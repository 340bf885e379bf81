//! The door through the real `kubectl`. Where it is not installed these tests say so and pass.

use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::*;

struct Kubectl {
    home: tempfile::TempDir,
}

impl Kubectl {
    /// Nothing when there is no `kubectl`.
    fn on(open: &Open) -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        if !std::env::split_paths(&path).any(|folder| folder.join("kubectl").is_file()) {
            eprintln!("kubectl is not on PATH: what it makes of the door was not checked");
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("kubeconfig"), kubeconfig(&open.url, TOKEN)).unwrap();
        Some(Self { home })
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(line.split(' '))
            .env("KUBECONFIG", self.home.path().join("kubeconfig"))
            .env("HOME", self.home.path())
            .env("KUBECACHEDIR", self.home.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    async fn output(&self, line: &str) -> Output {
        soon(self.command(line).output()).await.unwrap()
    }

    /// What a command prints that must succeed.
    async fn run(&self, line: &str) -> String {
        let output = self.output(line).await;
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "kubectl {line}: {out}{err}");
        out.into_owned()
    }

    fn start(
        &self,
        line: &str,
    ) -> (
        Child,
        tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    ) {
        let mut child = self.command(line).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        (child, lines)
    }

    async fn apply(&self, verb: &str, document: &Value) -> String {
        let path = self.home.path().join("document.json");
        std::fs::write(&path, document.to_string()).unwrap();
        self.run(&format!("{verb} -f {}", path.display())).await
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[tokio::test]
async fn get_prints_pods_nodes_and_events() {
    let open = Open::new().await;
    let Some(kubectl) = Kubectl::on(&open) else {
        return;
    };
    open.lasting("a").await;
    let pods = kubectl.run("get pods").await;
    let lines: Vec<_> = pods.lines().map(words).collect();
    assert_eq!(lines[0], ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    assert_eq!(lines[1][..4], ["a", "1/1", "Running", "0"]);
    let nodes = kubectl.run("get nodes -o wide").await;
    assert!(nodes.lines().nth(1).unwrap().contains("v1.35.0"), "{nodes}");
    let selected = kubectl
        .run("get nodes -l riseproject.dev/board=cloudv10x-jupiter --no-headers")
        .await;
    assert_eq!(words(&selected)[..3], ["riscv-runner-3", "Ready", "<none>"]);
    assert!(
        kubectl
            .run("get events")
            .await
            .contains("Started container runner")
    );
    assert!(kubectl.run("get pods -A -o name").await.contains("pod/a"));
    let phase = kubectl.run("get pod a -o jsonpath={.status.phase}").await;
    assert_eq!(phase, "Running");
    let missing = kubectl.output("get pod b").await;
    assert!(
        String::from_utf8_lossy(&missing.stderr)
            .contains("Error from server (NotFound): pods \"b\" not found")
    );
}

#[tokio::test]
async fn describe_tells_a_pod_and_a_node() {
    let open = Open::new().await;
    let Some(kubectl) = Kubectl::on(&open) else {
        return;
    };
    open.lasting("a").await;
    let pod = kubectl.run("describe pod a").await;
    for part in [
        "riseproject.dev/board=scw-em-rv1",
        "Successfully assigned default/a",
        "riseproject.com/runner:  1",
        "Status:           Running",
    ] {
        assert!(pod.contains(part), "{part} is missing in\n{pod}");
    }
    let board = open
        .world
        .read(|world| world.cluster.pod("a").unwrap().node.unwrap());
    let node = kubectl.run(&format!("describe node {board}")).await;
    for part in [
        "riscv64",
        "KubeletReady",
        "riseproject.com/runner",
        "default                     a",
    ] {
        assert!(node.contains(part), "{part} is missing in\n{node}");
    }
}

#[tokio::test]
async fn logs_are_printed_and_followed() {
    let open = Open::new().await;
    let Some(kubectl) = Kubectl::on(&open) else {
        return;
    };
    open.create(&pod("a")).await;
    open.until_phase("a", Some(Phase::Running)).await;
    let followed = kubectl.run("logs -f a").await;
    assert!(
        followed.contains("registration has been deleted"),
        "{followed}"
    );
    assert_eq!(kubectl.run("logs a").await, followed);
    assert_eq!(kubectl.run("logs --tail=2 a").await.lines().count(), 2);
}

#[tokio::test]
async fn delete_waits_until_the_pod_is_gone() {
    let open = Open::new().await;
    let Some(kubectl) = Kubectl::on(&open) else {
        return;
    };
    open.lasting("a").await;
    assert!(kubectl.run("delete pod a").await.contains("deleted"));
    open.until_phase("a", None).await;
}

#[tokio::test]
async fn cordon_drain_and_label_change_a_node() {
    let open = Open::new().await;
    let Some(kubectl) = Kubectl::on(&open) else {
        return;
    };
    open.lasting("a").await;
    let board = open
        .world
        .read(|world| world.cluster.pod("a").unwrap().node.unwrap());
    kubectl.run(&format!("cordon {board}")).await;
    assert!(
        kubectl
            .run(&format!("get node {board}"))
            .await
            .contains("Ready,SchedulingDisabled")
    );
    kubectl.run(&format!("drain {board} --force")).await;
    open.until_phase("a", None).await;
    kubectl.run(&format!("uncordon {board}")).await;
    kubectl.run(&format!("label node {board} colour=red")).await;
    assert!(
        kubectl
            .run("get nodes -l colour=red -o name")
            .await
            .contains(&board)
    );
    kubectl.run(&format!("delete node {board}")).await;
    assert_eq!(kubectl.run("get nodes -o name").await.lines().count(), 2);
}

#[tokio::test]
async fn get_can_watch() {
    let open = Open::new().await;
    let Some(kubectl) = Kubectl::on(&open) else {
        return;
    };
    open.lasting("a").await;
    let (_child, mut lines) = kubectl.start("get pods -w");
    let mut next = async || soon(lines.next_line()).await.unwrap().unwrap();
    assert_eq!(words(&next().await)[0], "NAME");
    assert_eq!(words(&next().await)[..3], ["a", "1/1", "Running"]);
    open.create(&pod("b")).await;
    let mut seen = String::new();
    while !seen.starts_with("b") || !seen.contains("Completed") {
        seen = next().await;
    }
}

#[tokio::test]
async fn a_pod_can_be_made_and_patched() {
    let open = Open::new().await;
    let Some(kubectl) = Kubectl::on(&open) else {
        return;
    };
    open.world
        .with(|world| world.cluster.next_pod_behaves(Behaviour::NeverRegisters));
    assert!(
        kubectl
            .apply("create", &pod("a"))
            .await
            .contains("pod/a created")
    );
    open.until_phase("a", Some(Phase::Running)).await;
    kubectl.run("annotate pod a riseproject.dev/note=x").await;
    kubectl
        .run("patch pod a -p {\"spec\":{\"activeDeadlineSeconds\":1}}")
        .await;
    open.until_phase("a", Some(Phase::Failed)).await;
    assert!(
        kubectl.run("get pod a").await.contains("DeadlineExceeded")
            || kubectl.run("get pod a").await.contains("Error")
    );
}
