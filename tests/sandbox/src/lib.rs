//! The outside world of `rise` on one machine: a pretend GitHub, a pretend Kubernetes cluster with its boards,
//! and (feature `doors`) the same worlds over HTTP and a private PostgreSQL.
//!
//! This crate uses nothing of the product, so that it cannot agree with its mistakes. [`world`] is pure: time is
//! handed in, chance comes from a seed, nothing is read or written. `rise sandbox` and the integration tests meet it
//! through [`doors`], the simulation calls it directly.

pub mod world;

#[cfg(feature = "doors")]
pub mod doors;
#[cfg(feature = "doors")]
pub mod pg;
