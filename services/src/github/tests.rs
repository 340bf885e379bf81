//! Calls against the pretend GitHub, and against small stand-ins for answers that it does not give.

mod deliveries;
mod doors;
pub(super) mod keys;
mod lists;
mod support;
mod tokens;
