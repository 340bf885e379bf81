//! A history: what happens to the world and to the schedulers from outside, made from a seed. What the schedulers do about
//! it is not part of it.

use std::fmt;

use sandbox::world::cluster::{Behaviour, BoardLoss};

use crate::chance::{Chance, Draw};
use crate::set::Set;

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FaultKind {
    /// A scheduler dies at some moment and is started again.
    Crash,
    /// A scheduler dies just before or just after one of its calls took effect.
    CrashAtCall,
    /// A scheduler stands still: SIGSTOP, or a machine that is swapped out.
    Pause,
    /// A scheduler is told to stop, and started again.
    Shutdown,
    /// Calls fail, are refused, or lose their answer.
    Calls,
    /// A board loses its power or its way to the control plane, and comes back.
    BoardAway,
    /// A board is cordoned for a while.
    Cordon,
    /// A board offers no slot for a while.
    NoSlots,
    /// A board takes many times as long.
    SlowBoard,
    /// A pod's container fails before its runner connects.
    FailsBeforeJob,
    /// A pod's container engine does not come up.
    DockerNotReady,
    /// An image cannot be pulled for a while.
    ImageBroken,
    /// A board cannot pull for a while.
    PullFails,
    /// GitHub refuses the runner's version for a while.
    VersionRefused,
    /// Watches say nothing for a while.
    WatchSilent,
    /// Past changes are forgotten: watches must begin anew.
    WatchExpired,
    /// Deliveries come late and out of order.
    DeliveriesLate,
    /// Deliveries come twice.
    DeliveriesDoubled,
    /// Somebody else deletes a pod.
    PodDeleted,
    /// A delivery never comes.
    DeliveryLost,
    /// A runner never connects.
    NeverRegisters,
    /// A pod goes on after its job, its runner gone.
    HangsAfterJob,
    /// A board whose containers do not die.
    KillStuck,
    /// An account suspends the App for a while.
    Suspended,
    /// An account removes the App and installs it again: the installation has another id.
    Reinstalled,
    /// An account takes another name.
    Renamed,
    /// GitHub says of a runner that is there that it is not found.
    LyingNotFound,
    /// A runner is registered long after the call for it was given up.
    LateRegistration,
    /// An account removes the App for good.
    Uninstalled,
    /// The row of a worker is lost.
    RowLost,
    /// A row is as the service before it leaves them: without the columns that were added.
    RowAsBefore,
}

/// The faults that the rules which exist today answer.
pub(crate) const ENABLED: &[FaultKind] = &[
    FaultKind::Crash,
    FaultKind::CrashAtCall,
    FaultKind::Pause,
    FaultKind::Shutdown,
    FaultKind::Calls,
    FaultKind::BoardAway,
    FaultKind::Cordon,
    FaultKind::NoSlots,
    FaultKind::SlowBoard,
    FaultKind::FailsBeforeJob,
    FaultKind::DockerNotReady,
    FaultKind::ImageBroken,
    FaultKind::PullFails,
    FaultKind::VersionRefused,
    FaultKind::WatchSilent,
    FaultKind::WatchExpired,
    FaultKind::DeliveriesLate,
    FaultKind::DeliveriesDoubled,
    FaultKind::PodDeleted,
    FaultKind::Suspended,
    FaultKind::Reinstalled,
    FaultKind::Renamed,
    FaultKind::NeverRegisters,
    FaultKind::HangsAfterJob,
    FaultKind::LyingNotFound,
    FaultKind::LateRegistration,
    FaultKind::Uninstalled,
    FaultKind::RowLost,
    FaultKind::RowAsBefore,
    FaultKind::DeliveryLost,
];

/// The faults whose rules do not exist yet: to be moved up as these come.
pub(crate) const NOT_YET: &[FaultKind] = &[FaultKind::KillStuck];

