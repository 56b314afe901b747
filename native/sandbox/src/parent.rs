//! Frames from the runner parent on descriptor 3: code, grants, halts. The parent has verified what it sends; the
//! sandbox still compares the digest of the very bytes it maps.

use std::collections::hash_map::Entry;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use caisson_engine::Class;
use caisson_frames::{
    CAPABILITY_CONFIG, CAPABILITY_METRICS, FLAG_ANSWER, Frame, Grant, Halt, Halted, Kind, LogBatch, LogLine,
    MAX_LOG_LINES_PER_FRAME, MAX_PAYLOAD_BYTES, OUTSIDE_CAPABILITIES, Reason, decode_handle, decode_nonce,
    encode_loaded, write_frame,
};
use caisson_lockdown::{CodeError, load_sealed, sweep_unpublished};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::capability::on_reply;
use crate::gateway::{answer_hello, checked_hello, empty, ping};
use crate::guest::{LoadRefusal, Prepared, prepare};
use crate::server::{Fault, PARENT, Server};

const MAX_LOADS: usize = 4_096;
const MAX_GRANTS: usize = 65_536;
/// Log lines wait here while the parent does not read; what comes on top is counted and dropped.
const MAX_UNSENT_LOG_BYTES: usize = 4 << 20;
/// What a component may import without having it: what reaches outside is denied call by call, configuration is
/// empty then, and figures are dropped.
const MAY_LACK: u32 = OUTSIDE_CAPABILITIES | CAPABILITY_CONFIG | CAPABILITY_METRICS;
/// Fields of one line beside its text: execution, handle, level, time, length.
const LOG_LINE_OVERHEAD: usize = 16 + 16 + 1 + 8 + 2;

pub enum LoadState {
    Receiving { file: OwnedFd, sha256: [u8; 32], size: u64, got: u64 },
    Ready(Arc<Prepared>),
}

pub fn on_frame(server: &mut Server, frame: Frame<'_>) -> Result<(), Fault> {
    if server.secret.is_none() && frame.kind != Kind::Hello {
        return Err(Fault("hello.missing", "the first frame must be HELLO".into()));
    }
    match frame.kind {
        Kind::Reply => on_reply(server, frame),
        Kind::Data | Kind::End if frame.stream.is_multiple_of(2) => on_reply(server, frame),
        Kind::Hello => hello(server, frame),
        Kind::Load => load(server, frame),
        Kind::Data => data(server, frame),
        Kind::End => empty(frame).and_then(|()| loaded(server, frame.stream)),
        Kind::Grant => grant(server, frame),
        Kind::Ungrant => {
            let handle = decode_handle(frame.payload)?;
            server.grants.remove(&handle);
            done(server, frame.stream);
            Ok(())
        }
        Kind::Unload => empty(frame).map(|()| unload(server, frame.stream)),
        Kind::Drain => {
            empty(frame)?;
            server.drain();
            done(server, frame.stream);
            Ok(())
        }
        Kind::Halt if frame.flags & FLAG_ANSWER == 0 => halt(server, frame),
        Kind::Ping => ping(server, PARENT, frame),
        Kind::Pong => decode_nonce(frame.payload).map(drop).map_err(Fault::from),
        _ => Err(Fault("frame.unexpected", format!("{:?} is not for the parent", frame.kind))),
    }
}

fn hello(server: &mut Server, frame: Frame<'_>) -> Result<(), Fault> {
    if server.secret.is_some() {
        return Err(Fault("hello.repeated", String::new()));
    }
    server.secret = Some(checked_hello(frame)?.proof);
    server.listen()?;
    answer_hello(server, PARENT);
    Ok(())
}

fn done(server: &mut Server, stream: u32) {
    if let Some(out) = server.output(PARENT) {
        write_frame(out, Kind::Done, 0, stream, |_| {});
    }
}

fn refuse(server: &mut Server, stream: u32, code: &str, message: String) {
    if let Some(out) = server.output(PARENT) {
        Reason { code: code.into(), message }.encode(out, Kind::Refused, stream);
    }
}

