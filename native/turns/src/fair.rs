//! Who is served next: deficit round robin over tenants, then over each one's grants (Shreedhar and Varghese, "Efficient
//! fair queuing using deficit round robin", 1995). A cost is µs of processor time, as earlier calls took it.
//!
//! `push` and `pop` take constant time and, once a line has been used, no memory; only a full queue is looked over, which
//! its bound limits.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What a turn of the round is worth; a cost is at most sixteen of them, so that a turn comes after sixteen rounds at most.
pub const QUANTUM_MICROS: u32 = 1_000;
const MIN_COST_MICROS: u32 = 20;
pub const MAX_COST_MICROS: u32 = 16 * QUANTUM_MICROS;

/// The places of a tenant and of one of its grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    pub tenant: u32,
    pub grant: u32,
}

struct Entry {
    id: u64,
    cost: u32,
}

#[derive(Default)]
struct GrantLine {
    credit: u32,
    entries: VecDeque<Entry>,
}

#[derive(Default)]
struct TenantLine {
    credit: u32,
    entries: usize,
    /// Its grants that have entries, in their round.
    round: VecDeque<u32>,
}

#[derive(Default)]
pub struct FairQueue {
    tenants: Vec<TenantLine>,
    grants: Vec<GrantLine>,
    /// Tenants that have entries.
    round: VecDeque<u32>,
    entries: usize,
}

impl FairQueue {
    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// Whether this tenant has entries.
    pub fn holds(&self, tenant: u32) -> bool {
        self.tenants.get(tenant as usize).is_some_and(|t| t.entries > 0)
    }

    pub fn push(&mut self, lane: Lane, id: u64, cost: u32) {
        let (tenant, grant) = (at(&mut self.tenants, lane.tenant), at(&mut self.grants, lane.grant));
        if grant.entries.is_empty() {
            grant.credit = QUANTUM_MICROS;
            tenant.round.push_back(lane.grant);
        }
        if tenant.entries == 0 {
            tenant.credit = QUANTUM_MICROS;
            self.round.push_back(lane.tenant);
        }
        grant.entries.push_back(Entry { id, cost: cost.clamp(MIN_COST_MICROS, MAX_COST_MICROS) });
        tenant.entries += 1;
        self.entries += 1;
    }

    /// The next entry of a tenant that `may` be served; others keep their place.
    pub fn pop(&mut self, may: impl Fn(u32) -> bool) -> Option<u64> {
        let mut passed = 0;
        while passed < self.round.len() {
            let number = self.round[0];
            if !may(number) {
                passed += 1;
                self.round.rotate_left(1);
                continue;
            }
            passed = 0;
            let tenant = &mut self.tenants[number as usize];
            let cost = bring_to_front(tenant, &mut self.grants);
            if tenant.credit >= cost || self.round.len() == 1 {
                return Some(self.take(number, cost));
            }
            tenant.credit += QUANTUM_MICROS;
            self.round.rotate_left(1);
        }
        None
    }

    /// Serves the first entry of the first grant of the first tenant.
    fn take(&mut self, number: u32, cost: u32) -> u64 {
        let tenant = &mut self.tenants[number as usize];
        let grant = &mut self.grants[tenant.round[0] as usize];
        let id = grant.entries.pop_front().map_or(0, |entry| entry.id);
        grant.credit = grant.credit.saturating_sub(cost);
        tenant.credit = tenant.credit.saturating_sub(cost);
        tenant.entries -= 1;
        self.entries -= 1;
        if grant.entries.is_empty() {
            tenant.round.pop_front();
        }
        if tenant.entries == 0 {
            self.round.pop_front();
        }
        id
    }

    /// Takes one entry out of its lane, wherever it stands.
    pub fn remove(&mut self, lane: Lane, id: u64) {
        let Some(grant) = self.grants.get_mut(lane.grant as usize) else { return };
        let Some(place) = grant.entries.iter().position(|entry| entry.id == id) else { return };
        grant.entries.remove(place);
        let tenant = &mut self.tenants[lane.tenant as usize];
        tenant.entries -= 1;
        self.entries -= 1;
        if grant.entries.is_empty() {
            tenant.round.retain(|number| *number != lane.grant);
        }
        if tenant.entries == 0 {
            self.round.retain(|number| *number != lane.tenant);
        }
    }

