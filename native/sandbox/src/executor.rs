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
}

pub enum Polled<T> {
    Pending,
    Done(T),
    /// The task panicked; it is gone.
    Panicked,
}

pub struct Executor<T> {
    tasks: IdMap<u64, Slot<T>>,
    ready: Arc<Mutex<VecDeque<u64>>>,
    /// Never polled yet: they alternate with the woken ones, so that looping guests do not hold up a short call.
    fresh: VecDeque<u64>,
    fresh_next: bool,
    clock: TurnClock,
}

impl<T> Executor<T> {
    pub fn new() -> Self {
        Executor {
            tasks: IdMap::default(),
            ready: Arc::default(),
            fresh: VecDeque::new(),
            fresh_next: true,
            clock: TurnClock::default(),
        }
    }

    pub fn insert(&mut self, id: u64, task: impl Future<Output = T> + 'static) {
        let flag = Arc::new(TaskWaker { id, queued: AtomicBool::new(false), ready: self.ready.clone() });
        let waker = Waker::from(flag.clone());
        self.tasks.insert(id, Slot { task: Box::pin(task), flag, waker });
        self.fresh.push_back(id);
    }

    /// Drops the task where it stands; Wasmtime unwinds its fiber.
    pub fn remove(&mut self, id: u64) -> bool {
        self.tasks.remove(&id).is_some()
    }

    pub fn has_ready(&self) -> bool {
        !self.fresh.is_empty() || !self.ready.lock().unwrap_or_else(|e| e.into_inner()).is_empty()
    }

    pub fn next_ready(&mut self) -> Option<u64> {
        self.fresh_next = !self.fresh_next;
        let fresh_first = !self.fresh_next;
        if fresh_first && let Some(id) = self.fresh.pop_front() {
            return Some(id);
        }
        let woken = self.ready.lock().unwrap_or_else(|e| e.into_inner()).pop_front();
        woken.or_else(|| self.fresh.pop_front())
    }

    /// Before the first poll after a wait: what was spent until now is nobody's.
    pub fn begin_turn(&mut self) {
        self.clock.restart();
    }

    /// Polls one task and says how many microseconds of processor time that took; `None` for an unknown id.
    pub fn poll(&mut self, id: u64) -> Option<(Polled<T>, u64)> {
        let slot = self.tasks.get_mut(&id)?;
        slot.flag.queued.store(false, Ordering::Relaxed);
        let before = Instant::now();
        let mut context = Context::from_waker(&slot.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| slot.task.as_mut().poll(&mut context)));
        let spent = self.clock.spent(before.elapsed());
        let polled = match polled {
            Ok(Poll::Pending) => return Some((Polled::Pending, spent)),
            Ok(Poll::Ready(value)) => Polled::Done(value),
            Err(_) => Polled::Panicked,
        };
        self.tasks.remove(&id);
        Some((polled, spent))
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
