//! One type per frame that has fields; `decode` reads a payload, `encode` appends a whole frame.

use crate::{Capability, FLAG_ANSWER, FLAG_LAST, FrameError, Kind, Reader, write_frame};

pub const MAX_PRINCIPAL_BYTES: usize = 256;
pub const MAX_METHOD_BYTES: usize = 32;
pub const MAX_PATH_BYTES: usize = 8_192;
pub const MAX_QUERY_BYTES: usize = 8_192;
pub const MAX_PARAMS: usize = 16;
pub const MAX_PARAM_NAME_BYTES: usize = 64;
pub const MAX_PARAM_VALUE_BYTES: usize = 1_024;
pub const MAX_HEADERS: usize = 64;
/// Names and values of one header list together.
pub const MAX_HEADER_BYTES: usize = 16_384;
pub const MAX_HEADER_NAME_BYTES: usize = 255;
pub const MAX_CODE_BYTES: usize = 64;
pub const MAX_MESSAGE_BYTES: usize = 1_024;
pub const MAX_LOG_LINE_BYTES: usize = 8_192;
pub const MAX_LOG_LINES_PER_FRAME: usize = 256;
pub const MAX_WIT_VERSIONS: usize = 16;
pub const MAX_CWASM_BYTES: u64 = 256 * 1024 * 1024;
/// 300 s, the bound of a call's deadline.
pub const MAX_DEADLINE_MICROS: u64 = 300_000_000;

pub type Handle = [u8; 16];
pub type ExecutionId = [u8; 16];

/// The first frame of both sides. `proof` is the boot secret towards the sandbox and the engine fingerprint in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub version: u16,
    pub max_frame: u32,
    pub credit: u32,
    pub proof: [u8; 32],
    /// Answer only: bit 0 landlock, 1 seccomp, 2 no_new_privs, 3 undumpable.
    pub lockdown: u8,
    pub wit: Vec<String>,
}

impl Hello {
    pub fn decode(payload: &[u8], flags: u8) -> Result<Hello, FrameError> {
        let mut r = Reader::new(payload);
        let version = r.u16()?;
        let max_frame = r.u32()?;
        let credit = r.u32()?;
        let proof = r.array()?;
        let (mut lockdown, mut wit) = (0, Vec::new());
        if flags & FLAG_ANSWER != 0 {
            lockdown = r.u8()?;
            let count = r.u8()? as usize;
            if count > MAX_WIT_VERSIONS {
                return Err(FrameError::Bound);
            }
            for _ in 0..count {
                wit.push(r.short(MAX_CODE_BYTES)?.to_owned());
            }
        }
        r.finish()?;
        Ok(Hello { version, max_frame, credit, proof, lockdown, wit })
    }

