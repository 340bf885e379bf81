//! Who gets the next free slot.
//!
//! The entity with the fewest boards for its weight does, held and granted now, of those that want one and are below their
//! cap; those below their reserved minimum come first. Ties, and the order within an entity, go by age. A slot that somebody
//! can use is never kept free.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use crate::config::Cap;
use crate::dependencies::Party;
use crate::rows::{Demand, JobRow};
use crate::waiting::WaitingReason;
use crate::{EntityId, JobId, PoolName, Time};

use super::{Ask, Plan, PlanInput, PoolSlots, slots};

/// What one entity has, wants and may have.
struct Claim<'a> {
    entity: EntityId,
    /// Boards that it had before this plan.
    held: usize,
    granted: usize,
    cap_left: Option<usize>,
    /// In hundredths.
    weight: usize,
    reserved: usize,
    /// Boards that it has by now, by pool.
    in_pool: BTreeMap<&'a PoolName, usize>,
    /// Its jobs without a worker, by pool and through whom they are registered, oldest first.
    wants: BTreeMap<Want<'a>, VecDeque<&'a JobRow>>,
}

/// Jobs that the same limits are for.
type Want<'a> = (&'a PoolName, Party);

/// The place of a claim among others: the least is next.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    has_its_reserve: bool,
    has_its_share: bool,
    load: Load,
    queued_at: Time,
    job: JobId,
}

