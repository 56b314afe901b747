//! Frames between the runner parent and the sandbox: code, grants, halts, log lines.

use crate::{
    ExecutionId, FLAG_ANSWER, FrameError, Handle, Kind, MAX_CODE_BYTES, MAX_CWASM_BYTES, MAX_LOG_LINE_BYTES,
    MAX_LOG_LINES_PER_FRAME, MAX_MESSAGE_BYTES, Reader, cut, write_frame,
};

/// Stops what is queued and running: everything, or the calls of one grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halt {
    pub handle: Option<Handle>,
    pub epoch: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Halted {
    pub epoch: u64,
    pub refused: u32,
    pub unqueued: u32,
    pub killed: u32,
}

impl Halt {
    pub fn decode(payload: &[u8]) -> Result<Halt, FrameError> {
        let mut r = Reader::new(payload);
        let scope = r.u8()?;
        let handle = r.array()?;
        let epoch = r.u64()?;
        r.finish()?;
        match scope {
            1 if handle == [0; 16] => Ok(Halt { handle: None, epoch }),
            2 => Ok(Halt { handle: Some(handle), epoch }),
            _ => Err(FrameError::Bound),
        }
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32) {
        write_frame(out, Kind::Halt, 0, stream, |w| {
            w.u8(if self.handle.is_some() { 2 } else { 1 });
            w.bytes(&self.handle.unwrap_or_default());
            w.u64(self.epoch);
        });
    }
}

impl Halted {
    pub fn decode(payload: &[u8]) -> Result<Halted, FrameError> {
        let mut r = Reader::new(payload);
        let halted = Halted { epoch: r.u64()?, refused: r.u32()?, unqueued: r.u32()?, killed: r.u32()? };
        r.finish()?;
        Ok(halted)
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32) {
        write_frame(out, Kind::Halt, FLAG_ANSWER, stream, |w| {
            w.u64(self.epoch);
            w.u32(self.refused);
            w.u32(self.unqueued);
            w.u32(self.killed);
        });
    }
}

/// Compiled code to come as DATA and END on the same stream, which is the load's id from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub sha256: [u8; 32],
    pub size: u64,
}

impl Load {
    pub fn decode(payload: &[u8]) -> Result<Load, FrameError> {
        let mut r = Reader::new(payload);
        let load = Load { sha256: r.array()?, size: r.u64()? };
        r.finish()?;
        if load.size == 0 || load.size > MAX_CWASM_BYTES { Err(FrameError::Bound) } else { Ok(load) }
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32) {
        write_frame(out, Kind::Load, 0, stream, |w| {
            w.bytes(&self.sha256);
            w.u64(self.size);
        });
    }
}

/// The capabilities that a component imports, as bits of `Grant::capabilities`.
pub fn decode_loaded(payload: &[u8]) -> Result<u32, FrameError> {
    let mut r = Reader::new(payload);
    let bits = r.u32()?;
    r.finish()?;
    Ok(bits)
}

pub fn encode_loaded(out: &mut Vec<u8>, stream: u32, capabilities: u32) {
    write_frame(out, Kind::Loaded, 0, stream, |w| w.u32(capabilities));
}

/// The payload of REFUSED and CLOSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub code: String,
    pub message: String,
}

impl Reason {
    pub fn decode(payload: &[u8]) -> Result<Reason, FrameError> {
        let mut r = Reader::new(payload);
        let code = r.short(MAX_CODE_BYTES)?.to_owned();
        let message = r.long(MAX_MESSAGE_BYTES)?.to_owned();
        r.finish()?;
        Ok(Reason { code, message })
    }

    pub fn encode(&self, out: &mut Vec<u8>, kind: Kind, stream: u32) {
        write_frame(out, kind, 0, stream, |w| {
            w.short(&self.code);
            w.long(cut(&self.message, MAX_MESSAGE_BYTES));
        });
    }
}

pub const CAPABILITY_LOG: u32 = 1;
pub const CAPABILITY_FETCH: u32 = 2;
pub const CAPABILITY_KV: u32 = 4;
pub const CAPABILITY_CONFIG: u32 = 8;
pub const CAPABILITY_METRICS: u32 = 16;
/// Each call under them is judged where it arrives, so that a component may import them without having them.
pub const OUTSIDE_CAPABILITIES: u32 = CAPABILITY_FETCH | CAPABILITY_KV;
pub const ALL_CAPABILITIES: u32 = CAPABILITY_LOG | OUTSIDE_CAPABILITIES | CAPABILITY_CONFIG | CAPABILITY_METRICS;
const MAX_CONFIG_NAMES: usize = 64;
const MAX_CONFIG_NAME_BYTES: usize = 64;
const MAX_CONFIG_VALUE_BYTES: usize = 4_096;
/// Of names and values together: the tenant's and the manifest's defaults.
const MAX_CONFIG_BYTES: usize = 32_768;
pub const MAX_GRANT_CONCURRENCY: u32 = 512;
pub const MAX_FUEL: u64 = 1_000_000_000_000;

/// Stands for a tenant without naming it; equal for equal tenants.
pub type TenantKey = [u8; 8];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub handle: Handle,
    /// Whose the grant is: tenants share a sandbox in turns.
    pub tenant: TenantKey,
    pub load: u32,
    pub capabilities: u32,
    pub memory_bytes: u32,
    pub deadline_ms: u32,
    pub request_bytes: u32,
    pub response_bytes: u32,
    pub log_bytes: u32,
    pub log_lines: u32,
    pub concurrency: u32,
    /// Of one call: capability calls of any kind, and requests and bytes of `http.fetch`.
    pub capability_calls: u32,
    pub egress_requests: u32,
    pub egress_in_bytes: u32,
    pub egress_out_bytes: u32,
    /// Of one call; 0: the sandbox's class counts none.
    pub fuel: u64,
    /// Unix milliseconds.
    pub expires_ms: u64,
    /// Names and values of capability `config`.
    pub config: Vec<(String, String)>,
}

