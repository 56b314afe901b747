//! Timers of guests that wait on a clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Instant;

struct Entry {
    at: Instant,
    waker: Waker,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[derive(Clone, Default)]
pub struct Timers(Arc<Mutex<BinaryHeap<Reverse<Entry>>>>);

impl Timers {
    fn heap(&self) -> MutexGuard<'_, BinaryHeap<Reverse<Entry>>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub async fn sleep_until(&self, at: Instant) {
        poll_fn(|cx| {
            if Instant::now() >= at {
                return Poll::Ready(());
            }
            self.heap().push(Reverse(Entry { at, waker: cx.waker().clone() }));
            Poll::Pending
        })
        .await;
    }

    pub fn next(&self) -> Option<Instant> {
        self.heap().peek().map(|e| e.0.at)
    }

    /// Wakes what is due.
    pub fn fire(&self, now: Instant) {
        let mut heap = self.heap();
        while heap.peek().is_some_and(|e| e.0.at <= now) {
            if let Some(Reverse(entry)) = heap.pop() {
                entry.waker.wake();
            }
        }
    }
}
