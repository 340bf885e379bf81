//! The pod's shape and what Kubernetes' objects become.
