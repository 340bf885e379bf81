//! What the installation log tells: how an account's installations stood at any time, and why a job never started.
//!
//! [`fold`] puts the rows of the log together to the [`Account`] as of a moment; [`diagnose`] looks at it, at the job, at
//! what is set and at what the scheduler last said, and names the first cause that is proven, with the rows that prove it
//! and an answer for the person who asked. Both are pure; `rise trace`, webhook intake and the terminal share them.

mod account;
mod case;
mod diagnose;
mod event;
mod people;
mod rules;
#[cfg(test)]
mod tests;

pub use account::{Account, Coverage, Installation, Presence, Rename, Standing, fold};
pub use case::{Case, JobFacts, LostDelivery, SchedulerFacts, SettingFact, WaitingJob};
pub use diagnose::{Cause, Proof, Verdict, diagnose};
pub use event::{Event, Facts, NamedRepository, Selection};
pub use people::spell;
