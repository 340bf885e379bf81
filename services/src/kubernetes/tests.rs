//! Calls against the pretend cluster, whose boards run the runners' processes.

mod ending;
mod lists;
mod pods;
mod reading;
mod setup;
mod shape;
mod support;
mod watching;
