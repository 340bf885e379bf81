//! The scheduler: it observes, decides and acts, and shows what it does.

pub mod pages;
pub mod status;
