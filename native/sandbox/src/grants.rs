//! Grants that the sandbox holds, and whose they are.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use caisson_frames::{Grant, TenantKey};

use crate::guest::Prepared;
use caisson_turns::{Lane, MAX_COST_MICROS, Place, Places, QUANTUM_MICROS};

pub struct GrantState {
    pub prepared: Arc<Prepared>,
    pub grant: Grant,
    pub config: Arc<[(String, String)]>,
    /// Calls queued or running.
    pub inside: Cell<u32>,
    /// What a call takes, µs of processor time: a moving average that an eighth of each call enters.
    cost: Cell<u32>,
    tenant: Rc<Place>,
    place: Place,
}

impl GrantState {
    pub fn lane(&self) -> Lane {
        Lane { tenant: self.tenant.number(), grant: self.place.number() }
    }

    pub fn cost(&self) -> u32 {
        self.cost.get()
    }

    pub fn learn(&self, cpu_micros: u64) {
        let spent = cpu_micros.min(u64::from(MAX_COST_MICROS)) as u32;
        let cost = self.cost.get();
        self.cost.set(cost - cost / 8 + spent / 8);
    }
}

/// The places of tenants and grants in the queues; a tenant keeps its place as long as one of its grants lives.
#[derive(Default)]
pub struct Lanes {
    tenants: HashMap<TenantKey, Weak<Place>>,
    tenant_places: Places,
    grant_places: Places,
}

impl Lanes {
    /// before: the grant of the same handle, whose calls tell what one takes.
    pub fn admit(&mut self, prepared: Arc<Prepared>, grant: Grant, before: Option<&GrantState>) -> GrantState {
        let config = grant.config.as_slice().into();
        let tenant = self.tenant(grant.tenant);
        let cost = Cell::new(before.map_or(QUANTUM_MICROS, GrantState::cost));
        GrantState { prepared, grant, config, inside: Cell::new(0), cost, tenant, place: self.grant_places.take() }
    }

    fn tenant(&mut self, key: TenantKey) -> Rc<Place> {
        if let Some(place) = self.tenants.get(&key).and_then(Weak::upgrade) {
            return place;
        }
        if self.tenants.len() == self.tenants.capacity() {
            self.tenants.retain(|_, place| place.strong_count() > 0);
        }
        let place = Rc::new(self.tenant_places.take());
        self.tenants.insert(key, Rc::downgrade(&place));
        place
    }
}
