//! The loop: read frames, let guests run for a moment, end what is overdue, write.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use caisson_engine::Class;
use caisson_frames::{Handle, Kind, Reason, next_frame, write_frame};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use wasmtime::Engine;

use crate::args::Args;
use crate::calls::Call;
use crate::capability::Incoming;
use crate::conn::{Conn, Io};
use crate::executor::Executor;
use crate::grants::{GrantState, Lanes};
use crate::guest::End;
use crate::ids::IdMap;
use crate::parent::LoadState;
use crate::ticker::Heartbeat;
use crate::timers::Timers;
use crate::{gateway, parent};
use caisson_turns::FairQueue;
use caisson_turns::Slots;

const LISTENER: u64 = 0;
pub const PARENT: u64 = 1;
const MAX_CONNECTIONS: usize = 64;
const EVENTS: usize = 64;
/// How long guests run before sockets are looked at again; one guest's turn ends with the 5 ms tick.
const RUN_SLICE: Duration = Duration::from_millis(2);
/// Answers leave at least this often while guests run, so that the gateway works on them meanwhile: written only at the
/// end of a turn, they would make the two take turns, each idle while the other works.
const FLUSH_EVERY: Duration = Duration::from_micros(100);

/// After the last call of a drain: what a gateway sent before it heard of the drain is refused and not lost.
const DRAIN_LINGER: Duration = Duration::from_millis(20);

