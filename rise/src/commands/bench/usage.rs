//! What a process took of the machine, as Linux tells it; elsewhere nothing is known.

use std::fs;
use std::time::Duration;

/// Linux tells every program times in hundredths of a second, whatever its own clock is (USER_HZ, time(7)).
const TICK: Duration = Duration::from_millis(10);

/// Processor time since a process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage(Duration);

impl Usage {
    /// What was used between two looks.
    pub(super) fn between(before: Option<Self>, after: Option<Self>) -> Option<Duration> {
        Some(after?.0.saturating_sub(before?.0))
    }

    fn parse(stat: &str) -> Option<Self> {
        // The name may hold anything, so it is passed by its end. utime and stime are fields 14 and 15 (proc_pid_stat(5)),
        // the first after the name is field 3.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(14 - 3);
        let user: u32 = fields.next()?.parse().ok()?;
        let system: u32 = fields.next()?.parse().ok()?;
        Some(Self(TICK * user.checked_add(system)?))
    }
}

/// What a process used so far.
pub(super) fn of(process: u32) -> Option<Usage> {
    Usage::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The most memory that a process ever had, in bytes.
pub(super) fn peak_memory(process: u32) -> Option<u64> {
    peak(&fs::read_to_string(format!("/proc/{process}/status")).ok()?)
}

fn peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name_is() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 900 0 3 0 250 50 0 0 20 0 3 0 100 200 300";
        let usage = Usage::parse(stat).unwrap();
        assert_eq!(usage, Usage(Duration::from_secs(3)));
        let later = Some(Usage(Duration::from_secs(5)));
        let between = Usage::between(Some(usage), later);
        assert_eq!(between, Some(Duration::from_secs(2)));
        assert_eq!(Usage::between(None, later), None);
        assert_eq!(Usage::parse("7 (a"), None);
        assert_eq!(peak("VmPeak:\t 9 kB\nVmHWM:\t    2 kB\n"), Some(2048));
        assert_eq!(peak(""), None);
    }
}
