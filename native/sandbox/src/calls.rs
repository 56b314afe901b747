//! A call from OPEN to RESULT: admission, queue, run, answer. Exactly one RESULT ends each.
//! One file over the usual length: it is one state machine, and every way out of a state has to be seen beside the others.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use caisson_frames::{
    CallResult, CancelReason, Capability, DATA_CHUNK_BYTES, Grant, Handle, INITIAL_CREDIT_BYTES, Kind, Open, Outcome,
    Response, Usage, encode_credit, last, write_frame,
};

use crate::executor::{Polled, Turn};
use crate::grants::GrantState;
use crate::guest::{Answer, End, run};
use crate::host::{CallLimits, CallShared};
use crate::metrics::forward_points;
use crate::parent::forward_log;
use crate::server::{Fault, Server};

/// After the deadline, an epoch check has two ticks to end a guest (rung 1) before its future is dropped (rung 2).
const DROP_GRACE: Duration = Duration::from_millis(10);
/// Read body bytes are credited back in steps of this.
const CREDIT_STEP_BYTES: u32 = INITIAL_CREDIT_BYTES / 4;
/// A turn ends with the tick after 5 ms. One that lasted so long was stuck where no epoch is looked at, and the parent has
/// had this process leave: the deadline that it missed was kept by rung 3.
const STUCK: Duration = Duration::from_secs(1);

enum Phase {
    Queued(Box<Open>),
    Running,
    /// The answer waits for credit; its guest is gone.
    Sending {
        body: Vec<u8>,
        sent: usize,
    },
}

pub struct Call {
    conn: u64,
    stream: u32,
    grant: Rc<GrantState>,
    phase: Phase,
    pub shared: Arc<CallShared>,
    limits: CallLimits,
    opened: Instant,
    queue_micros: u64,
    cpu_micros: u64,
    body_in: u64,
    body_out: u64,
    /// What the gateway may still send, and what it still takes.
    window_in: u32,
    credit_out: u64,
}

impl Server {
    pub fn open(&mut self, conn: u64, stream: u32, open: Open, no_body: bool) {
        match self.admit(&open).and_then(|grant| self.make_room(&grant).map(|()| grant)) {
            Ok(grant) => self.accept_call(conn, stream, open, no_body, grant),
            Err(code) => self.result(conn, stream, Outcome::Refused, 0, code, Used::default()),
        }
    }