/// Which calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    Reserve,
    RunnerGroup,
    JitConfig,
    FindRunner,
    ListRunners,
    GetJob,
    AskInstallation,
    DeleteRunner,
    CreatePod,
    GetPod,
    DeletePod,
    KillPod,
    ReadLog,
    WriteWorker,
    WriteJob,
    SetWaiting,
    ReadRows,
    ListCluster,
    RenewLease,
    Deliveries,
    WriteDeliveries,
    AllOfGitHub,
    AllOfKubernetes,
    AllOfDatabase,
    SetAlerts,
}

impl Call {
    const ALL: [Self; 25] = [
        Self::Reserve,
        Self::RunnerGroup,
        Self::JitConfig,
        Self::FindRunner,
        Self::ListRunners,
        Self::GetJob,
        Self::AskInstallation,
        Self::DeleteRunner,
        Self::CreatePod,
        Self::GetPod,
        Self::DeletePod,
        Self::KillPod,
        Self::ReadLog,
        Self::WriteWorker,
        Self::WriteJob,
        Self::SetWaiting,
        Self::ReadRows,
        Self::ListCluster,
        Self::RenewLease,
        Self::Deliveries,
        Self::WriteDeliveries,
        Self::AllOfGitHub,
        Self::AllOfKubernetes,
        Self::AllOfDatabase,
        Self::SetAlerts,
    ];

    /// The dependency that is asked, as one of the three last.
    pub(crate) fn whom(self) -> Self {
        match self {
            Self::RunnerGroup
            | Self::JitConfig
            | Self::FindRunner
            | Self::ListRunners
            | Self::GetJob
            | Self::AskInstallation
            | Self::DeleteRunner
            | Self::Deliveries
            | Self::AllOfGitHub => Self::AllOfGitHub,
            Self::CreatePod
            | Self::GetPod
            | Self::DeletePod
            | Self::KillPod
            | Self::ReadLog
            | Self::ListCluster
            | Self::AllOfKubernetes => Self::AllOfKubernetes,
            Self::Reserve
            | Self::WriteWorker
            | Self::WriteJob
            | Self::SetWaiting
            | Self::SetAlerts
            | Self::ReadRows
            | Self::RenewLease
            | Self::WriteDeliveries
            | Self::AllOfDatabase => Self::AllOfDatabase,
        }
    }

    /// Whether `self`, perhaps a whole dependency, means this call.
    pub(crate) fn means(self, call: Self) -> bool {
        self == call || self == call.whom()
    }
}

/// What is wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It never arrives; no answer.
    LostBefore,
    /// It takes effect; no answer.
    LostAfter,
    /// It takes effect only after the caller gave up.
    Late,
    /// It takes effect and is answered, but slowly.
    Slow,
    /// A definite no (403, 422).
    Refused,
    /// 409: not as it was seen. For deletions of pods only.
    Conflict,
}

/// When a scheduler dies, seen from its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    After,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum What {
    /// Somebody pushes.
    Job {
        number: u64,
        repository: usize,
        labels: usize,
        runs_for: i64,
    },
    /// Somebody cancels.
    Cancel {
        number: u64,
    },
    Crash {
        scheduler: usize,
        back_after: i64,
    },
    CrashAtCall {
        nth: u64,
        moment: Moment,
        back_after: i64,
    },
    Pause {
        scheduler: usize,
        lasts: i64,
    },
    Shutdown {
        scheduler: usize,
        within: i64,
        back_after: i64,
    },
    Calls {
        call: Call,
        trouble: Trouble,
        share: i64,
        lasts: i64,
    },
    BoardAway {
        board: usize,
        loss: BoardLoss,
        lasts: i64,
    },
    Cordon {
        board: usize,
        lasts: i64,
    },
    NoSlots {
        board: usize,
        lasts: i64,
    },
    SlowBoard {
        board: usize,
        times: u32,
        lasts: i64,
    },
    NextPod {
        behaviour: Behaviour,
    },
    ImageBroken {
        image: usize,
        lasts: i64,
    },
    PullFails {
        board: usize,
        lasts: i64,
    },
    VersionRefused {
        lasts: i64,
    },
    WatchSilent {
        lasts: i64,
    },
    WatchExpired,
    DeliveriesLate {
        at_most: i64,
        lasts: i64,
    },
    DeliveriesDoubled {
        lasts: i64,
    },
    DeliveriesLost {
        lasts: i64,
    },
    PodDeleted {
        which: usize,
    },
    KillStuck {
        board: usize,
        lasts: i64,
    },
    Suspended {
        account: usize,
        lasts: i64,
    },
    Reinstalled {
        account: usize,
    },
    Renamed {
        account: usize,
        number: i64,
    },
    LyingNotFound {
        lasts: i64,
    },
    /// For ever when it lasts no time.
    Set {
        set: Set,
        lasts: i64,
    },
    Uninstalled {
        account: usize,
    },
    RowLost {
        which: usize,
        annotated: bool,
    },
    RowAsBefore {
        which: usize,
    },
}

