//! What can go wrong in a call of Kubernetes, so that a caller can branch on it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use kube::core::Status;
use rise_model::redact::redact;

/// The longest part of the API server's own message that is kept, in characters.
const MESSAGE_CHARS: usize = 500;

/// What was asked of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// The API server's version.
    GetVersion,
    /// All our pods.
    ListPods,
    /// All nodes.
    ListNodes,
    /// Changes of our pods.
    WatchPods,
    /// Changes of nodes.
    WatchNodes,
    /// One pod.
    GetPod,
    /// A new pod.
    CreatePod,
    /// A pod's deadline.
    PatchPod,
    /// A pod's deletion.
    DeletePod,
    /// A pod's log.
    PodLog,
    /// A pod's events.
    ListEvents,
}

impl Operation {
    /// Its name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GetVersion => "get_version",
            Self::ListPods => "list_pods",
            Self::ListNodes => "list_nodes",
            Self::WatchPods => "watch_pods",
            Self::WatchNodes => "watch_nodes",
            Self::GetPod => "get_pod",
            Self::CreatePod => "create_pod",
            Self::PatchPod => "patch_pod",
            Self::DeletePod => "delete_pod",
            Self::PodLog => "pod_log",
            Self::ListEvents => "list_events",
        }
    }
}

/// A call of Kubernetes failed. The kind is part of the message; what caused it, if anything did, is the source.
#[derive(Debug, Clone)]
pub struct KubernetesError {
    operation: Operation,
    subject: String,
    kind: KubernetesErrorKind,
}

impl fmt::Display for KubernetesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, subject) = (self.operation.as_str(), &self.subject);
        write!(f, "Kubernetes: {operation} of {subject}: {}", self.kind)
    }
}

impl Error for KubernetesError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// How a call of Kubernetes failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KubernetesErrorKind {
    /// 404.
    #[error("not found")]
    NotFound,
    /// 409: it is there already.
    #[error("it exists already: {message}")]
    AlreadyExists {
        /// The API server's words; they differ while one of that name is being deleted.
        message: String,
    },
    /// 409: it is not as it was seen.
    #[error("it has changed meanwhile")]
    Conflict,
    /// 400 or 422: the API server cannot accept this.
    #[error("refused as invalid: {message}")]
    Invalid {
        /// The API server's words.
        message: String,
    },
    /// 401.
    #[error("the API server does not know these credentials")]
    Unauthorized,
    /// 403: a right is missing, or a quota is used up.
    #[error("forbidden: {message}")]
    Forbidden {
        /// The API server's words.
        message: String,
    },
    /// 410: the list or watch began too long ago.
    #[error("the resource version is too old")]
    Expired,
    /// 429.
    #[error("the API server asks to wait")]
    TooManyRequests,
    /// 5xx.
    #[error("the API server answered {status}: {message}")]
    Server {
        /// The status.
        status: u16,
        /// The API server's words.
        message: String,
    },
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection failed, before or after the request went out.
    #[error("the connection failed")]
    Transport(#[source] Arc<kube::Error>),
    /// Anything else.
    #[error("unexpected answer: {message}")]
    Unexpected {
        /// What is odd about it.
        message: String,
    },
}

impl KubernetesError {
    pub(super) fn new(operation: Operation, subject: String, kind: KubernetesErrorKind) -> Self {
        Self {
            operation,
            subject,
            kind,
        }
    }

    /// What was asked when it failed.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// What the call was about.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// How it failed.
    #[must_use]
    pub fn kind(&self) -> &KubernetesErrorKind {
        &self.kind
    }

    /// Whether the API server, or the way to it, is in trouble, and not this one request. A log comes from a board: that
    /// it does not come says nothing of the API server.
    #[must_use]
    pub fn is_dependency_trouble(&self) -> bool {
        match self.kind {
            KubernetesErrorKind::Server { .. } | KubernetesErrorKind::TimedOut => {
                self.operation != Operation::PodLog
            }
            KubernetesErrorKind::TooManyRequests
            | KubernetesErrorKind::Unauthorized
            | KubernetesErrorKind::Transport(_) => true,
            KubernetesErrorKind::NotFound
            | KubernetesErrorKind::AlreadyExists { .. }
            | KubernetesErrorKind::Conflict
            | KubernetesErrorKind::Invalid { .. }
            | KubernetesErrorKind::Forbidden { .. }
            | KubernetesErrorKind::Expired
            | KubernetesErrorKind::Unexpected { .. } => false,
        }
    }

