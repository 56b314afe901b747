//! Maps whose keys are counted, not chosen: ids of calls, streams, connections.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Several look-ups a call: std's hasher, made against keys that somebody picks, costs more than the look-up itself.
/// A gateway picks its stream ids, but they only grow, and as many are open as calls are admitted.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

#[derive(Default)]
pub struct IdHasher(u64);

/// 2⁶⁴ ÷ the golden ratio: neighbours land far from each other.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write_u64(&mut self, id: u64) {
        let product = (self.0 ^ id).wrapping_mul(SPREAD);
        self.0 = product ^ (product >> 32);
    }

    fn write_u32(&mut self, id: u32) {
        self.write_u64(id.into());
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