    /// Which entry gives way in a full queue to one that comes in `lane`: the newest of the tenant that holds most, where
    /// that is more than the newcomer's would hold, and within a tenant the same by grant. `None`: the newcomer itself.
    pub fn gives_way(&self, lane: Lane) -> Option<u64> {
        let held = |number: &u32| self.tenants[*number as usize].entries;
        let own = self.tenants.get(lane.tenant as usize).map_or(0, |t| t.entries);
        let longest = self.round.iter().copied().max_by_key(held)?;
        let (tenant, own) = match held(&longest) > own + 1 {
            true => (longest, 0),
            false if own == 0 => return None,
            false => (lane.tenant, self.grants.get(lane.grant as usize).map_or(0, |g| g.entries.len() + 1)),
        };
        let grants = self.tenants[tenant as usize].round.iter().map(|number| &self.grants[*number as usize].entries);
        let longest = grants.max_by_key(|entries| entries.len())?;
        if longest.len() > own { longest.back().map(|entry| entry.id) } else { None }
    }
}

/// Turns the tenant's round to the grant whose turn it is, and says what its first entry costs.
fn bring_to_front(tenant: &mut TenantLine, grants: &mut [GrantLine]) -> u32 {
    loop {
        let grant = &mut grants[tenant.round[0] as usize];
        let cost = grant.entries.front().map_or(0, |entry| entry.cost);
        if grant.credit >= cost || tenant.round.len() == 1 {
            return cost;
        }
        grant.credit += QUANTUM_MICROS;
        tenant.round.rotate_left(1);
    }
}

fn at<T: Default>(lines: &mut Vec<T>, number: u32) -> &mut T {
    let place = number as usize;
    if place >= lines.len() {
        lines.resize_with(place + 1, T::default);
    }
    &mut lines[place]
}

/// Gives out small numbers, each to one owner at a time.
#[derive(Clone, Default)]
pub struct Places(Rc<RefCell<FreePlaces>>);

#[derive(Default)]
struct FreePlaces {
    free: Vec<u32>,
    next: u32,
}

/// A number that is free again when this is dropped.
pub struct Place {
    number: u32,
    of: Places,
}

impl Places {
    pub fn take(&self) -> Place {
        let mut places = self.0.borrow_mut();
        let number = places.free.pop().unwrap_or_else(|| {
            places.next += 1;
            places.next - 1
        });
        Place { number, of: self.clone() }
    }
}