    /// Whether what was asked for may have happened all the same: look before asking again.
    #[must_use]
    pub fn answer_unknown(&self) -> bool {
        match self.kind {
            KubernetesErrorKind::Server { .. }
            | KubernetesErrorKind::TimedOut
            | KubernetesErrorKind::Transport(_)
            | KubernetesErrorKind::Unexpected { .. } => true,
            KubernetesErrorKind::NotFound
            | KubernetesErrorKind::AlreadyExists { .. }
            | KubernetesErrorKind::Conflict
            | KubernetesErrorKind::Invalid { .. }
            | KubernetesErrorKind::Unauthorized
            | KubernetesErrorKind::Forbidden { .. }
            | KubernetesErrorKind::Expired
            | KubernetesErrorKind::TooManyRequests => false,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self.kind {
            KubernetesErrorKind::NotFound => {
                "check that the namespace and the object exist: `kubectl get pods,nodes`"
            }
            KubernetesErrorKind::Unauthorized => {
                "the certificate or token in the kubeconfig is expired or of another cluster: make a new one"
            }
            KubernetesErrorKind::Forbidden { .. } => {
                "the user of the kubeconfig lacks a right in this namespace or on nodes"
            }
            KubernetesErrorKind::Transport(_) | KubernetesErrorKind::TimedOut => {
                "check the server's address in the kubeconfig, and the network from this machine to it"
            }
            KubernetesErrorKind::TooManyRequests | KubernetesErrorKind::Server { .. } => {
                "look at the control plane; it is tried again by itself"
            }
            KubernetesErrorKind::Invalid { .. } => {
                "check the pool's settings in the configuration: `rise config check`"
            }
            KubernetesErrorKind::AlreadyExists { .. }
            | KubernetesErrorKind::Conflict
            | KubernetesErrorKind::Expired
            | KubernetesErrorKind::Unexpected { .. } => {
                "it is looked at again by itself; report it if it stays"
            }
        }
    }
}

/// What the client's error means.
pub(super) fn kind_of(error: kube::Error) -> KubernetesErrorKind {
    match error {
        kube::Error::Api(status) => refusal(&status),
        other => KubernetesErrorKind::Transport(Arc::new(other)),
    }
}

/// What an answer that is no success means. The HTTP status counts: not everything between here and the API server
/// speaks of it in a `Status`.
pub(super) fn answered(http: StatusCode, body: &str) -> KubernetesErrorKind {
    let mut status: Status =
        serde_json::from_str(body).unwrap_or_else(|_| Status::failure(body.trim(), "not a Status"));
    status.code = http.as_u16();
    refusal(&status)
}

/// What a refusal of the API server means. Some come as plain text, and then with their HTTP status only.
pub(super) fn refusal(status: &Status) -> KubernetesErrorKind {
    // A refused pod can be quoted in the refusal.
    let message = || {
        redact(&status.message)
            .chars()
            .take(MESSAGE_CHARS)
            .collect::<String>()
    };
    match status.code {
        400 | 422 => KubernetesErrorKind::Invalid { message: message() },
        401 => KubernetesErrorKind::Unauthorized,
        403 => KubernetesErrorKind::Forbidden { message: message() },
        404 => KubernetesErrorKind::NotFound,
        409 if status.is_already_exists() => {
            KubernetesErrorKind::AlreadyExists { message: message() }
        }
        409 => KubernetesErrorKind::Conflict,
        410 => KubernetesErrorKind::Expired,
        429 => KubernetesErrorKind::TooManyRequests,
        code @ 500..=599 => KubernetesErrorKind::Server {
            status: code,
            message: message(),
        },
        code => KubernetesErrorKind::Unexpected {
            message: format!("status {code}: {}", message()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_http_status_counts_whatever_the_body_is() {
        for (status, body, expected) in [
            (503, "{}", r#"Server { status: 503, message: "" }"#),
            (
                502,
                "<html>bad gateway</html>\n",
                r#"Server { status: 502, message: "<html>bad gateway</html>" }"#,
            ),
            (
                429,
                "Too many requests, please try again later.",
                "TooManyRequests",
            ),
        ] {
            let kind = answered(StatusCode::from_u16(status).unwrap(), body);
            assert_eq!(format!("{kind:?}"), expected);
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        let told = |code, reason: &str, message: &str| {
            format!(
                "{:?}",
                refusal(&Status::failure(message, reason).with_code(code))
            )
        };
        for (answer, expected) in [
            (
                told(409, "AlreadyExists", "object is being deleted"),
                r#"AlreadyExists { message: "object is being deleted" }"#,
            ),
            (told(409, "Conflict", "changed"), "Conflict"),
            (told(404, "NotFound", ""), "NotFound"),
            (told(410, "Expired", ""), "Expired"),
            (
                told(
                    429,
                    "Failed to parse error data",
                    "Too many requests, please try again later.",
                ),
                "TooManyRequests",
            ),
            (
                told(500, "", "kubelet away"),
                r#"Server { status: 500, message: "kubelet away" }"#,
            ),
        ] {
            assert_eq!(answer, expected);
        }
    }

    #[test]
    fn a_quoted_secret_does_not_get_into_the_error() {
        let jit = "eyJydW5uZXIiOiJBQkNERUYwMTIzNDU2Nzg5In0=".repeat(20);
        let message = format!("Pod is invalid: spec.containers[0].env[1].value: {jit}");
        let kind = refusal(&Status::failure(&message, "Invalid").with_code(422));
        assert!(!format!("{kind:?} {kind}").contains("eyJydW5uZXI"));
    }

    #[test]
    fn a_refusal_leaves_no_doubt_a_lost_answer_does() {
        let error = |kind| KubernetesError::new(Operation::CreatePod, "x".to_owned(), kind);
        assert!(error(KubernetesErrorKind::TimedOut).answer_unknown());
        assert!(
            error(KubernetesErrorKind::Server {
                status: 504,
                message: String::new()
            })
            .answer_unknown()
        );
        assert!(!error(KubernetesErrorKind::TooManyRequests).answer_unknown());
        assert!(!error(KubernetesErrorKind::Conflict).answer_unknown());
        assert!(error(KubernetesErrorKind::TimedOut).is_dependency_trouble());
        let log = KubernetesError::new(
            Operation::PodLog,
            "x".to_owned(),
            KubernetesErrorKind::TimedOut,
        );
        assert!(!log.is_dependency_trouble(), "its board may be away");
    }
}
