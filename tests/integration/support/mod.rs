//! The whole of rise in a test: worlds and doors in its process, tables of its own, the built binary as children.
//!
//! A test acts on the world, and waits for what the world, the rows or `/ready` show. A child that ends although nobody
//! asked it to fails the test with its log; so does a wait that takes too long, with everything that is known.

use axum::http::StatusCode;
use sandbox::doors::faults::Fault;
use serde_json::json;

mod rig;
mod rows;
mod service;

pub(crate) use rig::{Given, Rig, board};
pub(crate) use rows::Worker;
pub(crate) use service::Service;

/// The label that jobs ask for.
pub(crate) const RISCV: &str = "ubuntu-24.04-riscv";
/// A repository of an organisation.
pub(crate) const ORG_REPO: &str = "sandbox-vectorworks/simd-kernels";
/// Another repository of that organisation.
pub(crate) const ORG_REPO_2: &str = "sandbox-vectorworks/fft";
/// A repository of a person.
pub(crate) const USER_REPO: &str = "sandbox-ada/rv-notes";
/// Another repository of that person.
pub(crate) const USER_REPO_2: &str = "sandbox-ada/tinycc-rv";

/// A refusal as the API server words it.
pub(crate) fn refusal_of_kubernetes(status: StatusCode, reason: &str) -> Fault {
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "etcdserver: leader changed",
        "reason": reason,
        "code": status.as_u16(),
    });
    Fault::Refuse(status, body)
}

/// A condition, and what to say while it does not hold.
pub(crate) fn holds(condition: bool, otherwise: impl std::fmt::Display) -> Result<(), String> {
    if condition {
        Ok(())
    } else {
        Err(otherwise.to_string())
    }
}