/// A connection ends with this reason.
pub struct Fault(pub &'static str, pub String);

impl From<caisson_frames::FrameError> for Fault {
    fn from(e: caisson_frames::FrameError) -> Fault {
        Fault(e.code(), String::new())
    }
}

pub struct Server {
    pub class: Class,
    pub engine: Engine,
    /// Asked before the lockdown: the filter has no geteuid.
    own_uid: rustix::process::Uid,
    pub lockdown: u8,
    pub secret: Option<[u8; 32]>,
    pub loads: HashMap<u32, LoadState>,
    pub grants: HashMap<Handle, Rc<GrantState>>,
    pub calls: IdMap<u64, Call>,
    pub lanes: Lanes,
    /// Calls that wait for a slot.
    pub queue: FairQueue,
    pub next_call: u64,
    pub slots: Slots,
    pub max_queue: usize,
    pub executor: Executor<End>,
    pub timers: Timers,
    /// No new call is taken; the process ends when its calls have ended.
    pub draining: bool,
    /// A guest's turn panicked: the process leaves when its calls have ended.
    pub poisoned: bool,
    pub log_lines_lost: u32,
    pub points_lost: u32,
    /// No call is overdue before this.
    pub next_deadline: Option<Instant>,
    /// Capability calls that the parent has not answered, by their stream on its line.
    pub incoming: HashMap<u32, Incoming>,
    pub next_capability_stream: u32,
    pub conns: IdMap<u64, Conn>,
    next_conn: u64,
    dirty: Vec<u64>,
    listener: UnixListener,
    epoll: OwnedFd,
}

impl Server {
    pub fn new(args: &Args, engine: Engine, listener: UnixListener, parent: UnixStream) -> std::io::Result<Server> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &parent, epoll::EventData::new_u64(PARENT), epoll::EventFlags::IN)?;
        Ok(Server {
            class: args.class,
            engine,
            own_uid: rustix::process::geteuid(),
            lockdown: 0,
            secret: None,
            loads: HashMap::new(),
            grants: HashMap::new(),
            calls: IdMap::default(),
            lanes: Lanes::default(),
            queue: FairQueue::default(),
            next_call: 1,
            slots: Slots::new(args.slots),
            max_queue: args.queue,
            executor: Executor::new(),
            timers: Timers::default(),
            draining: false,
            poisoned: false,
            log_lines_lost: 0,
            points_lost: 0,
            next_deadline: None,
            incoming: HashMap::new(),
            next_capability_stream: 0,
            conns: IdMap::from_iter([(PARENT, Conn::new(parent))]),
            next_conn: PARENT + 1,
            dirty: Vec::new(),
            listener,
            epoll,
        })
    }

    /// Gateways wait in the backlog until the parent has given the secret that they must show.
    pub fn listen(&mut self) -> Result<(), Fault> {
        epoll::add(&self.epoll, &self.listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)
            .map_err(|e| Fault("sandbox.poll", e.to_string()))
    }

    /// Returns when the parent is gone or a drain is over; an error when this process must be replaced.
    pub fn run(&mut self, heartbeat: &Heartbeat) -> std::io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        while self.conns.contains_key(&PARENT) {
            heartbeat.idle();
            events.clear();
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut events), self.timeout().as_ref()) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            heartbeat.busy();
            for event in &events {
                self.on_event(event.data.u64(), event.flags);
            }
            self.run_guests();
            self.expire(Instant::now());
            self.flush_dirty();
            if events.is_empty() && self.is_drained() {
                break;
            }
        }
        if self.poisoned { Err(std::io::Error::other("a call panicked")) } else { Ok(()) }
    }

    /// Takes no new call from now on, and tells every gateway so. What runs or waits goes on.
    pub fn drain(&mut self) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let gateways: Vec<u64> =
            self.conns.iter().filter(|(id, c)| **id != PARENT && c.greeted).map(|(id, _)| *id).collect();
        for id in gateways {
            self.tell_draining(id);
        }
    }

    pub fn tell_draining(&mut self, id: u64) {
        if let Some(out) = self.output(id) {
            write_frame(out, Kind::Drain, 0, 0, |_| {});
        }
    }

    /// Nothing runs, nothing waits to be sent; after a wait without a frame (see `timeout`) none is on its way either.
    fn is_drained(&self) -> bool {
        self.draining && self.calls.is_empty() && self.conns.values().all(|conn| conn.unsent() == 0)
    }

    fn timeout(&self) -> Option<Timespec> {
        if self.executor.has_ready() {
            return Some(Timespec { tv_sec: 0, tv_nsec: 0 });
        }
        let lingering = (self.draining && self.calls.is_empty()).then(|| Instant::now() + DRAIN_LINGER);
        let next = [self.next_deadline, self.timers.next(), lingering].into_iter().flatten().min()?;
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_micros(100);
        Some(Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) })
    }

    fn on_event(&mut self, id: u64, flags: epoll::EventFlags) {
        if id == LISTENER {
            return self.accept();
        }
        if flags.contains(epoll::EventFlags::OUT) {
            self.flush(id);
        }
        if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
            self.read(id);
        }
    }

    fn accept(&mut self) {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        while let Ok(socket) = rustix::net::accept_with(&self.listener, flags) {
            let known = rustix::net::sockopt::socket_peercred(&socket)
                .is_ok_and(|peer| peer.uid.is_root() || peer.uid == self.own_uid);
            if !known || self.conns.len() >= MAX_CONNECTIONS {
                continue;
            }
            let id = self.next_conn;
            self.next_conn += 1;
            let data = epoll::EventData::new_u64(id);
            if epoll::add(&self.epoll, &socket, data, epoll::EventFlags::IN).is_ok() {
                self.conns.insert(id, Conn::new(UnixStream::from(socket)));
            }
        }
    }

    fn read(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if conn.closing {
            return;
        }
        let read = conn.read();
        let input = std::mem::take(&mut conn.input);
        let (used, fault) = self.frames(id, &input);
        if let Some(Fault(code, message)) = fault {
            return self.close_because(id, code, message);
        }
        if matches!(read, Io::Closed) {
            return self.close(id);
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            let mut input = input;
            input.drain(..used);
            conn.input = input;
        }
    }

    fn frames(&mut self, id: u64, input: &[u8]) -> (usize, Option<Fault>) {
        let mut used = 0;
        loop {
            let (frame, length) = match next_frame(&input[used..]) {
                Ok(Some(next)) => next,
                Ok(None) => return (used, None),
                Err(e) => return (used, Some(e.into())),
            };
            let done = match id {
                PARENT => parent::on_frame(self, frame),
                _ => gateway::on_frame(self, id, frame),
            };
            if let Err(fault) = done {
                return (used, Some(fault));
            }
            used += length;
        }
    }

    /// The output of a connection that lives; marks it for the flush at the end of the turn.
    pub fn output(&mut self, id: u64) -> Option<&mut Vec<u8>> {
        let conn = self.conns.get_mut(&id)?;
        if !conn.dirty {
            conn.dirty = true;
            self.dirty.push(id);
        }
        Some(&mut conn.output)
    }

    fn flush_dirty(&mut self) {
        for id in std::mem::take(&mut self.dirty) {
            self.flush(id);
        }
    }

    fn flush(&mut self, id: u64) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.dirty = false;
        let flushed = conn.flush();
        let waits = matches!(flushed, Io::Blocked);
        if matches!(flushed, Io::Closed) {
            return self.close(id);
        }
        if waits != conn.waiting_to_write {
            conn.waiting_to_write = waits;
            let read = epoll::EventFlags::IN;
            let flags = if waits { read | epoll::EventFlags::OUT } else { read };
            if epoll::modify(&self.epoll, &conn.socket, epoll::EventData::new_u64(id), flags).is_err() {
                self.close(id);
            }
        }
    }

    /// Says why, then ends the connection and every call on it.
    fn close_because(&mut self, id: u64, code: &'static str, message: String) {
        if id == PARENT {
            eprintln!("{code}: {message}");
        }
        self.drop_calls_of(id);
        if let Some(output) = self.output(id) {
            Reason { code: code.into(), message }.encode(output, Kind::Close, 0);
        }
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.closing = true;
        }
        self.flush(id);
    }

    fn close(&mut self, id: u64) {
        self.drop_calls_of(id);
        if let Some(conn) = self.conns.remove(&id) {
            let _ = epoll::delete(&self.epoll, &conn.socket);
        }
    }

    fn run_guests(&mut self) {
        if !self.executor.has_ready() {
            return;
        }
        self.executor.begin_turn();
        let begun = Instant::now();
        let (end, mut flush) = (begun + RUN_SLICE, begun + FLUSH_EVERY);
        while let Some(id) = self.executor.next_ready() {
            self.poll_call(id);
            let now = Instant::now();
            if now >= end {
                break;
            }
            if now >= flush {
                self.flush_dirty();
                flush = now + FLUSH_EVERY;
            }
        }
    }
}