impl What {
    /// How long it lasts, or until what it broke off goes on.
    pub(crate) fn lasts(&self) -> i64 {
        match *self {
            Self::Crash { back_after, .. } | Self::CrashAtCall { back_after, .. } => back_after,
            Self::Shutdown {
                within, back_after, ..
            } => within + back_after,
            Self::Pause { lasts, .. }
            | Self::Calls { lasts, .. }
            | Self::BoardAway { lasts, .. }
            | Self::Cordon { lasts, .. }
            | Self::NoSlots { lasts, .. }
            | Self::SlowBoard { lasts, .. }
            | Self::ImageBroken { lasts, .. }
            | Self::PullFails { lasts, .. }
            | Self::VersionRefused { lasts }
            | Self::WatchSilent { lasts }
            | Self::DeliveriesDoubled { lasts }
            | Self::DeliveriesLost { lasts }
            | Self::KillStuck { lasts, .. }
            | Self::Suspended { lasts, .. }
            | Self::LyingNotFound { lasts }
            | Self::Set { lasts, .. } => lasts,
            Self::DeliveriesLate { at_most, lasts } => at_most + lasts,
            Self::Job { .. }
            | Self::Cancel { .. }
            | Self::NextPod { .. }
            | Self::WatchExpired
            | Self::Reinstalled { .. }
            | Self::Renamed { .. }
            | Self::Uninstalled { .. }
            | Self::RowLost { .. }
            | Self::RowAsBefore { .. }
            | Self::PodDeleted { .. } => 0,
        }
    }
}

impl What {
    /// Which scheduler it names.
    pub(crate) fn scheduler(&self) -> usize {
        match *self {
            Self::Crash { scheduler, .. }
            | Self::Pause { scheduler, .. }
            | Self::Shutdown { scheduler, .. } => scheduler,
            _ => 0,
        }
    }
}

/// One thing and when, in milliseconds from the beginning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Event {
    pub(crate) at: i64,
    pub(crate) what: What,
}

impl Event {
    /// Whether the other would begin what is going on, or end what the other begins: the world knows no such thing.
    fn is_the_same_at_once(&self, other: &Self) -> bool {
        let changes_the_world = matches!(
            self.what,
            What::BoardAway { .. }
                | What::Cordon { .. }
                | What::NoSlots { .. }
                | What::SlowBoard { .. }
                | What::ImageBroken { .. }
                | What::PullFails { .. }
                | What::VersionRefused { .. }
                | What::KillStuck { .. }
                | What::Suspended { .. }
        );
        let overlaps =
            self.at <= other.at + other.what.lasts() && other.at <= self.at + self.what.lasts();
        let same = changes_the_world
            && overlaps
            && std::mem::discriminant(&self.what) == std::mem::discriminant(&other.what);
        same || self.loses_track(other)
    }

