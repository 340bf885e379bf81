//! The command line as a person meets it.

mod answers;
mod service;
mod settings;
mod tables;
mod trouble;
