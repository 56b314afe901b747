//! Capabilities that need the world outside: the guest waits, the runner parent asks the broker, the reply wakes it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Instant;

use caisson_frames::{
    CallFailure, Capability, CapabilityCall, DATA_CHUNK_BYTES, FetchReply, FetchRequest, Frame, Kind, decode_reply,
    write_frame,
};
use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::gateway::empty;
use crate::host::{CallLimits, CallShared, Header, HostData};
use crate::server::{Fault, PARENT, Server};

/// Asked by a guest and not yet sent.
pub struct Asked {
    sequence: u32,
    capability: Capability,
    argument: Vec<u8>,
}

/// One call's traffic with the broker, and what it has used of its budgets.
#[derive(Default)]
pub struct Outside {
    asked: Vec<Asked>,
    replies: HashMap<u32, Vec<u8>>,
    wakers: HashMap<u32, Waker>,
    next: u32,
    pub calls: u32,
    pub requests: u32,
    pub in_bytes: u64,
    pub out_bytes: u64,
    /// What was denied first.
    pub denied: Option<Capability>,
}

impl Outside {
    pub fn has_asked(&self) -> bool {
        self.next > 0
    }
}

/// A reply on its way in.
pub struct Incoming {
    call: u64,
    sequence: u32,
    /// None until REPLY announced the size.
    bytes: Option<(Vec<u8>, usize)>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct GuestRequest {
    method: String,
    url: String,
    headers: Vec<Header>,
    body: Vec<u8>,
}

#[derive(ComponentType, Lower)]
#[component(record)]
struct GuestResponse {
    status: u16,
    headers: Vec<Header>,
    body: Vec<u8>,
}

#[derive(ComponentType, Lower)]
#[component(variant)]
enum FetchError {
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "budget")]
    Budget(String),
    #[component(name = "failed")]
    Failed(String),
    #[component(name = "timed-out")]
    TimedOut,
    #[component(name = "too-large")]
    TooLarge,
}

pub fn link_fetch(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    linker.instance(name)?.func_wrap_async("send", |store, (request,): (GuestRequest,)| {
        let (shared, limits) = (store.data().shared.clone(), store.data().limits);
        Box::new(async move { Ok((fetch(&shared, limits, request).await,)) })
    })
}

async fn fetch(shared: &CallShared, limits: CallLimits, request: GuestRequest) -> Result<GuestResponse, FetchError> {
    let GuestRequest { method, url, headers, body } = request;
    let out = body.len() as u64;
    let headers = headers.into_iter().map(|Header { name, value }| (name, value)).collect();
    let argument = FetchRequest { method, url, headers, body }.encode().ok_or(FetchError::TooLarge)?;
    shared.spend(&limits, out)?;
    let reply = ask(shared, Capability::Fetch, argument).await;
    match FetchReply::decode(&reply) {
        Ok(FetchReply::Answer { status, headers, body }) => {
            shared.receive(&limits, body.len() as u64)?;
            let headers = headers.into_iter().map(|(name, value)| Header { name, value }).collect();
            Ok(GuestResponse { status, headers, body })
        }
        Ok(FetchReply::Failure(CallFailure::Denied, why)) => {
            shared.io().outside.denied.get_or_insert(Capability::Fetch);
            Err(FetchError::Denied(why))
        }
        Ok(FetchReply::Failure(CallFailure::Budget, why)) => Err(FetchError::Budget(why)),
        Ok(FetchReply::Failure(CallFailure::Failed, why)) => Err(FetchError::Failed(why)),
        Ok(FetchReply::Failure(CallFailure::TimedOut, _)) => Err(FetchError::TimedOut),
        Ok(FetchReply::Failure(CallFailure::TooLarge, _)) => Err(FetchError::TooLarge),
        Err(_) => Err(FetchError::Failed("the reply could not be read".into())),
    }
}

impl CallShared {
    /// Counts a capability call of any kind before it leaves; the error names the budget that is used up.
    pub fn count_call(&self, limits: &CallLimits) -> Result<(), String> {
        let used = &mut self.io().outside;
        if used.calls >= limits.capability_calls {
            return Err(format!("{} capability calls per call", limits.capability_calls));
        }
        used.calls += 1;
        Ok(())
    }

    /// Counts a request before it leaves. What is refused costs its count too: a loop of refusals ends.
    fn spend(&self, limits: &CallLimits, out: u64) -> Result<(), FetchError> {
        self.count_call(limits).map_err(FetchError::Budget)?;
        let mut io = self.io();
        let used = &mut io.outside;
        if used.requests >= limits.egress_requests {
            return Err(FetchError::Budget(format!("{} requests per call", limits.egress_requests)));
        }
        if used.out_bytes + out > limits.egress_out_bytes {
            return Err(FetchError::Budget(format!("{} bytes sent per call", limits.egress_out_bytes)));
        }
        used.requests += 1;
        used.out_bytes += out;
        Ok(())
    }

