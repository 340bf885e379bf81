//! The worlds over HTTP.

pub mod faults;
