//! Processes by number and birth, so that a number that was given anew is not taken for the old one.

use std::collections::BTreeSet;
use std::fs;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) name: String,
    pid: u32,
    parent: u32,
    /// In ticks since the machine started.
    born: u64,
}

impl Process {
    /// A process that is there; a dead one that nobody took notice of yet is not.
    pub(super) fn find(pid: u32) -> Option<Self> {
        // pid (name) state parent … and the birth as the 22nd.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        (*fields.first()? != "Z").then_some(())?;
        Some(Self {
            name,
            pid,
            parent: fields.get(1)?.parse().ok()?,
            born: fields.get(19)?.parse().ok()?,
        })
    }

    pub(super) fn lives(&self) -> bool {
        Self::find(self.pid).is_some_and(|found| found.born == self.born)
    }

    /// Everything that descends from a process.
    pub(super) fn below(pid: u32) -> Vec<Self> {
        let all: Vec<Self> = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
            .filter_map(Self::find)
            .collect();
        let mut family = BTreeSet::from([pid]);
        loop {
            let known = family.len();
            family.extend(
                all.iter()
                    .filter(|it| family.contains(&it.parent))
                    .map(|it| it.pid)
                    .collect::<Vec<_>>(),
            );
            if family.len() == known {
                break;
            }
        }
        all.into_iter()
            .filter(|it| it.pid != pid && family.contains(&it.pid))
            .collect()
    }
}