    /// The handle is the only source of identity; every reason to refuse has its code.
    fn admit(&self, open: &Open) -> Result<Rc<GrantState>, &'static str> {
        let state = self.grants.get(&open.handle).ok_or("handle.unknown")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::MAX).as_millis();
        if now >= u128::from(state.grant.expires_ms) {
            return Err("grant.expired");
        }
        if open.deadline_micros == 0 {
            return Err("deadline.missing");
        }
        if self.draining {
            return Err("runner.draining");
        }
        if state.inside.get() >= state.grant.concurrency {
            return Err("grant.concurrency");
        }
        Ok(state.clone())
    }

    /// A full queue sheds at once: the newest call of the tenant that waits with most, be it the one that comes.
    fn make_room(&mut self, grant: &GrantState) -> Result<(), &'static str> {
        if self.may_start(grant) || self.queue.len() < self.max_queue {
            return Ok(());
        }
        let gives_way = self.queue.gives_way(grant.lane()).ok_or("runner.capacity")?;
        self.finish(gives_way, Outcome::Refused, 0, "runner.capacity");
        Ok(())
    }

    /// Nobody who may have a slot waits for one (see `start_queued`), so that whoever comes overtakes none of them.
    fn may_start(&self, grant: &GrantState) -> bool {
        let tenant = grant.lane().tenant;
        self.slots.may_take(tenant) && !self.queue.holds(tenant)
    }

    fn accept_call(&mut self, conn: u64, stream: u32, open: Open, no_body: bool, grant: Rc<GrantState>) {
        let opened = Instant::now();
        let micros = open.deadline_micros.min(u64::from(grant.grant.deadline_ms) * 1_000);
        let deadline = opened + Duration::from_micros(micros);
        let shared = Arc::new(CallShared::new(open.execution, open.handle, deadline, grant.config.clone()));
        shared.io().ended = no_body;
        grant.inside.set(grant.inside.get() + 1);
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        let id = self.next_call;
        self.next_call += 1;
        connection.streams.insert(stream, id);
        let credit_out = u64::from(connection.credit);
        let limits = shrink(&grant.grant, &open);
        let call = Call {
            conn,
            stream,
            grant,
            phase: Phase::Queued(Box::new(open)),
            shared,
            limits,
            opened,
            queue_micros: 0,
            cpu_micros: 0,
            body_in: 0,
            body_out: 0,
            window_in: INITIAL_CREDIT_BYTES,
            credit_out,
        };
        let starts = self.may_start(&call.grant);
        let (lane, cost) = (call.grant.lane(), call.grant.cost());
        self.calls.insert(id, call);
        self.next_deadline = Some(self.next_deadline.map_or(deadline, |d| d.min(deadline)));
        match starts {
            true => self.start(id),
            false => self.queue.push(lane, id, cost),
        }
    }

    /// Afterwards nobody waits who may have a slot.
    fn start_queued(&mut self) {
        while self.slots.any_free() {
            let Some(id) = self.queue.pop(|tenant| self.slots.may_take(tenant)) else { return };
            self.start(id);
        }
    }

    fn start(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Queued(open) = std::mem::replace(&mut call.phase, Phase::Running) else { return };
        call.queue_micros = micros(call.opened.elapsed());
        let prepared = call.grant.prepared.clone();
        let task = run(self.engine.clone(), prepared, open, call.shared.clone(), call.limits, self.timers.clone());
        let lane = call.grant.lane();
        self.slots.take(lane.tenant);
        self.executor.insert(id, lane, call.grant.cost(), task);
    }

    pub fn poll_call(&mut self, id: u64) {
        let Some(Turn { polled, cpu_micros, lasted }) = self.executor.poll(id) else { return };
        let Some(call) = self.calls.get_mut(&id) else { return };
        call.cpu_micros += cpu_micros;
        if !matches!(polled, Polled::Pending) {
            self.slots.leave(call.grant.lane().tenant);
        }
        match polled {
            Polled::Panicked => {
                // What a panic left behind is unknown: end what runs, take nothing new, then leave; the parent replaces us.
                self.poisoned = true;
                self.drain();
                self.finish(id, Outcome::Lost, 3, "runner.panic");
            }
            Polled::Pending => {
                self.credit_back(id);
                return self.send_asked(id);
            }
            Polled::Done(mut end) => {
                if end.outcome == Outcome::Deadline && lasted > STUCK {
                    end.rung = 3;
                }
                self.ended(id, end);
            }
        }
        self.start_queued();
    }

    fn credit_back(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let mut io = call.shared.io();
        if io.ended || io.consumed < CREDIT_STEP_BYTES {
            return;
        }
        let bytes = std::mem::take(&mut io.consumed);
        drop(io);
        call.window_in += bytes;
        let (conn, stream) = (call.conn, call.stream);
        if let Some(out) = self.output(conn) {
            encode_credit(out, stream, bytes);
        }
    }

    fn ended(&mut self, id: u64, end: End) {
        let Some(Answer { status, headers, body }) = end.answer else {
            return self.finish(id, end.outcome, end.rung, end.code);
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let (conn, stream) = (call.conn, call.stream);
        let flags = last(body.is_empty());
        call.phase = Phase::Sending { body, sent: 0 };
        if let Some(out) = self.output(conn) {
            Response { status, headers }.encode(out, stream, flags);
        }
        self.pump(id);
    }

    /// Sends what the credit allows; the RESULT follows the last byte.
    fn pump(&mut self, id: u64) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let Phase::Sending { body, sent } = &mut call.phase else { return };
        let (conn, stream) = (call.conn, call.stream);
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        while call.credit_out > 0 && *sent < body.len() {
            let part = DATA_CHUNK_BYTES.min(body.len() - *sent).min(call.credit_out as usize);
            let chunk = &body[*sent..*sent + part];
            write_frame(&mut connection.output, Kind::Data, 0, stream, |w| w.bytes(chunk));
            *sent += part;
            call.credit_out -= part as u64;
            call.body_out += part as u64;
        }
        let (empty, complete) = (body.is_empty(), *sent == body.len());
        if let Some(out) = self.output(conn)
            && complete
            && !empty
        {
            write_frame(out, Kind::End, 0, stream, |_| {});
        }
        if complete {
            self.finish(id, Outcome::Done, 0, "");
        }
    }

    /// Ends a call wherever it stands and answers with its RESULT.
    fn finish(&mut self, id: u64, outcome: Outcome, rung: u8, code: &'static str) {
        let Some(call) = self.remove(id) else { return };
        let (lines, used) = used_of(&call);
        self.forward(lines, &call);
        self.result(call.conn, call.stream, outcome, rung, code, used);
    }

    /// What a call leaves for the parent: log lines and points.
    fn forward(&mut self, lines: Vec<caisson_frames::LogLine>, call: &Call) {
        if !lines.is_empty() {
            forward_log(self, lines);
        }
        let points = std::mem::take(&mut call.shared.io().points);
        forward_points(self, points);
    }

    fn remove(&mut self, id: u64) -> Option<Call> {
        let call = self.calls.remove(&id)?;
        if call.shared.io().outside.has_asked() {
            self.forget_asked(id);
        }
        call.grant.inside.set(call.grant.inside.get() - 1);
        match call.phase {
            Phase::Queued(_) => self.queue.remove(call.grant.lane(), id),
            Phase::Running if self.executor.remove(id) => self.slots.leave(call.grant.lane().tenant),
            _ => {}
        }
        if !matches!(call.phase, Phase::Queued(_)) {
            call.grant.learn(call.cpu_micros);
        }
        if let Some(connection) = self.conns.get_mut(&call.conn) {
            connection.streams.remove(&call.stream);
        }
        Some(call)
    }

    fn result(&mut self, conn: u64, stream: u32, outcome: Outcome, rung: u8, code: &'static str, used: Used) {
        let Used { denied, usage } = used;
        if let Some(out) = self.output(conn) {
            CallResult { outcome, rung, code: code.into(), denied, usage }.encode(out, stream);
        }
    }

    fn call_of(&self, conn: u64, stream: u32) -> Option<u64> {
        self.conns.get(&conn)?.streams.get(&stream).copied()
    }

    /// Frames of a stream that has ended are late, not wrong: they are ignored.
    pub fn body_data(&mut self, conn: u64, stream: u32, payload: &[u8]) -> Result<(), Fault> {
        let Some(id) = self.call_of(conn, stream) else { return Ok(()) };
        let Some(call) = self.calls.get_mut(&id) else { return Ok(()) };
        let size = payload.len() as u32;
        let mut io = call.shared.io();
        if io.ended || size > call.window_in {
            return Err(Fault("stream.credit", "DATA after END or beyond the credit".into()));
        }
        call.window_in -= size;
        call.body_in += u64::from(size);
        if call.body_in > u64::from(call.grant.grant.request_bytes) {
            drop(io);
            self.finish(id, Outcome::Refused, 0, "request.too-large");
            self.start_queued();
            return Ok(());
        }
        if size > 0 {
            io.incoming.push_back(payload.to_vec());
        }
        io.reader.take().inspect(std::task::Waker::wake_by_ref);
        Ok(())
    }

    pub fn body_end(&mut self, conn: u64, stream: u32) {
        let Some(call) = self.call_of(conn, stream).and_then(|id| self.calls.get(&id)) else { return };
        let mut io = call.shared.io();
        io.ended = true;
        io.reader.take().inspect(std::task::Waker::wake_by_ref);
    }

    pub fn credit(&mut self, conn: u64, stream: u32, bytes: u32) {
        let Some(id) = self.call_of(conn, stream) else { return };
        if let Some(call) = self.calls.get_mut(&id) {
            call.credit_out = call.credit_out.saturating_add(u64::from(bytes)).min(u64::from(u32::MAX));
        }
        self.pump(id);
    }

    pub fn cancel(&mut self, conn: u64, stream: u32, reason: CancelReason) {
        let Some(id) = self.call_of(conn, stream) else { return };
        let code = match reason {
            CancelReason::Client => "call.cancelled",
            CancelReason::Deadline => "deadline.exceeded",
            CancelReason::Halt => "call.halted",
        };
        self.finish(id, Outcome::Cancelled, 2, code);
        self.start_queued();
    }

    pub fn drop_calls_of(&mut self, conn: u64) {
        let streams = self.conns.get_mut(&conn).map(|c| std::mem::take(&mut c.streams)).unwrap_or_default();
        for id in streams.into_values() {
            if let Some(call) = self.remove(id) {
                let (lines, _) = used_of(&call);
                self.forward(lines, &call);
            }
        }
        self.start_queued();
    }

    /// Ends the calls of one grant, or all: (waiting, running) counts.
    pub fn halt(&mut self, handle: Option<Handle>) -> (u32, u32) {
        let hit = |c: &Call| handle.is_none_or(|h| c.grant.grant.handle == h);
        let ids: Vec<u64> = self.calls.iter().filter(|(_, c)| hit(c)).map(|(id, _)| *id).collect();
        let (mut unqueued, mut killed) = (0, 0);
        for id in ids {
            match self.calls.get(&id).map(|c| &c.phase) {
                Some(Phase::Queued(_)) => unqueued += 1,
                _ => killed += 1,
            }
            self.finish(id, Outcome::Cancelled, 2, "call.halted");
        }
        self.start_queued();
        (unqueued, killed)
    }

    /// Ends what is overdue in the queue, in a blocked guest or in an answer that nobody takes.
    pub fn expire(&mut self, now: Instant) {
        self.timers.fire(now);
        if self.next_deadline.is_none_or(|d| d > now) {
            return;
        }
        let ends = |c: &Call| match c.phase {
            Phase::Running => c.shared.deadline + DROP_GRACE,
            _ => c.shared.deadline,
        };
        let overdue: Vec<u64> = self.calls.iter().filter(|(_, c)| ends(c) <= now).map(|(id, _)| *id).collect();
        for id in overdue {
            let running = self.calls.get(&id).is_some_and(|c| matches!(c.phase, Phase::Running));
            self.finish(id, Outcome::Deadline, if running { 2 } else { 0 }, "deadline.exceeded");
        }
        self.start_queued();
        self.next_deadline = self.calls.values().map(ends).min();
    }
}

