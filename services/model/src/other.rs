//! Whether a scheduler of another kind works on the same tables: the service that rise replaces, started again or never
//! stopped. It knows no lease, so its traces tell: a worker's row without a term, a pod without our note, each made since
//! this one leads, or a lock on all workers that it holds for as long as it calls GitHub.
//!
//! While it is at work nothing is begun and nothing ended beside it. Its rows are ours to care for afterwards.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::cluster::{Annotated, Pod};
use crate::rows::WorkerRow;
use crate::span::Span;
use crate::{PodName, Time};

/// The table was locked this often in a row: that is no chance.
const LOCKED_OFTEN: u32 = 3;

/// What tells of another kind of scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Sign {
    /// It wrote this worker's row, without a term.
    Worker {
        /// Its name.
        name: PodName,
    },
    /// It made this pod, without our note.
    Pod {
        /// Its name.
        name: PodName,
    },
    /// It locks all workers' rows.
    Lock,
}

impl std::fmt::Display for Sign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Worker { name } => write!(f, "it wrote worker {name}"),
            Self::Pod { name } => write!(f, "it made pod {name}"),
            Self::Lock => f.write_str("it locks the table of workers"),
        }
    }
}

/// Another kind of scheduler is at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherScheduler {
    /// The last that was seen of it.
    pub sign: Sign,
    /// When.
    pub at: Time,
    /// It counts as gone from then on.
    pub until: Time,
}

/// Looks out for it during one term.
#[derive(Debug, Default)]
pub struct Lookout {
    last: Option<(Time, Sign)>,
    /// Rows without a term that were there when this term began, or were told already.
    known: Option<BTreeSet<PodName>>,
    locked: u32,
}

impl Lookout {
    /// Takes what a read of all live rows found, begun at that time. What the first one finds was left behind; it may be
    /// anybody's who is gone. A row that comes later is a sign, whatever it says of its age: a transaction's time is that
    /// of its beginning.
    pub fn see_rows<'a>(&mut self, rows: impl IntoIterator<Item = &'a WorkerRow>, begun: Time) {
        let foreign = rows.into_iter().filter(|row| row.epoch.is_none());
        let Some(known) = &mut self.known else {
            self.known = Some(foreign.map(|row| row.name.clone()).collect());
            return;
        };
        // A row that has ended is read again when its pod is seen.
        let new: Vec<PodName> = foreign
            .filter(|row| row.is_live() && !known.contains(&row.name))
            .map(|row| row.name.clone())
            .collect();
        known.extend(new.iter().cloned());
        for name in new {
            self.note(begun, Sign::Worker { name });
        }
    }

    /// Takes pods with our labels. `began` is when this term's first rows were read.
    pub fn see_pods<'a>(&mut self, pods: impl IntoIterator<Item = &'a Pod>, began: Time) {
        for pod in pods {
            if pod.worker == Annotated::Nothing && pod.created_at > began {
                let name = pod.name.clone();
                self.note(pod.created_at, Sign::Pod { name });
            }
        }
    }

    /// The table was locked, or was not.
    pub fn see_lock(&mut self, locked: bool, now: Time) {
        self.locked = if locked { self.locked + 1 } else { 0 };
        if self.locked >= LOCKED_OFTEN {
            self.note(now, Sign::Lock);
        }
    }

    fn note(&mut self, at: Time, sign: Sign) {
        if self.last.as_ref().is_none_or(|(last, _)| *last < at) {
            self.last = Some((at, sign));
        }
    }

    /// Whether it is at work: its last sign is not as old as that.
    #[must_use]
    pub fn at_work(&self, now: Time, lasts: Span) -> Option<OtherScheduler> {
        let (at, sign) = self.last.clone()?;
        let until = at + lasts.delta();
        (now < until).then_some(OtherScheduler { sign, at, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, demand, pod, worker};
    use crate::{Epoch, Status};

    const LASTS: Span = Span::seconds(300);

    fn row(epoch: Option<i64>, created: i64) -> WorkerRow {
        WorkerRow {
            epoch: epoch.map(Epoch),
            created_at: at(created),
            ..worker("w", demand(1))
        }
    }

    fn made(created: i64, worker: Annotated) -> Pod {
        Pod {
            worker,
            created_at: at(created),
            ..pod("w")
        }
    }

    /// What a look at these rows tells after one at others.
    fn after(first: &[WorkerRow], then: &[WorkerRow]) -> Option<Sign> {
        let mut lookout = Lookout::default();
        lookout.see_rows(first, at(10));
        lookout.see_rows(then, at(20));
        lookout.at_work(at(21), LASTS).map(|it| it.sign)
    }

    #[test]
    fn only_what_another_kind_made_in_this_term_tells_of_it() {
        let name = || "w".into();
        let theirs = Some(Sign::Worker { name: name() });
        let ended = WorkerRow {
            status: Status::Completed,
            ..row(None, 5)
        };
        assert_eq!(after(&[], &[row(Some(3), 20)]), None, "ours");
        assert_eq!(after(&[row(None, 9)], &[row(None, 9)]), None, "left behind");
        assert_eq!(after(&[], &[ended]), None, "read again for its pod");
        assert_eq!(after(&[], &[row(None, 20)]), theirs, "made now");
        assert_eq!(after(&[], &[row(None, 9)]), theirs, "in a long transaction");
        let theirs = Sign::Pod { name: name() };
        let ours = Annotated::Unreadable;
        let pods = [
            ("with a note", made(20, ours), None),
            ("without, from before", made(10, Annotated::Nothing), None),
            (
                "without, of now",
                made(20, Annotated::Nothing),
                Some(theirs),
            ),
        ];
        for (what, pod, sign) in pods {
            let mut lookout = Lookout::default();
            lookout.see_pods([&pod], at(10));
            let seen = lookout.at_work(at(21), LASTS).map(|it| it.sign);
            assert_eq!(seen, sign, "{what}");
        }
    }

    #[test]
    fn one_lock_is_chance_and_three_in_a_row_are_not() {
        for (locks, sign) in [
            (vec![true], None),
            (vec![true, true, false, true, true], None),
            (vec![true, true, true], Some(Sign::Lock)),
            (vec![true, true, true, false], Some(Sign::Lock)),
        ] {
            let mut lookout = Lookout::default();
            for locked in &locks {
                lookout.see_lock(*locked, at(30));
            }
            let seen = lookout.at_work(at(31), LASTS).map(|it| it.sign);
            assert_eq!(seen, sign, "{locks:?}");
        }
    }

    #[test]
    fn it_counts_as_gone_a_while_after_its_last_sign() {
        let mut lookout = Lookout::default();
        lookout.see_rows([], at(10));
        lookout.see_rows([&row(None, 59)], at(60));
        lookout.see_rows([&row(None, 59)], at(90));
        for (now, until) in [(61, Some(360)), (359, Some(360)), (360, None)] {
            let seen = lookout.at_work(at(now), LASTS).map(|it| it.until);
            assert_eq!(seen, until.map(at), "{now}");
        }
        let another = WorkerRow {
            name: "another".into(),
            ..row(None, 400)
        };
        lookout.see_rows([&row(None, 59), &another], at(401));
        assert!(lookout.at_work(at(401), LASTS).is_some());
    }
}