    fn receive(&self, limits: &CallLimits, bytes: u64) -> Result<(), FetchError> {
        let mut io = self.io();
        io.outside.in_bytes += bytes;
        if io.outside.in_bytes > limits.egress_in_bytes {
            return Err(FetchError::Budget(format!("{} bytes received per call", limits.egress_in_bytes)));
        }
        Ok(())
    }
}

/// Leaves the question where the server finds it when this turn ends, and waits for the reply.
pub async fn ask(shared: &CallShared, capability: Capability, argument: Vec<u8>) -> Vec<u8> {
    let sequence = {
        let mut io = shared.io();
        io.outside.next += 1;
        let sequence = io.outside.next;
        io.outside.asked.push(Asked { sequence, capability, argument });
        sequence
    };
    poll_fn(|cx| {
        let mut io = shared.io();
        if let Some(reply) = io.outside.replies.remove(&sequence) {
            return Poll::Ready(reply);
        }
        io.outside.wakers.insert(sequence, cx.waker().clone());
        Poll::Pending
    })
    .await
}

impl Server {
    /// Sends what a call has asked for. Stream ids of the sandbox on this line are even, the parent's odd.
    pub fn send_asked(&mut self, id: u64) {
        let Some(call) = self.calls.get(&id) else { return };
        let (shared, execution, handle) = (call.shared.clone(), call.shared.execution, call.shared.handle);
        let asked = std::mem::take(&mut shared.io().outside.asked);
        for Asked { sequence, capability, argument } in asked {
            self.next_capability_stream = self.next_capability_stream.wrapping_add(2);
            let stream = self.next_capability_stream;
            let left = shared.deadline.saturating_duration_since(Instant::now()).as_micros() as u64;
            self.incoming.insert(stream, Incoming { call: id, sequence, bytes: None });
            let Some(out) = self.output(PARENT) else { return };
            let size = argument.len() as u32;
            CapabilityCall { execution, handle, capability, deadline_micros: left, size }.encode(out, stream);
            for chunk in argument.chunks(DATA_CHUNK_BYTES) {
                write_frame(out, Kind::Data, 0, stream, |w| w.bytes(chunk));
            }
            write_frame(out, Kind::End, 0, stream, |_| {});
        }
    }

    /// A call that ended waits for nothing: the parent is told, and a late reply is ignored.
    pub fn forget_asked(&mut self, id: u64) {
        let open: Vec<u32> = self.incoming.iter().filter(|(_, i)| i.call == id).map(|(stream, _)| *stream).collect();
        for stream in open {
            self.incoming.remove(&stream);
            if let Some(out) = self.output(PARENT) {
                write_frame(out, Kind::Cancel, 0, stream, |w| w.u8(caisson_frames::CancelReason::Deadline as u8));
            }
        }
    }
}

/// REPLY, DATA and END of a capability call; of one that is over they are ignored.
pub fn on_reply(server: &mut Server, frame: Frame<'_>) -> Result<(), Fault> {
    match frame.kind {
        Kind::Reply => {
            let size = decode_reply(frame.payload)? as usize;
            let Some(incoming) = server.incoming.get_mut(&frame.stream) else { return Ok(()) };
            if incoming.bytes.is_some() {
                return Err(Fault("stream.id", "a second REPLY".into()));
            }
            incoming.bytes = Some((Vec::with_capacity(size), size));
            Ok(())
        }
        Kind::Data => {
            let Some(incoming) = server.incoming.get_mut(&frame.stream) else { return Ok(()) };
            let Some((bytes, size)) = &mut incoming.bytes else {
                return Err(Fault("stream.id", "DATA before REPLY".into()));
            };
            if bytes.len() + frame.payload.len() > *size {
                return Err(Fault("reply.size", "more bytes than announced".into()));
            }
            bytes.extend_from_slice(frame.payload);
            Ok(())
        }
        _ => empty(frame).and_then(|()| replied(server, frame.stream)),
    }
}

fn replied(server: &mut Server, stream: u32) -> Result<(), Fault> {
    let Some(Incoming { call, sequence, bytes }) = server.incoming.remove(&stream) else { return Ok(()) };
    let Some((bytes, size)) = bytes else { return Err(Fault("stream.id", "END before REPLY".into())) };
    if bytes.len() != size {
        return Err(Fault("reply.size", "fewer bytes than announced".into()));
    }
    let Some(call) = server.calls.get(&call) else { return Ok(()) };
    let mut io = call.shared.io();
    io.outside.replies.insert(sequence, bytes);
    if let Some(waker) = io.outside.wakers.remove(&sequence) {
        waker.wake();
    }
    Ok(())
}