/// A caller may shrink a limit, never raise it.
fn shrink(grant: &Grant, open: &Open) -> CallLimits {
    let least = |granted: u32, asked: u32| if asked == 0 { granted } else { granted.min(asked) } as usize;
    CallLimits {
        memory_bytes: least(grant.memory_bytes, open.memory_bytes),
        response_bytes: least(grant.response_bytes, open.response_bytes),
        log_bytes: grant.log_bytes as usize,
        log_lines: grant.log_lines as usize,
        capability_calls: grant.capability_calls,
        egress_requests: grant.egress_requests,
        egress_in_bytes: u64::from(grant.egress_in_bytes),
        egress_out_bytes: u64::from(grant.egress_out_bytes),
        fuel: grant.fuel,
    }
}

/// What a call has used, and what it was denied first.
#[derive(Default)]
struct Used {
    denied: Option<Capability>,
    usage: Usage,
}

fn used_of(call: &Call) -> (Vec<caisson_frames::LogLine>, Used) {
    let mut io = call.shared.io();
    let lines = std::mem::take(&mut io.lines);
    let usage = Usage {
        wall_micros: micros(call.opened.elapsed()),
        queue_micros: if matches!(call.phase, Phase::Queued(_)) {
            micros(call.opened.elapsed())
        } else {
            call.queue_micros
        },
        cpu_micros: call.cpu_micros,
        peak_memory_bytes: io.peak_memory as u64,
        body_in_bytes: call.body_in,
        body_out_bytes: call.body_out,
        log_bytes: io.log_bytes as u32,
        log_lines: lines.len() as u32,
        dropped_log_lines: io.dropped_lines,
        capability_calls: io.outside.calls,
        egress_requests: io.outside.requests,
        egress_in_bytes: io.outside.in_bytes,
        egress_out_bytes: io.outside.out_bytes,
        fuel: io.fuel_used,
    };
    (lines, Used { denied: io.outside.denied, usage })
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}