    /// An account that takes another name, or installs the App again, and removes it: only its next delivery tells who it is.
    fn loses_track(&self, other: &Self) -> bool {
        let account = |what: &What| match *what {
            What::Renamed { account, .. }
            | What::Reinstalled { account }
            | What::Uninstalled { account } => Some(account),
            _ => None,
        };
        let kinds_differ =
            std::mem::discriminant(&self.what) != std::mem::discriminant(&other.what);
        let (ours, theirs) = (account(&self.what), account(&other.what));
        kinds_differ && ours.is_some() && ours == theirs
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.at / 1000, self.at % 1000);
        write!(f, "{seconds:>4}.{millis:03} {:?}", self.what)
    }
}

/// What the world is before anything happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) schedulers: usize,
    pub(crate) boards: usize,
    pub(crate) other_boards: usize,
    /// How many workers the first organisation may have.
    pub(crate) cap: u32,
    /// For so many seconds lists do not say that a runner is busy, and it can be deleted.
    pub(crate) busy_lag: i64,
    /// GitHub removes a runner that is idle for so many seconds, if it does.
    pub(crate) idle_runner_after: Option<i64>,
    /// The first pause after a failed pull, in seconds; it doubles. Some bring a pull to the moment of giving up.
    pub(crate) pull_back_off: i64,
    /// Whether the first organisation's plan has runner groups.
    pub(crate) groups: bool,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History {
    pub(crate) seed: u64,
    pub(crate) setting: Setting,
    pub(crate) events: Vec<Event>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {:?}", self.seed, self.setting)?;
        for event in &self.events {
            writeln!(f, "  {event}")?;
        }
        Ok(())
    }
}

impl History {
    /// The history of a seed, with faults of these kinds.
    pub(crate) fn of(seed: u64, kinds: &[FaultKind]) -> Self {
        let mut draw = Chance::new(seed).of("history", 0);
        let setting = Setting {
            schedulers: usize::from(draw.percent(40)) + 1,
            boards: draw.one_of(&[1, 2, 3, 4, 6]),
            other_boards: draw.one_of(&[0, 1, 2]),
            cap: draw.one_of(&[1, 2, 3, 20]),
            busy_lag: draw.one_of(&[0, 0, 30, 90]),
            idle_runner_after: draw.one_of(&[None, Some(150), Some(360)]),
            pull_back_off: draw.one_of(&[3, 4, 4, 8, 10]),
            groups: draw.percent(70),
        };
        let mut events = jobs(&mut draw);
        let jobs_at: Vec<i64> = events.iter().map(|event| event.at).collect();
        let faults = match draw.between(0, 99) {
            0..8 => 0,
            8..60 => draw.between(1, 4),
            _ => draw.between(5, 12),
        };
        for _ in 0..faults {
            let kind = draw.one_of(kinds);
            // Most meet a worker that is being made.
            let at = if draw.percent(75) {
                draw.one_of(&jobs_at) + draw.between(0, 20_000)
            } else {
                draw.between(0, 120_000)
            };
            let what = fault(kind, setting, &mut draw);
            let pulls_fail = matches!(what, What::ImageBroken { .. } | What::PullFails { .. });
            if pulls_fail && draw.percent(50) {
                // The pod starts while its deletion is on the way.
                let what = What::Calls {
                    call: Call::DeletePod,
                    trouble: Trouble::Slow,
                    share: 100,
                    lasts: 60_000,
                };
                let at = at + 100_000;
                events.push(Event { at, what });
            }
            let event = Event { at, what };
            if !events.iter().any(|other| other.is_the_same_at_once(&event)) {
                events.push(event);
            }
        }
        events.extend(settings(seed, setting, &jobs_at));
        events.sort_by_key(|event| event.at);
        Self {
            seed,
            setting,
            events,
        }
    }

    /// Whether deliveries get lost in it.
    pub(crate) fn loses_deliveries(&self) -> bool {
        let mut events = self.events.iter();
        events.any(|event| matches!(event.what, What::DeliveriesLost { .. }))
    }