/// Boards for a weight, compared without rounding.
#[derive(PartialEq, Eq)]
struct Load {
    boards: usize,
    weight: usize,
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        let ours = self.boards.saturating_mul(other.weight);
        ours.cmp(&other.boards.saturating_mul(self.weight))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Grants free slots to these jobs, which are sorted by age, and says why the others wait.
pub(super) fn share<'a>(input: &PlanInput<'a>, jobs: &[&'a JobRow], plan: &mut Plan) {
    let slots: BTreeMap<&PoolName, PoolSlots> = input
        .pools
        .iter()
        .map(|pool| {
            let slots = slots(pool, input.workers, input.cluster, input.in_force);
            (&pool.name, slots)
        })
        .collect();
    let mut claims = claims(input, jobs);
    let mut left: BTreeMap<&PoolName, usize> = slots
        .iter()
        .map(|(pool, slots)| (*pool, slots.free))
        .collect();
    let mut rooms = Rooms(input.rooms.clone());
    while let Some((index, want)) = next(input, &claims, &slots, &left, &rooms) {
        let Some(claim) = claims.get_mut(index) else {
            break;
        };
        let Some(job) = claim.wants.get_mut(&want).and_then(VecDeque::pop_front) else {
            break;
        };
        let (pool, _) = want;
        rooms.take(&job.demand);
        if let Some(left) = left.get_mut(pool) {
            *left -= 1;
        }
        claim.granted += 1;
        *claim.in_pool.entry(pool).or_default() += 1;
        plan.waiting.insert(job.id, WaitingReason::Starting(None));
        if plan.asks.len() < input.at_most {
            let pool_free = slots.get(pool).map_or(0, |slots| slots.free);
            plan.asks.push(ask(job, pool_free, claim.cap_left));
        }
    }
    for claim in &claims {
        for job in claim.wants.values().flatten() {
            let free = left.get(&job.demand.pool).is_some_and(|left| *left > 0);
            let full = rooms.full(&job.demand).filter(|_| free);
            let why_not = || claim.why_not(job, &slots);
            let below_cap = full.filter(|_| !claim.is_at_cap());
            let reason = below_cap.map_or_else(why_not, WaitingReason::GithubBudget);
            plan.waiting.insert(job.id, reason);
        }
    }
}

fn ask(job: &JobRow, pool_free: usize, cap_left: Option<usize>) -> Ask {
    let mut demand = job.demand.clone();
    demand.normalise();
    Ask {
        demand,
        pool_free,
        cap_left,
    }
}

/// One claim an entity that wants something.
fn claims<'a>(input: &PlanInput<'a>, jobs: &[&'a JobRow]) -> Vec<Claim<'a>> {
    let mut claims: BTreeMap<EntityId, Claim<'a>> = BTreeMap::new();
    for job in jobs {
        let entity = job.demand.entity;
        let claim = claims
            .entry(entity)
            .or_insert_with(|| Claim::of(input, entity));
        claim
            .wants
            .entry((&job.demand.pool, Party::of(&job.demand)))
            .or_default()
            .push_back(job);
    }
    for worker in input.workers.values().filter(|worker| worker.is_live()) {
        if let Some(claim) = claims.get_mut(&worker.demand.entity) {
            claim.held += 1;
            *claim.in_pool.entry(&worker.demand.pool).or_default() += 1;
        }
    }
    for claim in claims.values_mut() {
        claim.cap_left = cap(input, claim.entity).left(claim.held);
    }
    claims.into_values().collect()
}

/// A newcomer's cap is for those who have none of their own.
fn cap(input: &PlanInput<'_>, entity: EntityId) -> Cap {
    let default = || input.in_force.default_cap(input.caps);
    let own = input.in_force.own_cap(entity, input.caps);
    own.unwrap_or_else(|| match (default(), input.sharing.newcomer_cap) {
        (Cap::Workers(all), Cap::Workers(new)) if input.newcomers.contains(&entity) => {
            Cap::Workers(all.min(new))
        }
        (Cap::Unlimited, new) if input.newcomers.contains(&entity) => new,
        (all, _) => all,
    })
}

/// How many more runners GitHub would register now, by whom it asks.
struct Rooms(BTreeMap<Party, usize>);

impl Rooms {
    /// Who would not be let register one more.
    fn full(&self, demand: &Demand) -> Option<Party> {
        let mut parties = parties(demand).into_iter();
        parties.find(|party| self.0.get(party) == Some(&0))
    }

    fn take(&mut self, demand: &Demand) {
        for party in parties(demand) {
            if let Some(room) = self.0.get_mut(&party) {
                *room = room.saturating_sub(1);
            }
        }
    }
}

fn parties(demand: &Demand) -> [Party; 2] {
    [Party::App(demand.kind), Party::of(demand)]
}

/// Whose turn it is, and for what.
fn next<'a>(
    input: &PlanInput<'a>,
    claims: &[Claim<'a>],
    slots: &BTreeMap<&'a PoolName, PoolSlots>,
    left: &BTreeMap<&'a PoolName, usize>,
    rooms: &Rooms,
) -> Option<(usize, Want<'a>)> {
    let mut best: Option<(Turn, usize, Want<'a>)> = None;
    for (index, claim) in claims.iter().enumerate() {
        if claim.is_at_cap() {
            continue;
        }
        for (want, wanted) in &claim.wants {
            let (pool, _) = want;
            let free = left.get(pool).is_some_and(|left| *left > 0);
            let may = |job: &&&JobRow| free && rooms.full(&job.demand).is_none();
            let Some(job) = wanted.front().filter(may) else {
                continue;
            };
            let boards = slots.get(pool).map_or(0, |slots| slots.takes_pods);
            let turn = Turn {
                has_its_reserve: claim.boards() >= claim.reserved,
                has_its_share: claim.of_pool(pool) >= input.sharing.max_share.of(boards),
                load: Load {
                    boards: claim.boards(),
                    weight: claim.weight,
                },
                queued_at: job.queued_at,
                job: job.id,
            };
            if best.as_ref().is_none_or(|(least, ..)| turn < *least) {
                best = Some((turn, index, *want));
            }
        }
    }
    best.map(|(_, index, want)| (index, want))
}

impl<'a> Claim<'a> {
    fn of(input: &PlanInput<'a>, entity: EntityId) -> Self {
        let weight = input.in_force.weight(entity).as_hundredths();
        Self {
            entity,
            held: 0,
            granted: 0,
            cap_left: None,
            weight: usize::try_from(weight).unwrap_or(usize::MAX),
            reserved: input.in_force.reserved(entity),
            in_pool: BTreeMap::new(),
            wants: BTreeMap::new(),
        }
    }

    fn boards(&self) -> usize {
        self.held + self.granted
    }

    fn of_pool(&self, pool: &PoolName) -> usize {
        self.in_pool.get(pool).copied().unwrap_or(0)
    }

    fn is_at_cap(&self) -> bool {
        self.cap_left.is_some_and(|left| self.granted >= left)
    }

    fn why_not(&self, job: &JobRow, slots: &BTreeMap<&PoolName, PoolSlots>) -> WaitingReason {
        let pool = &job.demand.pool;
        if self.is_at_cap() {
            WaitingReason::AtCap(self.entity)
        } else if slots.get(pool).is_none_or(|slots| slots.takes_pods == 0) {
            WaitingReason::NoBoardInPool(pool.clone())
        } else {
            WaitingReason::NoFreeBoard(pool.clone())
        }
    }
}
