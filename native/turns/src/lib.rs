//! How the tenants of one sandbox share it: whose turn it is, and how many slots each may hold. Pure: no clock, no thread.
#![forbid(unsafe_code)]

mod fair;
mod slots;

pub use fair::{FairQueue, Lane, MAX_COST_MICROS, Place, Places, QUANTUM_MICROS};
pub use slots::Slots;
