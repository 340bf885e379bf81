//! The command line as a person meets it.

mod answers;
mod service;
mod tables;
mod trouble;
