//! Frames from a gateway. Everything in them is attacker-controlled but the boot secret, which proves the gateway.

use caisson_frames::{
    FLAG_ANSWER, FLAG_LAST, Frame, Hello, INITIAL_CREDIT_BYTES, Kind, MAX_FRAME_BYTES, Open, PROTOCOL_VERSION,
    decode_cancel, decode_credit, decode_nonce, write_frame,
};

use crate::guest::WIT_VERSIONS;
use crate::server::{Fault, Server};

pub fn on_frame(server: &mut Server, id: u64, frame: Frame<'_>) -> Result<(), Fault> {
    let greeted = server.conns.get(&id).is_some_and(|c| c.greeted);
    match (frame.kind, greeted) {
        (Kind::Hello, false) => hello(server, id, frame),
        (Kind::Hello, true) => Err(Fault("hello.repeated", String::new())),
        (_, false) => Err(Fault("hello.missing", "the first frame must be HELLO".into())),
        (Kind::Open, true) => open(server, id, frame),
        (Kind::Data, true) => server.body_data(id, frame.stream, frame.payload),
        (Kind::End, true) => empty(frame).map(|()| server.body_end(id, frame.stream)),
        (Kind::Credit, true) => {
            decode_credit(frame.payload).map(|bytes| server.credit(id, frame.stream, bytes)).map_err(Fault::from)
        }
        (Kind::Cancel, true) => {
            decode_cancel(frame.payload).map(|reason| server.cancel(id, frame.stream, reason)).map_err(Fault::from)
        }
        (Kind::Ping, true) => ping(server, id, frame),
        (Kind::Pong, true) => decode_nonce(frame.payload).map(drop).map_err(Fault::from),
        _ => Err(Fault("frame.unexpected", format!("{:?} is not for gateways", frame.kind))),
    }
}

pub fn empty(frame: Frame<'_>) -> Result<(), Fault> {
    if frame.payload.is_empty() { Ok(()) } else { Err(caisson_frames::FrameError::Trailing.into()) }
}

pub fn ping(server: &mut Server, id: u64, frame: Frame<'_>) -> Result<(), Fault> {
    let nonce = decode_nonce(frame.payload)?;
    if let Some(out) = server.output(id) {
        write_frame(out, Kind::Pong, 0, frame.stream, |w| w.bytes(&nonce));
    }
    Ok(())
}

/// Checks the version and, in constant time, the boot secret: other processes share this uid.
fn hello(server: &mut Server, id: u64, frame: Frame<'_>) -> Result<(), Fault> {
    let hello = checked_hello(frame)?;
    let secret = server.secret.ok_or(Fault("hello.early", String::new()))?;
    let difference = secret.iter().zip(&hello.proof).fold(0u8, |all, (a, b)| all | (a ^ b));
    if std::hint::black_box(difference) != 0 {
        return Err(Fault("hello.secret", "wrong boot secret".into()));
    }
    if let Some(conn) = server.conns.get_mut(&id) {
        conn.greeted = true;
        conn.credit = hello.credit;
    }
    answer_hello(server, id);
    if server.draining {
        server.tell_draining(id);
    }
    Ok(())
}

pub fn checked_hello(frame: Frame<'_>) -> Result<Hello, Fault> {
    if frame.flags & FLAG_ANSWER != 0 {
        return Err(Fault("frame.flags", "HELLO of an opener carries no flag".into()));
    }
    let hello = Hello::decode(frame.payload, frame.flags)?;
    if hello.version != PROTOCOL_VERSION || hello.max_frame as usize != MAX_FRAME_BYTES {
        return Err(Fault("hello.version", format!("speaks {PROTOCOL_VERSION}, frames of {MAX_FRAME_BYTES}")));
    }
    Ok(hello)
}

pub fn answer_hello(server: &mut Server, id: u64) {
    let answer = Hello {
        version: PROTOCOL_VERSION,
        max_frame: MAX_FRAME_BYTES as u32,
        credit: INITIAL_CREDIT_BYTES,
        proof: caisson_engine::fingerprint(server.class),
        lockdown: server.lockdown,
        wit: WIT_VERSIONS.iter().map(|v| (*v).to_owned()).collect(),
    };
    if let Some(out) = server.output(id) {
        answer.encode(out, FLAG_ANSWER);
    }
}

/// Stream ids of a connection are odd and only grow, so a late frame of an ended call can never reach another one.
fn open(server: &mut Server, id: u64, frame: Frame<'_>) -> Result<(), Fault> {
    let Some(conn) = server.conns.get_mut(&id) else { return Ok(()) };
    if frame.stream.is_multiple_of(2) || frame.stream <= conn.last_stream {
        return Err(Fault("stream.id", "an opener's stream ids are odd and grow".into()));
    }
    conn.last_stream = frame.stream;
    let open = Open::decode(frame.payload)?;
    server.open(id, frame.stream, open, frame.flags & FLAG_LAST != 0);
    Ok(())
}