    pub fn encode(&self, out: &mut Vec<u8>, flags: u8) {
        write_frame(out, Kind::Hello, flags, 0, |w| {
            w.u16(self.version);
            w.u32(self.max_frame);
            w.u32(self.credit);
            w.bytes(&self.proof);
            if flags & FLAG_ANSWER != 0 {
                w.u8(self.lockdown);
                w.u8(self.wit.len() as u8);
                self.wit.iter().for_each(|v| w.short(v));
            }
        });
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    pub execution: ExecutionId,
    pub handle: Handle,
    /// Remaining; the sandbox shrinks it to the grant's and refuses 0.
    pub deadline_micros: u64,
    /// Shrunk limits; 0 keeps the grant's.
    pub memory_bytes: u32,
    pub response_bytes: u32,
    pub principal: String,
    pub method: String,
    pub path: String,
    pub query: String,
    pub params: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
}

impl Open {
    pub fn decode(payload: &[u8]) -> Result<Open, FrameError> {
        let mut r = Reader::new(payload);
        let execution = r.array()?;
        let handle = r.array()?;
        let deadline_micros = r.u64()?;
        if deadline_micros > MAX_DEADLINE_MICROS {
            return Err(FrameError::Bound);
        }
        let memory_bytes = r.u32()?;
        let response_bytes = r.u32()?;
        let principal = r.long(MAX_PRINCIPAL_BYTES)?.to_owned();
        let method = r.short(MAX_METHOD_BYTES)?.to_owned();
        let path = r.long(MAX_PATH_BYTES)?.to_owned();
        let query = r.long(MAX_QUERY_BYTES)?.to_owned();
        let count = r.u8()? as usize;
        if count > MAX_PARAMS {
            return Err(FrameError::Bound);
        }
        let mut params = Vec::with_capacity(count);
        for _ in 0..count {
            let name = r.short(MAX_PARAM_NAME_BYTES)?.to_owned();
            params.push((name, r.long(MAX_PARAM_VALUE_BYTES)?.to_owned()));
        }
        let headers = decode_headers(&mut r)?;
        r.finish()?;
        Ok(Open {
            execution,
            handle,
            deadline_micros,
            memory_bytes,
            response_bytes,
            principal,
            method,
            path,
            query,
            params,
            headers,
        })
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32, flags: u8) {
        write_frame(out, Kind::Open, flags, stream, |w| {
            w.bytes(&self.execution);
            w.bytes(&self.handle);
            w.u64(self.deadline_micros);
            w.u32(self.memory_bytes);
            w.u32(self.response_bytes);
            w.long(&self.principal);
            w.short(&self.method);
            w.long(&self.path);
            w.long(&self.query);
            w.u8(self.params.len() as u8);
            for (name, value) in &self.params {
                w.short(name);
                w.long(value);
            }
            encode_headers(w, &self.headers);
        });
    }
}

pub(crate) fn decode_headers(r: &mut Reader<'_>) -> Result<Vec<(String, String)>, FrameError> {
    let count = r.u8()? as usize;
    if count > MAX_HEADERS {
        return Err(FrameError::Bound);
    }
    let mut headers = Vec::with_capacity(count);
    let mut left = MAX_HEADER_BYTES;
    for _ in 0..count {
        let name = r.short(left.min(MAX_HEADER_NAME_BYTES))?;
        left -= name.len();
        let value = r.long(left)?;
        left -= value.len();
        headers.push((name.to_owned(), value.to_owned()));
    }
    Ok(headers)
}

pub(crate) fn encode_headers(w: &mut crate::Writer<'_>, headers: &[(String, String)]) {
    w.u8(headers.len() as u8);
    for (name, value) in headers {
        w.short(name);
        w.long(value);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

impl Response {
    pub fn decode(payload: &[u8]) -> Result<Response, FrameError> {
        let mut r = Reader::new(payload);
        let status = r.u16()?;
        if !(200..=599).contains(&status) {
            return Err(FrameError::Bound);
        }
        let headers = decode_headers(&mut r)?;
        r.finish()?;
        Ok(Response { status, headers })
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32, flags: u8) {
        write_frame(out, Kind::Response, flags, stream, |w| {
            w.u16(self.status);
            encode_headers(w, &self.headers);
        });
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    Done = 1,
    Refused = 2,
    Trapped = 3,
    Memory = 4,
    Deadline = 5,
    Cancelled = 6,
    ResponseInvalid = 7,
    Lost = 8,
}

impl Outcome {
    pub fn of(byte: u8) -> Option<Outcome> {
        use Outcome::*;
        [Done, Refused, Trapped, Memory, Deadline, Cancelled, ResponseInvalid, Lost]
            .into_iter()
            .find(|o| *o as u8 == byte)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub wall_micros: u64,
    pub queue_micros: u64,
    pub cpu_micros: u64,
    pub peak_memory_bytes: u64,
    pub body_in_bytes: u64,
    pub body_out_bytes: u64,
    pub log_bytes: u32,
    pub log_lines: u32,
    pub dropped_log_lines: u32,
    pub capability_calls: u32,
    pub egress_requests: u32,
    pub egress_in_bytes: u64,
    pub egress_out_bytes: u64,
    /// 0 where the sandbox's class counts none.
    pub fuel: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallResult {
    pub outcome: Outcome,
    /// The kill rung that ended it; 0 when none did.
    pub rung: u8,
    pub code: String,
    /// The capability that was denied first, if one was.
    pub denied: Option<Capability>,
    pub usage: Usage,
}

impl CallResult {
    pub fn decode(payload: &[u8]) -> Result<CallResult, FrameError> {
        let mut r = Reader::new(payload);
        let outcome = Outcome::of(r.u8()?).ok_or(FrameError::Bound)?;
        let rung = r.u8()?;
        if rung > 4 {
            return Err(FrameError::Bound);
        }
        let code = r.short(MAX_CODE_BYTES)?.to_owned();
        let denied = match r.u32()? {
            0 => None,
            number => Some(Capability::of(number)?),
        };
        let usage = Usage {
            wall_micros: r.u64()?,
            queue_micros: r.u64()?,
            cpu_micros: r.u64()?,
            peak_memory_bytes: r.u64()?,
            body_in_bytes: r.u64()?,
            body_out_bytes: r.u64()?,
            log_bytes: r.u32()?,
            log_lines: r.u32()?,
            dropped_log_lines: r.u32()?,
            capability_calls: r.u32()?,
            egress_requests: r.u32()?,
            egress_in_bytes: r.u64()?,
            egress_out_bytes: r.u64()?,
            fuel: r.u64()?,
        };
        r.finish()?;
        Ok(CallResult { outcome, rung, code, denied, usage })
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32) {
        let u = &self.usage;
        write_frame(out, Kind::Result, 0, stream, |w| {
            w.u8(self.outcome as u8);
            w.u8(self.rung);
            w.short(&self.code);
            w.u32(self.denied.map_or(0, |capability| capability as u32));
            w.u64(u.wall_micros);
            w.u64(u.queue_micros);
            w.u64(u.cpu_micros);
            w.u64(u.peak_memory_bytes);
            w.u64(u.body_in_bytes);
            w.u64(u.body_out_bytes);
            w.u32(u.log_bytes);
            w.u32(u.log_lines);
            w.u32(u.dropped_log_lines);
            w.u32(u.capability_calls);
            w.u32(u.egress_requests);
            w.u64(u.egress_in_bytes);
            w.u64(u.egress_out_bytes);
            w.u64(u.fuel);
        });
    }
}

pub fn decode_credit(payload: &[u8]) -> Result<u32, FrameError> {
    let mut r = Reader::new(payload);
    let bytes = r.u32()?;
    r.finish()?;
    if bytes == 0 || bytes > 0x7fff_ffff { Err(FrameError::Bound) } else { Ok(bytes) }
}

pub fn encode_credit(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    write_frame(out, Kind::Credit, 0, stream, |w| w.u32(bytes));
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CancelReason {
    Client = 1,
    Deadline = 2,
    Halt = 3,
}

pub fn decode_cancel(payload: &[u8]) -> Result<CancelReason, FrameError> {
    let mut r = Reader::new(payload);
    let reason = match r.u8()? {
        1 => CancelReason::Client,
        2 => CancelReason::Deadline,
        3 => CancelReason::Halt,
        _ => return Err(FrameError::Bound),
    };
    r.finish()?;
    Ok(reason)
}

/// The longest prefix of at most `max` bytes that ends at a character boundary.
pub fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

pub fn decode_nonce(payload: &[u8]) -> Result<[u8; 8], FrameError> {
    let mut r = Reader::new(payload);
    let nonce = r.array()?;
    r.finish()?;
    Ok(nonce)
}

/// Flag for OPEN and RESPONSE: set when no body follows.
pub fn last(no_body: bool) -> u8 {
    if no_body { FLAG_LAST } else { 0 }
}
