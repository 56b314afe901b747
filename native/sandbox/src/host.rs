//! What one call owns inside its Store: limits, bodies, log lines, and the imports that Caisson itself provides.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use caisson_frames::{ExecutionId, Handle, LogLine, MAX_LOG_LINE_BYTES, cut};
use wasmtime::component::{
    ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceTable, ResourceType, WasmList, WasmStr,
};
use wasmtime::{ResourceLimiter, Result, StoreContextMut};

use crate::capability::Outside;
use crate::metrics::Points;
use crate::timers::Timers;

const MAX_READ_BYTES: usize = 1 << 20;
const MAX_HANDLES: usize = 1_024;
const TABLE_ELEMENT_BYTES: usize = 8;

/// Limits of one call: the grant's, shrunk by the caller.
#[derive(Clone, Copy)]
pub struct CallLimits {
    pub memory_bytes: usize,
    pub response_bytes: usize,
    pub log_bytes: usize,
    pub log_lines: usize,
    pub capability_calls: u32,
    pub egress_requests: u32,
    pub egress_in_bytes: u64,
    pub egress_out_bytes: u64,
    /// 0: not counted.
    pub fuel: u64,
}

/// Shared between the connection's side and the guest's side of a call; one thread, so never contended.
pub struct CallShared {
    pub execution: ExecutionId,
    pub handle: Handle,
    pub deadline: Instant,
    /// Names and values of capability `config`.
    pub config: Arc<[(String, String)]>,
    io: Mutex<CallIo>,
}

#[derive(Default)]
pub struct CallIo {
    pub incoming: VecDeque<Vec<u8>>,
    /// Offset into the first chunk.
    offset: usize,
    pub ended: bool,
    /// Read by the guest and not yet credited to the sender.
    pub consumed: u32,
    pub reader: Option<Waker>,
    pub lines: Vec<LogLine>,
    pub log_bytes: usize,
    pub dropped_lines: u32,
    pub peak_memory: usize,
    /// Written when the guest's store goes, however it goes.
    pub fuel_used: u64,
    pub memory_refused: bool,
    pub outside: Outside,
    pub points: Points,
}

impl CallShared {
    pub fn new(execution: ExecutionId, handle: Handle, deadline: Instant, config: Arc<[(String, String)]>) -> Self {
        CallShared { execution, handle, deadline, config, io: Mutex::default() }
    }

    pub fn io(&self) -> MutexGuard<'_, CallIo> {
        self.io.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl CallIo {
    fn take(&mut self, max: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < max {
            let Some(chunk) = self.incoming.front() else { break };
            let rest = &chunk[self.offset..];
            let part = rest.len().min(max - out.len());
            out.extend_from_slice(&rest[..part]);
            self.offset += part;
            if self.offset == chunk.len() {
                self.incoming.pop_front();
                self.offset = 0;
            }
        }
        self.consumed += out.len() as u32;
        out
    }
}

/// Sums every memory and table of the Store under one cap: two memories cannot double it.
pub struct Limiter {
    shared: Arc<CallShared>,
    cap: usize,
    used: usize,
}

impl Limiter {
    fn grow(&mut self, current: usize, desired: usize) -> bool {
        let next = self.used.saturating_add(desired.saturating_sub(current));
        let mut io = self.shared.io();
        if next > self.cap {
            io.memory_refused = true;
            return false;
        }
        self.used = next;
        io.peak_memory = io.peak_memory.max(next);
        true
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(self.grow(current, desired))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        let size = |n: usize| n.saturating_mul(TABLE_ELEMENT_BYTES);
        Ok(self.grow(size(current), size(desired)))
    }
}

pub struct HostData {
    pub table: ResourceTable,
    pub limiter: Limiter,
    pub shared: Arc<CallShared>,
    pub limits: CallLimits,
    pub timers: Timers,
    /// A write went over the response cap: the answer is void even if the guest ignores the error.
    pub overflow: bool,
    /// Bytes in all outgoing bodies.
    written: usize,
}

impl HostData {
    pub fn new(shared: Arc<CallShared>, limits: CallLimits, timers: Timers) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MAX_HANDLES);
        let limiter = Limiter { shared: shared.clone(), cap: limits.memory_bytes, used: 0 };
        HostData { table, limiter, shared, limits, timers, overflow: false, written: 0 }
    }
}

impl CallShared {
    fn drop_line(&self) {
        let mut io = self.io();
        io.dropped_lines = io.dropped_lines.saturating_add(1);
    }