impl Place {
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.0.borrow_mut().free.push(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of its own: the same numbers on every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % bound
        }
    }

    fn lane(tenant: u32, grant: u32) -> Lane {
        Lane { tenant, grant }
    }

    fn any(_: u32) -> bool {
        true
    }

    /// Entry ids carry their lane and cost: what was served is read from them.
    fn id(tenant: u32, grant: u32, cost: u32) -> u64 {
        u64::from(tenant) << 40 | u64::from(grant) << 20 | u64::from(cost)
    }

    fn push(queue: &mut FairQueue, tenant: u32, grant: u32, cost: u32) {
        queue.push(lane(tenant, grant), id(tenant, grant, cost), cost);
    }

    #[test]
    fn busy_tenants_get_equal_time_whatever_a_call_costs_and_however_many_wait() {
        for seed in 0..50 {
            let mut random = Random(seed);
            let mut queue = FairQueue::default();
            let tenants = 2 + random.below(6) as u32;
            let costs: Vec<u32> = (0..tenants).map(|_| 20 + random.below(15_980) as u32).collect();
            let mut served = vec![0u64; tenants as usize];
            for tenant in 0..tenants {
                for _ in 0..2 + random.below(20) {
                    push(&mut queue, tenant, tenant, costs[tenant as usize]);
                }
            }
            for _ in 0..5_000 {
                let tenant = (queue.pop(any).expect("nobody runs out") >> 40) as u32;
                served[tenant as usize] += u64::from(costs[tenant as usize]);
                push(&mut queue, tenant, tenant, costs[tenant as usize]);
            }
            let (least, most) = (served.iter().min().unwrap(), served.iter().max().unwrap());
            let bound = u64::from(MAX_COST_MICROS + 2 * QUANTUM_MICROS);
            assert!(most - least <= bound, "seed {seed}: {served:?} differ by more than {bound}");
        }
    }

    #[test]
    fn grants_of_one_tenant_share_its_part_and_take_none_of_others() {
        let mut queue = FairQueue::default();
        let mut served = [0u64; 4];
        for grant in [0, 0, 1, 1, 2, 2] {
            push(&mut queue, 1, grant, 500);
        }
        push(&mut queue, 2, 3, 500);
        push(&mut queue, 2, 3, 500);
        for _ in 0..6_000 {
            let entry = queue.pop(any).expect("nobody runs out");
            let (tenant, grant) = ((entry >> 40) as u32, (entry >> 20 & 0xfffff) as u32);
            served[grant as usize] += 1;
            push(&mut queue, tenant, grant, 500);
        }
        assert!((2_990..=3_010).contains(&served[3]), "{served:?}");
        assert!(served[..3].iter().all(|n| (990..=1_010).contains(n)), "{served:?}");
    }

    #[test]
    fn a_newcomer_waits_for_one_turn_of_each_other_tenant_at_most() {
        let mut queue = FairQueue::default();
        for flooding in 0..20 {
            for _ in 0..100 {
                push(&mut queue, flooding, flooding, 250);
            }
        }
        push(&mut queue, 99, 99, 16_000);
        let before = (0..).take_while(|_| queue.pop(any) != Some(id(99, 99, 16_000))).count();
        // Sixteen rounds of twenty tenants, four calls a round each.
        assert!(before <= 16 * 20 * 4, "{before} were served before it");
        push(&mut queue, 98, 98, 250);
        let before = (0..).take_while(|_| queue.pop(any) != Some(id(98, 98, 250))).count();
        assert!(before <= 20 * 4, "{before} were served before it");
    }

    #[test]
    fn a_tenant_that_may_not_be_served_keeps_its_place_and_holds_up_nobody() {
        let mut queue = FairQueue::default();
        push(&mut queue, 1, 1, 100);
        push(&mut queue, 2, 2, 100);
        assert_eq!(queue.pop(|tenant| tenant != 1), Some(id(2, 2, 100)));
        assert_eq!(queue.pop(|tenant| tenant != 1), None);
        assert_eq!(queue.pop(any), Some(id(1, 1, 100)));
        assert!(queue.is_empty());
    }

    #[test]
    fn what_gives_way_is_the_newest_of_who_holds_most() {
        let mut queue = FairQueue::default();
        for cost in 101..=110 {
            push(&mut queue, 1, 1, cost);
        }
        push(&mut queue, 1, 2, 100);
        assert_eq!(queue.gives_way(lane(2, 3)), Some(id(1, 1, 110)));
        // Its own: the grant that holds most gives way to another one, not to itself.
        assert_eq!(queue.gives_way(lane(1, 2)), Some(id(1, 1, 110)));
        assert_eq!(queue.gives_way(lane(1, 1)), None);
        for cost in 101..=111 {
            push(&mut queue, 2, 3, cost);
        }
        assert_eq!(queue.gives_way(lane(2, 3)), None);
        assert_eq!(FairQueue::default().gives_way(lane(1, 1)), None);
    }

    #[test]
    fn any_order_of_push_pop_and_remove_loses_nothing_and_serves_nothing_twice() {
        for seed in 0..200 {
            let mut random = Random(seed);
            let mut queue = FairQueue::default();
            let mut inside = std::collections::HashMap::new();
            for next in 0..500u64 {
                match random.below(4) {
                    0 | 1 => {
                        let place = lane(random.below(5) as u32, 0);
                        let place = Lane { grant: place.tenant * 3 + random.below(3) as u32, ..place };
                        queue.push(place, next, random.below(20_000) as u32);
                        inside.insert(next, place);
                    }
                    2 => {
                        let blocked = random.below(5) as u32;
                        let served = queue.pop(|tenant| tenant != blocked);
                        let left = inside.values().any(|place| place.tenant != blocked);
                        assert_eq!(served.is_some(), left, "seed {seed}");
                        let place = served.map(|id| inside.remove(&id).expect("served once"));
                        assert!(place.is_none_or(|place| place.tenant != blocked));
                    }
                    _ => {
                        let picked = inside.keys().min().copied();
                        if let Some((id, place)) = picked.and_then(|id| inside.remove_entry(&id)) {
                            queue.remove(place, id);
                        }
                    }
                }
                assert_eq!(queue.len(), inside.len(), "seed {seed}");
                for tenant in 0..5 {
                    assert_eq!(queue.holds(tenant), inside.values().any(|place| place.tenant == tenant));
                }
            }
            while let Some(id) = queue.pop(any) {
                assert!(inside.remove(&id).is_some(), "seed {seed}");
            }
            assert!(inside.is_empty(), "seed {seed}");
        }
    }

    #[test]
    fn lines_are_used_again_without_taking_memory() {
        let mut queue = FairQueue::default();
        let room = |queue: &FairQueue| {
            let lines = queue.grants.iter().map(|g| g.entries.capacity()).sum::<usize>();
            lines + queue.round.capacity() + queue.tenants.iter().map(|t| t.round.capacity()).sum::<usize>()
        };
        let fill = |queue: &mut FairQueue| {
            for tenant in 0..8 {
                push(queue, tenant, tenant, 100);
            }
            while queue.pop(any).is_some() {}
        };
        fill(&mut queue);
        let before = room(&queue);
        for _ in 0..1_000 {
            fill(&mut queue);
        }
        assert_eq!(room(&queue), before);
    }

    #[test]
    fn a_place_is_given_out_again_when_it_is_free() {
        let places = Places::default();
        let (first, second) = (places.take(), places.take());
        assert_eq!((first.number(), second.number()), (0, 1));
        drop(first);
        assert_eq!(places.take().number(), 0);
    }
}