impl Grant {
    pub fn decode(payload: &[u8]) -> Result<Grant, FrameError> {
        let mut r = Reader::new(payload);
        let grant = Grant {
            handle: r.array()?,
            tenant: r.array()?,
            load: r.u32()?,
            capabilities: r.u32()?,
            memory_bytes: bounded(r.u32()?, 65_536, 128 << 20)?,
            deadline_ms: bounded(r.u32()?, 1, 300_000)?,
            request_bytes: bounded(r.u32()?, 0, 64 << 20)?,
            response_bytes: bounded(r.u32()?, 0, 64 << 20)?,
            log_bytes: bounded(r.u32()?, 0, 1 << 20)?,
            log_lines: bounded(r.u32()?, 0, 4_096)?,
            concurrency: bounded(r.u32()?, 1, MAX_GRANT_CONCURRENCY)?,
            capability_calls: bounded(r.u32()?, 0, 4_096)?,
            egress_requests: bounded(r.u32()?, 0, 4_096)?,
            egress_in_bytes: bounded(r.u32()?, 0, 64 << 20)?,
            egress_out_bytes: bounded(r.u32()?, 0, 64 << 20)?,
            fuel: r.u64().and_then(|fuel| if fuel > MAX_FUEL { Err(FrameError::Bound) } else { Ok(fuel) })?,
            expires_ms: r.u64()?,
            config: decode_config(&mut r)?,
        };
        r.finish()?;
        if grant.capabilities & !ALL_CAPABILITIES != 0 { Err(FrameError::Bound) } else { Ok(grant) }
    }

    pub fn encode(&self, out: &mut Vec<u8>, stream: u32) {
        write_frame(out, Kind::Grant, 0, stream, |w| {
            w.bytes(&self.handle);
            w.bytes(&self.tenant);
            w.u32(self.load);
            w.u32(self.capabilities);
            w.u32(self.memory_bytes);
            w.u32(self.deadline_ms);
            w.u32(self.request_bytes);
            w.u32(self.response_bytes);
            w.u32(self.log_bytes);
            w.u32(self.log_lines);
            w.u32(self.concurrency);
            w.u32(self.capability_calls);
            w.u32(self.egress_requests);
            w.u32(self.egress_in_bytes);
            w.u32(self.egress_out_bytes);
            w.u64(self.fuel);
            w.u64(self.expires_ms);
            w.u8(self.config.len() as u8);
            for (name, value) in &self.config {
                w.short(name);
                w.long(value);
            }
        });
    }
}

fn decode_config(r: &mut Reader<'_>) -> Result<Vec<(String, String)>, FrameError> {
    let count = r.u8()? as usize;
    if count > MAX_CONFIG_NAMES {
        return Err(FrameError::Bound);
    }
    let mut config = Vec::with_capacity(count);
    let mut left = MAX_CONFIG_BYTES;
    for _ in 0..count {
        let name = r.short(left.min(MAX_CONFIG_NAME_BYTES))?;
        left -= name.len();
        let value = r.long(left.min(MAX_CONFIG_VALUE_BYTES))?;
        left -= value.len();
        config.push((name.to_owned(), value.to_owned()));
    }
    Ok(config)
}

fn bounded(value: u32, min: u32, max: u32) -> Result<u32, FrameError> {
    if (min..=max).contains(&value) { Ok(value) } else { Err(FrameError::Bound) }
}

pub fn decode_handle(payload: &[u8]) -> Result<Handle, FrameError> {
    let mut r = Reader::new(payload);
    let handle = r.array()?;
    r.finish()?;
    Ok(handle)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub execution: ExecutionId,
    /// Grant that the call ran under: whose line it is.
    pub handle: Handle,
    /// 0 debug, 1 info, 2 warn, 3 error.
    pub level: u8,
    pub unix_micros: u64,
    pub text: String,
}

/// Guest log lines, with the number of lines that found no room since the last frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogBatch {
    pub dropped: u32,
    pub lines: Vec<LogLine>,
}

impl LogBatch {
    pub fn decode(payload: &[u8]) -> Result<LogBatch, FrameError> {
        let mut r = Reader::new(payload);
        let dropped = r.u32()?;
        let count = r.u16()? as usize;
        if count > MAX_LOG_LINES_PER_FRAME {
            return Err(FrameError::Bound);
        }
        let mut lines = Vec::with_capacity(count);
        for _ in 0..count {
            let execution = r.array()?;
            let handle = r.array()?;
            let level = r.u8()?;
            if level > 3 {
                return Err(FrameError::Bound);
            }
            let unix_micros = r.u64()?;
            lines.push(LogLine { execution, handle, level, unix_micros, text: r.long(MAX_LOG_LINE_BYTES)?.to_owned() });
        }
        r.finish()?;
        Ok(LogBatch { dropped, lines })
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        write_frame(out, Kind::Log, 0, 0, |w| {
            w.u32(self.dropped);
            w.u16(self.lines.len() as u16);
            for line in &self.lines {
                w.bytes(&line.execution);
                w.bytes(&line.handle);
                w.u8(line.level);
                w.u64(line.unix_micros);
                w.long(&line.text);
            }
        });
    }
}
