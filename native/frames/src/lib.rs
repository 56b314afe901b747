//! The frame codec between gateway, sandbox and runner parent.
//!
//! The table of layouts stands in `src/core/contract/frames/frames.ts`; both decoders read `test/vectors/frames`.
//! Everything decoded here is attacker-controlled: each field has a bound, and nothing is parsed before its bound is checked.
#![forbid(unsafe_code)]

mod capability;
mod codec;
mod kv;
mod messages;
mod metrics;
mod parent;

pub use capability::*;
pub use codec::{Reader, Writer};
pub use kv::*;
pub use messages::*;
pub use metrics::*;
pub use parent::*;

/// Header: u32 payload length, u8 type, u8 flags, u16 zero, u32 stream; little-endian.
pub const HEADER_BYTES: usize = 12;
/// A whole frame, header included.
pub const MAX_FRAME_BYTES: usize = 65_536;
pub const MAX_PAYLOAD_BYTES: usize = MAX_FRAME_BYTES - HEADER_BYTES;
/// What a sender puts into one DATA frame.
pub const DATA_CHUNK_BYTES: usize = 32_768;
/// Body bytes each side may send on a new stream before the first CREDIT.
pub const INITIAL_CREDIT_BYTES: u32 = 262_144;
pub const PROTOCOL_VERSION: u16 = 1;
/// Set on OPEN and RESPONSE: no body follows. Set on HELLO and HALT: this is the answer.
pub const FLAG_LAST: u8 = 1;
pub const FLAG_ANSWER: u8 = 1;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    Hello = 1,
    Open = 2,
    Data = 3,
    End = 4,
    Credit = 5,
    Cancel = 6,
    Call = 7,
    Reply = 8,
    Result = 9,
    Response = 10,
    Drain = 11,
    Halt = 12,
    Ping = 13,
    Pong = 14,
    Load = 32,
    Loaded = 33,
    Refused = 34,
    Grant = 35,
    Done = 36,
    Ungrant = 37,
    Unload = 38,
    Log = 39,
    Close = 40,
    Metrics = 41,
}

impl Kind {
    fn of(byte: u8) -> Option<Kind> {
        Some(match byte {
            1 => Kind::Hello,
            2 => Kind::Open,
            3 => Kind::Data,
            4 => Kind::End,
            5 => Kind::Credit,
            6 => Kind::Cancel,
            7 => Kind::Call,
            8 => Kind::Reply,
            9 => Kind::Result,
            10 => Kind::Response,
            11 => Kind::Drain,
            12 => Kind::Halt,
            13 => Kind::Ping,
            14 => Kind::Pong,
            32 => Kind::Load,
            33 => Kind::Loaded,
            34 => Kind::Refused,
            35 => Kind::Grant,
            36 => Kind::Done,
            37 => Kind::Ungrant,
            38 => Kind::Unload,
            39 => Kind::Log,
            40 => Kind::Close,
            41 => Kind::Metrics,
            _ => return None,
        })
    }

    /// The flag bits this type may carry.
    fn flags(self) -> u8 {
        match self {
            Kind::Hello | Kind::Open | Kind::Response | Kind::Halt => 1,
            _ => 0,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameError {
    /// The announced payload is longer than a frame may be.
    Length,
    Kind,
    Flags,
    Reserved,
    /// The payload ends inside a field.
    Truncated,
    /// The payload goes on after the last field.
    Trailing,
    Utf8,
    /// A field is outside its bound.
    Bound,
}

impl FrameError {
    pub fn code(self) -> &'static str {
        match self {
            FrameError::Length => "frame.length",
            FrameError::Kind => "frame.type",
            FrameError::Flags => "frame.flags",
            FrameError::Reserved => "frame.reserved",
            FrameError::Truncated => "frame.truncated",
            FrameError::Trailing => "frame.trailing",
            FrameError::Utf8 => "frame.utf8",
            FrameError::Bound => "frame.bound",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: Kind,
    pub flags: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

/// The first frame of `bytes` and how many bytes it takes, or `None` while it is incomplete.
pub fn next_frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, FrameError> {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let length = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    if length > MAX_PAYLOAD_BYTES {
        return Err(FrameError::Length);
    }
    let kind = Kind::of(header[4]).ok_or(FrameError::Kind)?;
    let flags = header[5];
    if flags & !kind.flags() != 0 {
        return Err(FrameError::Flags);
    }
    if header[6] != 0 || header[7] != 0 {
        return Err(FrameError::Reserved);
    }
    let stream = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let end = HEADER_BYTES + length;
    match bytes.get(HEADER_BYTES..end) {
        Some(payload) => Ok(Some((Frame { kind, flags, stream, payload }, end))),
        None => Ok(None),
    }
}

/// Appends one frame whose payload `fill` writes; the payload must stay within `MAX_PAYLOAD_BYTES`.
pub fn write_frame(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: u32, fill: impl FnOnce(&mut Writer<'_>)) {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, kind as u8, flags, 0, 0]);
    out.extend_from_slice(&stream.to_le_bytes());
    fill(&mut Writer { out });
    let length = out.len() - start - HEADER_BYTES;
    debug_assert!(length <= MAX_PAYLOAD_BYTES);
    out[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
}