fn load(server: &mut Server, frame: Frame<'_>) -> Result<(), Fault> {
    let load = caisson_frames::Load::decode(frame.payload)?;
    if server.loads.len() >= MAX_LOADS {
        return Err(Fault("load.count", format!("more than {MAX_LOADS} loads")));
    }
    let Entry::Vacant(slot) = server.loads.entry(frame.stream) else {
        return Err(Fault("stream.id", "this load id is in use".into()));
    };
    let file = memfd_create(c"cwasm", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
        .map_err(|e| Fault("load.memory", e.to_string()))?;
    slot.insert(LoadState::Receiving { file, sha256: load.sha256, size: load.size, got: 0 });
    Ok(())
}

fn data(server: &mut Server, frame: Frame<'_>) -> Result<(), Fault> {
    let Some(LoadState::Receiving { file, size, got, .. }) = server.loads.get_mut(&frame.stream) else {
        return Err(Fault("stream.id", "no load is open under this id".into()));
    };
    *got += frame.payload.len() as u64;
    if *got > *size {
        return Err(Fault("load.size", "more bytes than announced".into()));
    }
    let mut rest = frame.payload;
    while !rest.is_empty() {
        let written = rustix::io::write(&*file, rest).map_err(|e| Fault("load.memory", e.to_string()))?;
        rest = &rest[written..];
    }
    Ok(())
}

fn loaded(server: &mut Server, stream: u32) -> Result<(), Fault> {
    let Some(LoadState::Receiving { file, sha256, size, got }) = server.loads.remove(&stream) else {
        return Err(Fault("stream.id", "no load is open under this id".into()));
    };
    sweep_unpublished();
    if got != size {
        refuse(server, stream, "load.size", format!("{got} bytes came, {size} were announced"));
        return Ok(());
    }
    match map(server, file, size, &sha256) {
        Ok(prepared) => {
            let capabilities = prepared.capabilities;
            server.loads.insert(stream, LoadState::Ready(Arc::new(prepared)));
            if let Some(out) = server.output(PARENT) {
                encode_loaded(out, stream, capabilities);
            }
        }
        Err(LoadRefusal { code, message }) => refuse(server, stream, code, message),
    }
    Ok(())
}

fn map(server: &Server, file: OwnedFd, size: u64, sha256: &[u8; 32]) -> Result<Prepared, LoadRefusal> {
    let component = load_sealed(&server.engine, file, size as usize, sha256).map_err(|e| match e {
        CodeError::Digest => LoadRefusal { code: "load.digest", message: "the bytes have another digest".into() },
        CodeError::Seal(e) | CodeError::Map(e) => LoadRefusal { code: "load.memory", message: e.to_string() },
        CodeError::Engine(e) => LoadRefusal { code: "load.engine", message: format!("{e:#}") },
    })?;
    prepare(&server.engine, &component)
}

/// The grant must cover what the sandbox itself does for the component.
fn grant(server: &mut Server, frame: Frame<'_>) -> Result<(), Fault> {
    let grant = Grant::decode(frame.payload)?;
    let Some(LoadState::Ready(prepared)) = server.loads.get(&grant.load) else {
        refuse(server, frame.stream, "grant.load", format!("load {} is not ready", grant.load));
        return Ok(());
    };
    if prepared.capabilities & !(grant.capabilities | MAY_LACK) != 0 {
        refuse(server, frame.stream, "grant.capability", "the component imports more than is granted".into());
        return Ok(());
    }
    // Without fuel a guest of that class could do nothing; with it one of the other would not be held to it.
    if (grant.fuel > 0) != (server.class == Class::Fuel) {
        refuse(server, frame.stream, "grant.class", format!("this sandbox is of class {}", server.class.name()));
        return Ok(());
    }
    if server.grants.len() >= MAX_GRANTS && !server.grants.contains_key(&grant.handle) {
        refuse(server, frame.stream, "grant.count", format!("more than {MAX_GRANTS} grants"));
        return Ok(());
    }
    let handle = grant.handle;
    let before = server.grants.get(&handle).map(Rc::as_ref);
    let state = server.lanes.admit(prepared.clone(), grant, before);
    server.grants.insert(handle, Rc::new(state));
    done(server, frame.stream);
    Ok(())
}

/// Calls already inside keep the code until they end; no new one starts.
fn unload(server: &mut Server, stream: u32) {
    server.grants.retain(|_, g| g.grant.load != stream);
    server.loads.remove(&stream);
    sweep_unpublished();
    done(server, stream);
}

fn halt(server: &mut Server, frame: Frame<'_>) -> Result<(), Fault> {
    let Halt { handle, epoch } = Halt::decode(frame.payload)?;
    let before = server.grants.len();
    server.grants.retain(|h, _| handle.is_some_and(|halted| *h != halted));
    let refused = (before - server.grants.len()) as u32;
    let (unqueued, killed) = server.halt(handle);
    if let Some(out) = server.output(PARENT) {
        Halted { epoch, refused, unqueued, killed }.encode(out, frame.stream);
    }
    Ok(())
}

/// Sends a call's log lines up, or counts them as dropped when the parent does not keep up.
pub fn forward_log(server: &mut Server, lines: Vec<LogLine>) {
    if server.conns.get(&PARENT).is_none_or(|c| c.unsent() > MAX_UNSENT_LOG_BYTES) {
        server.log_lines_lost = server.log_lines_lost.saturating_add(lines.len() as u32);
        return;
    }
    let mut dropped = std::mem::take(&mut server.log_lines_lost);
    let Some(out) = server.output(PARENT) else { return };
    let mut batch = LogBatch { dropped, lines: Vec::new() };
    let mut size = 6;
    for line in lines {
        let next = LOG_LINE_OVERHEAD + line.text.len();
        if size + next > MAX_PAYLOAD_BYTES || batch.lines.len() == MAX_LOG_LINES_PER_FRAME {
            batch.encode(out);
            dropped = 0;
            batch = LogBatch { dropped, lines: Vec::new() };
            size = 6;
        }
        size += next;
        batch.lines.push(line);
    }
    batch.encode(out);
}
