//! The slots of the pool, and how many of them each tenant holds.

/// A tenant may hold so many times the slots that are free.
const TIMES_FREE: u32 = 7;

/// A slot is the admission token: as many calls run as the pool has room for, so instantiation never fails for room.
pub struct Slots {
    total: u32,
    taken: u32,
    /// By the tenant's place.
    held: Vec<u32>,
}

impl Slots {
    pub fn new(total: u32) -> Slots {
        Slots { total, taken: 0, held: Vec::new() }
    }

    /// One tenant alone gets seven eighths of the slots, two get seven fifteenths each: calls that never end on their own
    /// leave a slot for whoever comes next (dynamic thresholds: Choudhury and Hahne, 1998).
    pub fn may_take(&self, tenant: u32) -> bool {
        let free = self.total - self.taken;
        let held = self.held.get(tenant as usize).copied().unwrap_or(0);
        held < free * TIMES_FREE
    }

    pub fn any_free(&self) -> bool {
        self.taken < self.total
    }

    pub fn take(&mut self, tenant: u32) {
        let place = tenant as usize;
        if place >= self.held.len() {
            self.held.resize(place + 1, 0);
        }
        self.held[place] += 1;
        self.taken += 1;
    }

    pub fn leave(&mut self, tenant: u32) {
        self.held[tenant as usize] -= 1;
        self.taken -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(slots: &mut Slots, tenant: u32) -> u32 {
        let mut taken = 0;
        while slots.may_take(tenant) {
            slots.take(tenant);
            taken += 1;
        }
        taken
    }

    #[test]
    fn one_tenant_leaves_slots_for_the_next_and_that_one_too() {
        let mut slots = Slots::new(128);
        assert_eq!(fill(&mut slots, 0), 112);
        assert_eq!(fill(&mut slots, 1), 14);
        assert!(slots.may_take(2));
        slots.leave(0);
        assert!(slots.may_take(2));
    }

    #[test]
    fn a_small_pool_is_used_whole() {
        for total in 1..=7 {
            assert_eq!(fill(&mut Slots::new(total), 3), total);
        }
    }
}
