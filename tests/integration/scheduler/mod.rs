//! The scheduler against real PostgreSQL and the doors: the life of a job, crashes, lost answers, who gets which board.

mod crashes;
mod database;
mod deliveries;
mod described;
mod failures;
mod installations;
mod leading;
mod life;
mod settings;
mod switch;
mod trouble;
mod waiting;
