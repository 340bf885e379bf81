//! The door as the doors serve it, beside GitHub's.

use super::*;
use crate::doors::{Doors, DoorsConfig};

#[tokio::test]
async fn a_shutdown_ends_open_watches() {
    let config = WorldConfig {
        github: GitHubConfig::quiet(),
        cluster: ClusterConfig::default(),
        seed: 1,
    };
    let doors = Doors::start(DoorsConfig::new(config)).await.unwrap();
    let kubernetes = doors.kubernetes();
    let kubeconfig = kubernetes.kubeconfig();
    assert!(kubeconfig.contains(kubernetes.url()) && kubeconfig.contains(kubernetes.token()));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/nodes?watch=true", kubernetes.url());
    let request = http.get(url).bearer_auth(kubernetes.token());
    let mut watch = soon(request.send()).await.unwrap();
    let first = soon(watch.chunk()).await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"object\":"));
    let drained = async { while watch.chunk().await.unwrap().is_some() {} };
    let (ended, ()) = soon(async { tokio::join!(doors.shutdown(), drained) }).await;
    ended.unwrap();
}
