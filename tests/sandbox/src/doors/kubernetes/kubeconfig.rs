//! The file that makes `kubectl` and other clients find the door.

/// The first part of a path that carries the token in place of a header.
pub(super) const TOKEN_PATH: &str = "token";

/// A kubeconfig in YAML for the API server at `server_url`.
///
/// `kubectl` sends no credentials over plain HTTP, so the token stands in the server's path, too; the door accepts it
/// from there as from the header.
#[must_use]
pub fn kubeconfig(server_url: &str, token: &str) -> String {
    let server = format!("{}/{TOKEN_PATH}/{token}", server_url.trim_end_matches('/'));
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         clusters:\n\
         - name: sandbox\n  \
           cluster:\n    \
             server: {server}\n\
         contexts:\n\
         - name: sandbox\n  \
           context:\n    \
             cluster: sandbox\n    \
             user: sandbox\n    \
             namespace: default\n\
         current-context: sandbox\n\
         users:\n\
         - name: sandbox\n  \
           user:\n    \
             token: {token}\n"
    )
}
