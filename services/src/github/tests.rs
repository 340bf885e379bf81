//! Calls against small stand-ins of GitHub: what goes out, and what each answer becomes.

pub(super) mod keys;
