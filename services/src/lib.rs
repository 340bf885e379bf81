//! The runtime of `rise`: what runs in containers.
//!
//! The life of one job. GitHub sends a signed delivery; `ghfe` verifies it, decides what it means and writes the
//! job and its log row in one statement, then wakes the scheduler. The leading scheduler takes a snapshot of jobs, workers,
//! pods and nodes, hands it to the pure functions of `rise_model`, and performs the effects that they return: a row is
//! reserved, GitHub makes a just-in-time runner configuration, Kubernetes a pod. The runner comes online, GitHub gives it
//! the job and tells `ghfe`, which binds the job to the worker. The job completes, the pod ends, the worker's row is
//! closed, and the board is free for the next one.
//!
//! SQL is written in `store` only, GitHub is called in `github` only, Kubernetes in `kubernetes` only. `ghfe` and
//! `scheduler` do not know each other: they meet in the database.

mod causes;
pub mod config;
mod exposition;
pub mod ghfe;
pub mod github;
pub mod kubernetes;
pub mod scheduler;
pub mod store;
mod style;
