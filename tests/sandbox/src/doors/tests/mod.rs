//! The doors as a service meets them: over HTTP, signed, counted.

mod github;
mod judged;
mod support;