    /// Whether rows or pods come to look like those of the service before.
    pub(crate) fn looks_foreign(&self) -> bool {
        let foreign = |event: &Event| {
            matches!(
                event.what,
                What::RowAsBefore { .. }
                    | What::RowLost {
                        annotated: false,
                        ..
                    }
            )
        };
        self.events.iter().any(foreign)
    }

    /// Whether rows of workers are lost.
    pub(crate) fn loses_rows(&self) -> bool {
        let lost = |event: &Event| matches!(event.what, What::RowLost { .. });
        self.events.iter().any(lost)
    }

    /// When the last event is over.
    pub(crate) fn ends(&self) -> i64 {
        let ends = self.events.iter().map(|e| e.at + e.what.lasts());
        ends.max().unwrap_or_default()
    }
}

/// What operators set meanwhile, for a while or for good. Not one of the faults, so that these stay as they are.
fn settings(seed: u64, setting: Setting, jobs_at: &[i64]) -> Vec<Event> {
    let mut draw = Chance::new(seed).of("settings", 0);
    let times = draw.one_of(&[0, 0, 1, 1, 2]);
    let mut events = Vec::new();
    for _ in 0..times {
        let at = draw.one_of(jobs_at) + draw.between(-5_000, 20_000);
        let what = What::Set {
            set: Set::of(setting, &mut draw),
            lasts: draw.one_of(&[0, 20_000, 60_000, 200_000]),
        };
        events.push(Event {
            at: at.max(0),
            what,
        });
    }
    events
}

fn jobs(draw: &mut Draw) -> Vec<Event> {
    let mut events = Vec::new();
    let number_of_jobs = u64::try_from(draw.between(1, 8)).unwrap_or(1);
    for number in 0..number_of_jobs {
        let at = draw.between(0, 60_000);
        let what = What::Job {
            number,
            repository: draw.one_of(&[0, 0, 0, 1, 2, 3, 4]),
            labels: draw.one_of(&[0, 0, 0, 0, 1, 2]),
            runs_for: draw.one_of(&[1_000, 5_000, 20_000, 90_000]),
        };
        events.push(Event { at, what });
        if draw.percent(20) {
            let at = at + draw.between(0, 40_000);
            let what = What::Cancel { number };
            events.push(Event { at, what });
        }
    }
    events
}

