//! How many requests each caller may make: so many in an hour, and so many points in a minute.

use chrono::TimeDelta;

use super::GitHub;
use super::ids::InstallationId;
use crate::world::Time;

/// What a request that changes something costs of the secondary limit; one that reads costs 1.
pub const POINTS_OF_A_CHANGE: u32 = 5;

/// Who asks, as far as limits are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Caller {
    /// An App, by JWT.
    App(i64),
    /// An installation, by token.
    Installation(InstallationId),
    /// Nobody in particular.
    Anonymous,
}

/// How much of its limit a caller has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests within a window.
    pub limit: u32,
    /// Requests so far.
    pub used: u32,
    /// When the window ends.
    pub reset: Time,
}

impl RateLimit {
    /// Requests that are left.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.limit.saturating_sub(self.used)
    }
}

/// What a caller used since a window began.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Time,
    used: u32,
}

impl Window {
    fn new(now: Time) -> Self {
        Self {
            began: now,
            used: 0,
        }
    }

    /// This window, or a new one if it is over.
    fn at(self, now: Time, length: TimeDelta) -> Self {
        if now < self.began + length {
            self
        } else {
            Self::new(now)
        }
    }
}

/// A caller's present windows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    requests: Window,
    points: Window,
}

impl Usage {
    fn new(now: Time) -> Self {
        Self {
            requests: Window::new(now),
            points: Window::new(now),
        }
    }
}

/// Whether a caller may ask now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// It may.
    Granted,
    /// Its requests of this window are used up.
    Exhausted,
    /// It asks too fast: the secondary limit, for so long.
    TooFast(TimeDelta),
}

impl GitHub {
    /// How much a caller has used of its hour.
    #[must_use]
    pub fn rate_limit(&self, caller: Caller, now: Time) -> RateLimit {
        let length = self.rules.limit_window;
        let limit = match caller {
            Caller::App(_) | Caller::Installation(_) => self.rules.request_limit,
            Caller::Anonymous => self.rules.anonymous_limit,
        };
        let usage = self.usage.get(&caller).copied().unwrap_or(Usage::new(now));
        let window = usage.requests.at(now, length);
        RateLimit {
            limit,
            used: window.used,
            reset: window.began + length,
        }
    }

    /// Whether a caller may make a request that costs so many points.
    #[must_use]
    pub fn allowance(&self, caller: Caller, points: u32, now: Time) -> Allowance {
        if self.rate_limit(caller, now).remaining() == 0 {
            return Allowance::Exhausted;
        }
        let usage = self.usage.get(&caller).copied().unwrap_or(Usage::new(now));
        let length = self.rules.points_window;
        let window = usage.points.at(now, length);
        match self.rules.points_limit {
            Some(limit) if window.used + points > limit => {
                Allowance::TooFast(window.began + length - now)
            }
            Some(_) | None => Allowance::Granted,
        }
    }

    /// Counts one request that cost so many points.
    pub fn count_request(&mut self, caller: Caller, points: u32, now: Time) {
        let usage = self.usage.entry(caller).or_insert(Usage::new(now));
        usage.requests = usage.requests.at(now, self.rules.limit_window);
        usage.requests.used += 1;
        usage.points = usage.points.at(now, self.rules.points_window);
        usage.points.used += points;
    }

    /// From now on Apps and installations may make so many requests within a window.
    pub fn set_request_limit(&mut self, limit: u32) {
        self.rules.request_limit = limit;
    }

    /// From now on each caller may spend so many points within a minute; `None` for no such limit.
    pub fn set_points_limit(&mut self, limit: Option<u32>) {
        self.rules.points_limit = limit;
    }
}
