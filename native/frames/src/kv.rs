//! What a guest asks of `storage.kv` and gets from it; the layouts stand beside those of the frames.

use crate::{FrameError, MAX_CAPABILITY_BYTES, MAX_MESSAGE_BYTES, Reader, Writer};

/// Of a cursor: the longest key, written in base64.
const MAX_CURSOR_BYTES: usize = 1_024;
const MAX_KV_KEY_BYTES: usize = 512;
const MAX_KV_PAGE: usize = 1_000;

/// What must hold for a write to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvCondition {
    Always,
    Absent,
    Revision(u64),
}

/// All of it is the guest's; control judges sizes, this is only what a text's length field can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvRequest {
    Get { key: String },
    Put { key: String, condition: KvCondition, ttl_seconds: Option<u32>, value: Vec<u8> },
    Delete { key: String, condition: KvCondition },
    List { prefix: String, cursor: Option<String>, max: u32 },
}

impl KvRequest {
    /// None where a field is over what can be sent.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let fits = |text: &str| text.len() <= u16::MAX as usize;
        let (first, second, value) = match self {
            KvRequest::Get { key } | KvRequest::Delete { key, .. } => (key, "", &[][..]),
            KvRequest::Put { key, value, .. } => (key, "", &value[..]),
            KvRequest::List { prefix, cursor, .. } => (prefix, cursor.as_deref().unwrap_or(""), &[][..]),
        };
        if !fits(first) || !fits(second) || first.len() + second.len() + value.len() > MAX_CAPABILITY_BYTES {
            return None;
        }
        let mut out = Vec::with_capacity(first.len() + second.len() + value.len() + 32);
        let mut w = Writer { out: &mut out };
        match self {
            KvRequest::Get { key } => {
                w.u8(1);
                w.long(key);
            }
            KvRequest::Put { key, condition, ttl_seconds, value } => {
                w.u8(2);
                w.long(key);
                condition.write(&mut w);
                w.u8(ttl_seconds.is_some() as u8);
                w.u32(ttl_seconds.unwrap_or(0));
                w.bytes(value);
            }
            KvRequest::Delete { key, condition } => {
                w.u8(3);
                w.long(key);
                condition.write(&mut w);
            }
            KvRequest::List { prefix, cursor, max } => {
                w.u8(4);
                w.long(prefix);
                w.u8(cursor.is_some() as u8);
                w.long(cursor.as_deref().unwrap_or(""));
                w.u32(*max);
            }
        }
        Some(out)
    }
}

impl KvCondition {
    fn write(self, w: &mut Writer<'_>) {
        let (kind, revision) = match self {
            KvCondition::Always => (0, 0),
            KvCondition::Absent => (1, 0),
            KvCondition::Revision(revision) => (2, revision),
        };
        w.u8(kind);
        w.u64(revision);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvReply {
    Entry { revision: u64, expires_ms: Option<u64>, value: Vec<u8> },
    Absent,
    Written(u64),
    Deleted,
    Page { keys: Vec<String>, cursor: Option<String> },
    Failure(KvFailure),
}

/// Why there is no answer; 1 to 5 are those of every capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvFailure {
    Denied(String),
    Budget(String),
    Unavailable,
    TooLarge(String),
    QuotaKeys,
    QuotaBytes,
    Conflict(Option<u64>),
    Missing,
    Invalid(String),
}

impl KvReply {
    pub fn decode(bytes: &[u8]) -> Result<KvReply, FrameError> {
        let mut r = Reader::new(bytes);
        let reply = match r.u8()? {
            32 => {
                let (revision, expires_ms) = (r.u64()?, option_u64(&mut r)?);
                let value = r.rest(MAX_CAPABILITY_BYTES)?.to_vec();
                return Ok(KvReply::Entry { revision, expires_ms, value });
            }
            33 => KvReply::Absent,
            34 => KvReply::Written(r.u64()?),
            35 => KvReply::Deleted,
            36 => page(&mut r)?,
            kind => KvReply::Failure(failure(kind, &mut r)?),
        };
        r.finish()?;
        Ok(reply)
    }
}

fn option_u64(r: &mut Reader<'_>) -> Result<Option<u64>, FrameError> {
    let (present, value) = (r.u8()?, r.u64()?);
    match present {
        0 => Ok(None),
        1 => Ok(Some(value)),
        _ => Err(FrameError::Bound),
    }
}

fn page(r: &mut Reader<'_>) -> Result<KvReply, FrameError> {
    let present = r.u8()?;
    let cursor = r.long(MAX_CURSOR_BYTES)?.to_owned();
    let count = r.u16()? as usize;
    if count > MAX_KV_PAGE || present > 1 {
        return Err(FrameError::Bound);
    }
    let mut keys = Vec::with_capacity(count);
    for _ in 0..count {
        keys.push(r.long(MAX_KV_KEY_BYTES)?.to_owned());
    }
    Ok(KvReply::Page { keys, cursor: (present == 1).then_some(cursor) })
}

fn failure(kind: u8, r: &mut Reader<'_>) -> Result<KvFailure, FrameError> {
    let message = r.long(MAX_MESSAGE_BYTES)?.to_owned();
    Ok(match kind {
        1 => KvFailure::Denied(message),
        2 => KvFailure::Budget(message),
        // Nobody answered, or too late: for the guest the store is away.
        3 | 4 | 10 => KvFailure::Unavailable,
        5 => KvFailure::TooLarge(message),
        6 => KvFailure::QuotaKeys,
        7 => KvFailure::QuotaBytes,
        8 => KvFailure::Conflict(option_u64(r)?),
        9 => KvFailure::Missing,
        11 => KvFailure::Invalid(message),
        _ => return Err(FrameError::Bound),
    })
}
