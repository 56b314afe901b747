//! A single-threaded executor: fibers of guests take turns, at most one epoch tick each.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::ids::IdMap;
use caisson_turns::{FairQueue, Lane};

type Task<T> = Pin<Box<dyn Future<Output = T>>>;

struct TaskWaker {
    id: u64,
    queued: AtomicBool,
    ready: Arc<Mutex<VecDeque<u64>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(|e| e.into_inner()).push_back(self.id);
        }
    }
}

struct Slot<T> {
    task: Task<T>,
    flag: Arc<TaskWaker>,
    waker: Waker,
    lane: Lane,
    /// Processor time of its last turn, µs.
    last_micros: u32,
}

pub enum Polled<T> {
    Pending,
    Done(T),
    /// The task panicked; it is gone.
    Panicked,
}

/// One task's turn.
pub struct Turn<T> {
    pub polled: Polled<T>,
    pub cpu_micros: u64,
    pub lasted: Duration,
}

pub struct Executor<T> {
    tasks: IdMap<u64, Slot<T>>,
    /// Woken and not yet looked at.
    ready: Arc<Mutex<VecDeque<u64>>>,
    woken: FairQueue,
    /// Never polled yet: they alternate with the woken ones, so that looping guests do not hold up a short call.
    fresh: FairQueue,
    fresh_next: bool,
    clock: TurnClock,
}

impl<T> Executor<T> {
    pub fn new() -> Self {
        Executor {
            tasks: IdMap::default(),
            ready: Arc::default(),
            woken: FairQueue::default(),
            fresh: FairQueue::default(),
            fresh_next: true,
            clock: TurnClock::default(),
        }
    }

    /// cost: µs that a turn of such a task takes, as far as known.
    pub fn insert(&mut self, id: u64, lane: Lane, cost: u32, task: impl Future<Output = T> + 'static) {
        let flag = Arc::new(TaskWaker { id, queued: AtomicBool::new(false), ready: self.ready.clone() });
        let waker = Waker::from(flag.clone());
        self.tasks.insert(id, Slot { task: Box::pin(task), flag, waker, lane, last_micros: 0 });
        self.fresh.push(lane, id, cost);
    }

    /// Drops the task where it stands; Wasmtime unwinds its fiber.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(slot) = self.tasks.remove(&id) else { return false };
        self.fresh.remove(slot.lane, id);
        self.woken.remove(slot.lane, id);
        true
    }

    pub fn has_ready(&self) -> bool {
        let woken = !self.woken.is_empty() || !self.ready.lock().unwrap_or_else(|e| e.into_inner()).is_empty();
        woken || !self.fresh.is_empty()
    }

    pub fn next_ready(&mut self) -> Option<u64> {
        self.line_up_woken();
        self.fresh_next = !self.fresh_next;
        let fresh_first = !self.fresh_next;
        let (first, second) =
            if fresh_first { (&mut self.fresh, &mut self.woken) } else { (&mut self.woken, &mut self.fresh) };
        first.pop(|_| true).or_else(|| second.pop(|_| true))
    }

    /// Those that were woken wait in turns of their tenants, too: a tenant with many guests that loop gets no more turns.
    fn line_up_woken(&mut self) {
        let mut ready = self.ready.lock().unwrap_or_else(|e| e.into_inner());
        while let Some(id) = ready.pop_front() {
            if let Some(slot) = self.tasks.get(&id) {
                self.woken.push(slot.lane, id, slot.last_micros);
            }
        }
    }

    /// Before the first poll after a wait: what was spent until now is nobody's.
    pub fn begin_turn(&mut self) {
        self.clock.restart();
    }

    /// Polls one task; `None` for an unknown id.
    pub fn poll(&mut self, id: u64) -> Option<Turn<T>> {
        let slot = self.tasks.get_mut(&id)?;
        slot.flag.queued.store(false, Ordering::Relaxed);
        let before = Instant::now();
        let mut context = Context::from_waker(&slot.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| slot.task.as_mut().poll(&mut context)));
        let lasted = before.elapsed();
        let cpu_micros = self.clock.spent(lasted);
        let polled = match polled {
            Ok(Poll::Pending) => {
                slot.last_micros = cpu_micros.min(u64::from(u32::MAX)) as u32;
                return Some(Turn { polled: Polled::Pending, cpu_micros, lasted });
            }
            Ok(Poll::Ready(value)) => Polled::Done(value),
            Err(_) => Polled::Panicked,
        };
        self.tasks.remove(&id);
        Some(Turn { polled, cpu_micros, lasted })
    }
}

/// Processor time by task at the price of one reading per turn: the thread's clock is a system call, the monotonic one
/// is not. A short poll is charged the time that passed, at most `SHORT` too much; a longer one, which others may have
/// interrupted, what the thread's clock says is left once the short ones before it are taken off.
#[derive(Default)]
struct TurnClock {
    read: u64,
    charged: u64,
}

const SHORT: Duration = Duration::from_micros(50);

impl TurnClock {
    fn restart(&mut self) {
        *self = TurnClock { read: thread_cpu_micros(), charged: 0 };
    }

    fn spent(&mut self, passed: Duration) -> u64 {
        let passed_micros = passed.as_micros() as u64;
        if passed < SHORT {
            self.charged += passed_micros;
            return passed_micros;
        }
        let before = self.read + self.charged;
        self.restart();
        self.read.saturating_sub(before).min(passed_micros)
    }
}

/// The first use looks up where the kernel put the clock, by calls that the filter does not allow: make it before.
pub fn thread_cpu_micros() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}
