//! The thread that advances the epoch every 5 ms, and ends a process whose executor does not come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::Engine;

const TICK: Duration = Duration::from_millis(5);
/// The parent kills a process that does not come back long before this (rung 4); this is for one whose parent hangs, too.
const STUCK_MILLIS: u64 = 15_000;
/// Exit status of a process that ended itself.
pub const STUCK_EXIT: i32 = 70;

/// When the executor last left its wait, in milliseconds since start plus one; 0 while it waits.
#[derive(Clone)]
pub struct Heartbeat {
    started: Instant,
    busy_since: Arc<AtomicU64>,
}

impl Heartbeat {
    pub fn new() -> Self {
        Heartbeat { started: Instant::now(), busy_since: Arc::default() }
    }

    pub fn busy(&self) {
        self.busy_since.store(self.millis(), Ordering::Relaxed);
    }

    pub fn idle(&self) {
        self.busy_since.store(0, Ordering::Relaxed);
    }

    fn millis(&self) -> u64 {
        self.started.elapsed().as_millis() as u64 + 1
    }

    fn stuck(&self) -> bool {
        let since = self.busy_since.load(Ordering::Relaxed);
        since != 0 && self.millis().saturating_sub(since) > STUCK_MILLIS
    }
}

/// Returns once the thread runs: what it does to set itself up is over before the filter comes.
pub fn start(engine: Engine, heartbeat: Heartbeat) -> std::io::Result<()> {
    let (up, wait) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("ticker".into()).spawn(move || {
        let _ = up.send(());
        tick(&engine, &heartbeat);
    })?;
    wait.recv().map_err(std::io::Error::other)
}

/// Follows the monotonic clock: a late wake-up makes up for the ticks it missed.
fn tick(engine: &Engine, heartbeat: &Heartbeat) {
    let mut next = Instant::now() + TICK;
    loop {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        let now = Instant::now();
        while next <= now {
            engine.increment_epoch();
            next += TICK;
        }
        if heartbeat.stuck() {
            eprintln!("runner.stuck: the executor did not return");
            std::process::exit(STUCK_EXIT);
        }
    }
}
