//! Capability calls: CALL and REPLY on the line to the runner parent, and what `http.fetch` puts into them.

use crate::messages::{decode_headers, encode_headers};
use crate::{
    ExecutionId, FrameError, Handle, Kind, MAX_DEADLINE_MICROS, MAX_MESSAGE_BYTES, MAX_METHOD_BYTES, Reader, Writer,
    write_frame,
};

/// What a capability call, or its reply, may carry.
pub const MAX_CAPABILITY_BYTES: usize = 1 << 20;
/// Room for method, URL, headers and lengths beside a body of MAX_CAPABILITY_BYTES.
pub const MAX_ARGUMENT_BYTES: usize = MAX_CAPABILITY_BYTES + 65_536;
pub const MAX_URL_BYTES: usize = 8_192;

/// Which capability is called. The number is the bit of LOADED and GRANT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Capability {
    Fetch = 2,
    Kv = 4,
}

impl Capability {
    pub(crate) fn of(number: u32) -> Result<Capability, FrameError> {
        match number {
            2 => Ok(Capability::Fetch),
            4 => Ok(Capability::Kv),
            _ => Err(FrameError::Bound),
        }
    }
}

/// Opens a capability call; DATA frames with the argument and END follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapabilityCall {
    pub execution: ExecutionId,
    pub handle: Handle,
    pub capability: Capability,
    /// What is left of the call.
    pub deadline_micros: u64,
    /// Of the argument.
    pub size: u32,
}

impl CapabilityCall {
    pub fn decode(payload: &[u8]) -> Result<CapabilityCall, FrameError> {
        let mut r = Reader::new(payload);
        let (execution, handle) = (r.array()?, r.array()?);
        let capability = Capability::of(r.u32()?)?;
        let (deadline_micros, size) = (r.u64()?, r.u32()?);
        r.finish()?;
        if deadline_micros > MAX_DEADLINE_MICROS || size as usize > MAX_ARGUMENT_BYTES {
            return Err(FrameError::Bound);
        }
        Ok(CapabilityCall { execution, handle, capability, deadline_micros, size })
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32) {
        write_frame(out, Kind::Call, 0, stream, |w| {
            w.bytes(&self.execution);
            w.bytes(&self.handle);
            w.u32(self.capability as u32);
            w.u64(self.deadline_micros);
            w.u32(self.size);
        });
    }
}

/// Announces the reply's bytes; DATA frames and END follow.
pub fn decode_reply(payload: &[u8]) -> Result<u32, FrameError> {
    let mut r = Reader::new(payload);
    let size = r.u32()?;
    r.finish()?;
    if size as usize > MAX_ARGUMENT_BYTES { Err(FrameError::Bound) } else { Ok(size) }
}

pub fn encode_reply(out: &mut Vec<u8>, stream: u32, size: u32) {
    write_frame(out, Kind::Reply, 0, stream, |w| w.u32(size));
}

/// The argument of `http.fetch`; the body is what follows the headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl FetchRequest {
    /// None where a field is over its bound.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let header_bytes: usize = self.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let fits = self.method.len() <= MAX_METHOD_BYTES
            && self.url.len() <= MAX_URL_BYTES
            && self.headers.len() <= crate::MAX_HEADERS
            && self.headers.iter().all(|(name, _)| name.len() <= crate::MAX_HEADER_NAME_BYTES)
            && header_bytes <= crate::MAX_HEADER_BYTES
            && self.body.len() <= MAX_CAPABILITY_BYTES;
        if !fits {
            return None;
        }
        let mut out = Vec::with_capacity(self.body.len() + self.url.len() + header_bytes + 512);
        let mut w = Writer { out: &mut out };
        w.short(&self.method);
        w.long(&self.url);
        encode_headers(&mut w, &self.headers);
        w.bytes(&self.body);
        Some(out)
    }
}

/// Why a capability call gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CallFailure {
    /// Outside the grant, the operator's ceiling, or towards an address that is never reached.
    Denied = 1,
    /// A budget of the call is used up.
    Budget = 2,
    /// Nobody answered, or not in a way that can be read.
    Failed = 3,
    TimedOut = 4,
    TooLarge = 5,
}

impl CallFailure {
    fn of(byte: u8) -> Option<CallFailure> {
        [CallFailure::Denied, CallFailure::Budget, CallFailure::Failed, CallFailure::TimedOut, CallFailure::TooLarge]
            .into_iter()
            .find(|failure| *failure as u8 == byte)
    }
}

/// The reply of `http.fetch`: an answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchReply {
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    Failure(CallFailure, String),
}

impl FetchReply {
    pub fn decode(bytes: &[u8]) -> Result<FetchReply, FrameError> {
        let mut r = Reader::new(bytes);
        let kind = r.u8()?;
        if kind != 0 {
            let failure = CallFailure::of(kind).ok_or(FrameError::Bound)?;
            let message = r.long(MAX_MESSAGE_BYTES)?.to_owned();
            r.finish()?;
            return Ok(FetchReply::Failure(failure, message));
        }
        let status = r.u16()?;
        if !(100..=999).contains(&status) {
            return Err(FrameError::Bound);
        }
        let headers = decode_headers(&mut r)?;
        let body = r.rest(MAX_CAPABILITY_BYTES)?.to_vec();
        Ok(FetchReply::Answer { status, headers, body })
    }
}
