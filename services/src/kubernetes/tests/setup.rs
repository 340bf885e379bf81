//! What is wrong with a kubeconfig.

use std::error::Error;
use std::path::PathBuf;

use super::support::{open, section};
use crate::kubernetes::{KubeSource, Kubernetes, KubernetesErrorKind, KubernetesSetupError};

async fn refused(text: &str) -> KubernetesSetupError {
    let source = KubeSource::Text(text.to_owned().into());
    Kubernetes::new(&source, "default", section())
        .await
        .unwrap_err()
}

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: me, user: {token: "s3cret-token"}}]
"#;

#[tokio::test]
async fn a_bad_kubeconfig_is_named_with_what_to_do_and_never_quoted() {
    let not_yaml = refused("users: [{token: s3cret-token").await;
    insta::assert_snapshot!(not_yaml, @"K8S_KUBECONFIG is not a kubeconfig");
    let mut chain = format!("{not_yaml:?} {not_yaml}");
    let mut source: Option<&dyn Error> = not_yaml.source();
    while let Some(cause) = source {
        chain.push_str(&cause.to_string());
        source = cause.source();
    }
    assert!(!chain.contains("s3cret"), "{chain}");

    let no_context = refused(&KUBECONFIG.replace("current-context: here", "")).await;
    insta::assert_snapshot!(no_context, @"K8S_KUBECONFIG names no current context");
    let empty = refused("").await;
    assert!(
        matches!(empty, KubernetesSetupError::NoCurrentContext { .. }),
        "{empty}"
    );
    let other =
        refused(&KUBECONFIG.replace("current-context: here", "current-context: gone")).await;
    insta::assert_snapshot!(other, @"K8S_KUBECONFIG is incomplete");
    assert!(other.source().unwrap().to_string().contains("gone"));
    for error in [not_yaml, no_context, empty, other] {
        assert!(!error.hint().is_empty());
    }
}

#[tokio::test]
async fn a_kubeconfig_is_read_from_a_file_too() {
    let folder = std::env::temp_dir().join(format!("rise-kubeconfig-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("config");
    let missing = Kubernetes::new(&KubeSource::Path(path.clone()), "default", section()).await;
    let missing = missing.unwrap_err();
    assert!(
        matches!(missing, KubernetesSetupError::Unreadable { .. }),
        "{missing}"
    );
    assert!(missing.to_string().contains(&path.display().to_string()));
    std::fs::write(&path, KUBECONFIG).unwrap();
    Kubernetes::new(&KubeSource::Path(path), "default", section())
        .await
        .unwrap();
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn an_unreachable_cluster_is_told_at_the_first_call() {
    let source = KubeSource::Text(KUBECONFIG.to_owned().into());
    assert_eq!(
        KubeSource::Path(PathBuf::from("/x/config")).to_string(),
        "/x/config"
    );
    assert!(!format!("{source:?}").contains("s3cret"));
    let cluster = Kubernetes::new(&source, "default", section())
        .await
        .unwrap();
    let error = cluster.version().await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::Transport(_)),
        "{error}"
    );
    assert!(error.source().is_some(), "the cause is chained");
    assert!(error.is_dependency_trouble() && error.hint().contains("server's address"));
}

#[tokio::test]
async fn wrong_credentials_and_missing_rights_are_told_apart() {
    let it = open().await;
    assert!(it.cluster.version().await.unwrap().starts_with('v'));
    it.doors
        .world()
        .with(|world| world.cluster.set_forbidden("list", "nodes", true));
    let error = it.cluster.list_nodes().await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::Forbidden { .. }),
        "{error}"
    );
    let stale = it
        .doors
        .kubernetes()
        .kubeconfig()
        .replace(it.doors.kubernetes().token(), "expired");
    let source = KubeSource::Text(stale.into());
    let cluster = Kubernetes::new(&source, "default", section())
        .await
        .unwrap();
    let error = cluster.list_pods().await.unwrap_err();
    assert!(
        matches!(error.kind(), KubernetesErrorKind::Unauthorized),
        "{error}"
    );
}