/// A fault of a kind.
pub(crate) fn fault(kind: FaultKind, setting: Setting, draw: &mut Draw) -> What {
    let last = |count: usize| i64::try_from(count).unwrap_or(1) - 1;
    let scheduler = usize::try_from(draw.between(0, last(setting.schedulers))).unwrap_or_default();
    let all_boards = setting.boards + setting.other_boards;
    let board = usize::try_from(draw.between(0, last(all_boards))).unwrap_or_default();
    let lasts = draw.one_of(&[1_000, 5_000, 20_000, 60_000, 200_000]);
    let back_after = draw.one_of(&[500, 3_000, 20_000]);
    match kind {
        FaultKind::Crash => What::Crash {
            scheduler,
            back_after,
        },
        FaultKind::CrashAtCall => What::CrashAtCall {
            nth: u64::try_from(draw.between(1, 60)).unwrap_or(1),
            moment: draw.one_of(&[Moment::Before, Moment::After]),
            back_after,
        },
        FaultKind::Pause => What::Pause {
            scheduler,
            lasts: draw.one_of(&[3_000, 12_000, 30_000]),
        },
        FaultKind::Shutdown => What::Shutdown {
            scheduler,
            within: draw.between(0, 6_000),
            back_after,
        },
        FaultKind::Calls => calls(draw, lasts),
        FaultKind::BoardAway => What::BoardAway {
            board,
            loss: draw.one_of(&[BoardLoss::PoweredOff, BoardLoss::Unreachable]),
            lasts: draw.one_of(&[lasts, lasts, lasts, 900_000]),
        },
        FaultKind::Cordon => What::Cordon { board, lasts },
        FaultKind::NoSlots => What::NoSlots { board, lasts },
        FaultKind::SlowBoard => What::SlowBoard {
            board,
            times: draw.one_of(&[5, 100]),
            lasts,
        },
        FaultKind::FailsBeforeJob => What::NextPod {
            behaviour: Behaviour::FailsBeforeJob,
        },
        FaultKind::DockerNotReady => What::NextPod {
            behaviour: Behaviour::DockerNotReady,
        },
        FaultKind::NeverRegisters => What::NextPod {
            behaviour: Behaviour::NeverRegisters,
        },
        FaultKind::HangsAfterJob => What::NextPod {
            behaviour: Behaviour::HangsAfterJob,
        },
        FaultKind::ImageBroken => What::ImageBroken {
            image: draw.one_of(&[0, 0, 1]),
            lasts: around_giving_up(draw, lasts),
        },
        FaultKind::PullFails => What::PullFails {
            board,
            lasts: around_giving_up(draw, lasts),
        },
        FaultKind::VersionRefused => What::VersionRefused { lasts },
        FaultKind::WatchSilent => What::WatchSilent { lasts },
        FaultKind::WatchExpired => What::WatchExpired,
        FaultKind::DeliveriesLate => What::DeliveriesLate {
            at_most: draw.one_of(&[5_000, 60_000]),
            lasts,
        },
        FaultKind::DeliveriesDoubled => What::DeliveriesDoubled { lasts },
        FaultKind::DeliveryLost => What::DeliveriesLost { lasts },
        FaultKind::PodDeleted => What::PodDeleted {
            which: usize::try_from(draw.between(0, 5)).unwrap_or_default(),
        },
        FaultKind::KillStuck => What::KillStuck { board, lasts },
        FaultKind::Suspended => What::Suspended {
            account: draw.one_of(&[0, 1, 2]),
            lasts,
        },
        FaultKind::Reinstalled => What::Reinstalled {
            account: draw.one_of(&[0, 1, 2]),
        },
        FaultKind::Renamed => What::Renamed {
            account: draw.one_of(&[0, 1, 2]),
            number: draw.between(1, 1_000_000),
        },
        FaultKind::LyingNotFound => What::LyingNotFound { lasts },
        FaultKind::Uninstalled => What::Uninstalled {
            account: draw.one_of(&[0, 1, 2]),
        },
        FaultKind::RowLost => What::RowLost {
            which: usize::try_from(draw.between(0, 5)).unwrap_or_default(),
            annotated: draw.percent(60),
        },
        FaultKind::RowAsBefore => What::RowAsBefore {
            which: usize::try_from(draw.between(0, 5)).unwrap_or_default(),
        },
        FaultKind::LateRegistration => What::Calls {
            call: Call::JitConfig,
            trouble: Trouble::Late,
            share: 100,
            lasts,
        },
    }
}

/// Often as long as it takes until a worker is given up, so that its pod starts all the same.
fn around_giving_up(draw: &mut Draw, lasts: i64) -> i64 {
    if draw.percent(60) {
        draw.between(105_000, 135_000)
    } else {
        lasts
    }
}

fn calls(draw: &mut Draw, lasts: i64) -> What {
    let call = draw.one_of(&Call::ALL);
    let mut troubles = vec![Trouble::LostBefore, Trouble::LostAfter, Trouble::Slow];
    match call.whom() {
        // A statement of a client that is gone is not carried out later.
        Call::AllOfDatabase => {}
        _ => troubles.push(Trouble::Refused),
    }
    if !matches!(call, Call::JitConfig | Call::AllOfGitHub) && call.whom() != Call::AllOfDatabase {
        troubles.push(Trouble::Late);
    }
    if call == Call::DeletePod {
        troubles.push(Trouble::Conflict);
    }
    What::Calls {
        call,
        trouble: draw.one_of(&troubles),
        share: draw.one_of(&[30, 100]),
        lasts,
    }
}