    fn log(&self, limits: CallLimits, level: u8, text: &str) {
        let mut io = self.io();
        let room = limits.log_bytes.saturating_sub(io.log_bytes).min(MAX_LOG_LINE_BYTES);
        let kept = cut(text, room);
        if kept.is_empty() && !text.is_empty() {
            io.dropped_lines = io.dropped_lines.saturating_add(1);
            return;
        }
        io.log_bytes += kept.len();
        let unix_micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as u64;
        let (execution, handle) = (self.execution, self.handle);
        io.lines.push(LogLine { execution, handle, level, unix_micros, text: kept.to_owned() });
    }
}

pub struct IncomingBody;

#[derive(Default)]
pub struct OutgoingBody {
    pub bytes: Vec<u8>,
}

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum BodyError {
    #[component(name = "cancelled")]
    Cancelled,
    #[component(name = "too-large")]
    TooLarge,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
pub struct Header {
    pub name: String,
    pub value: String,
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub params: Vec<(String, String)>,
    pub headers: Vec<Header>,
    pub body: Resource<IncomingBody>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Resource<OutgoingBody>,
}

#[expect(dead_code, reason = "values come from guests alone")]
#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
enum Level {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

pub fn link_types(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut i = linker.instance(name)?;
    drop_from_table::<IncomingBody>(&mut i, "incoming-body")?;
    drop_from_table::<OutgoingBody>(&mut i, "outgoing-body")?;
    i.func_wrap_async("[method]incoming-body.read", |store, (body, max): (Resource<IncomingBody>, u32)| {
        Box::new(async move {
            let shared = reader(&store, &body)?;
            let max = (max as usize).min(MAX_READ_BYTES);
            Ok((Ok::<_, BodyError>(read_some(&shared, max).await),))
        })
    })?;
    i.func_wrap_async("[method]incoming-body.read-all", |store, (body, max): (Resource<IncomingBody>, u32)| {
        Box::new(async move {
            let shared = reader(&store, &body)?;
            Ok((read_all(&shared, max as usize).await,))
        })
    })?;
    i.func_wrap("[constructor]outgoing-body", |mut store: StoreContextMut<'_, HostData>, (): ()| {
        Ok((store.data_mut().table.push(OutgoingBody::default())?,))
    })?;
    i.func_wrap("[method]outgoing-body.write", write_body)
}

fn reader(store: &StoreContextMut<'_, HostData>, body: &Resource<IncomingBody>) -> Result<Arc<CallShared>> {
    store.data().table.get(body)?;
    Ok(store.data().shared.clone())
}

async fn read_some(shared: &CallShared, max: usize) -> Vec<u8> {
    poll_fn(|cx| {
        let mut io = shared.io();
        if max == 0 || io.ended || !io.incoming.is_empty() {
            return Poll::Ready(io.take(max));
        }
        io.reader = Some(cx.waker().clone());
        Poll::Pending
    })
    .await
}

async fn read_all(shared: &CallShared, max: usize) -> Result<Vec<u8>, BodyError> {
    let mut all = Vec::new();
    loop {
        let part = read_some(shared, MAX_READ_BYTES).await;
        if part.is_empty() {
            return Ok(all);
        }
        if part.len() > max - all.len() {
            return Err(BodyError::TooLarge);
        }
        all.extend_from_slice(&part);
    }
}

type Written = (Result<(), BodyError>,);

fn write_body(
    mut store: StoreContextMut<'_, HostData>,
    (body, bytes): (Resource<OutgoingBody>, WasmList<u8>),
) -> Result<Written> {
    let data = store.data_mut();
    let room = data.limits.response_bytes - data.written;
    data.table.get(&body)?;
    // The length first: nothing over the cap is copied, and the cap holds over all bodies of the call.
    if bytes.len() > room {
        data.overflow = true;
        return Ok((Err(BodyError::TooLarge),));
    }
    let part = bytes.as_le_slice(&store).to_vec();
    let data = store.data_mut();
    data.written += part.len();
    data.table.get_mut(&body)?.bytes.extend_from_slice(&part);
    Ok((Ok(()),))
}

pub fn link_log(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    linker.instance(name)?.func_wrap(
        "write",
        |store: StoreContextMut<'_, HostData>, (level, message): (Level, WasmStr)| {
            let (shared, limits) = (store.data().shared.clone(), store.data().limits);
            let full = shared.io().lines.len() >= limits.log_lines;
            if full {
                shared.drop_line();
            } else {
                shared.log(limits, level as u8, &message.to_str(&store)?);
            }
            Ok(())
        },
    )
}

/// Defines a resource whose values live in the call's table.
pub fn drop_from_table<R: Send + 'static>(i: &mut LinkerInstance<'_, HostData>, name: &str) -> Result<()> {
    i.resource(name, ResourceType::host::<R>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<R>::new_own(rep))?;
        Ok(())
    })
}
