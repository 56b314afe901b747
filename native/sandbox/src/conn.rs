//! One connection: what is read and not yet parsed, what is written and not yet sent.

use std::os::unix::net::UnixStream;

use rustix::io::Errno;

use crate::ids::IdMap;

const READ_BYTES: usize = 128 * 1024;
/// A peer that does not read is cut off here; credits keep an honest one far below.
const MAX_UNSENT_BYTES: usize = 64 << 20;

pub struct Conn {
    pub socket: UnixStream,
    pub input: Vec<u8>,
    pub output: Vec<u8>,
    sent: usize,
    /// HELLO came and was right.
    pub greeted: bool,
    /// Body bytes the peer takes on a new stream.
    pub credit: u32,
    pub last_stream: u32,
    /// Open streams → call.
    pub streams: IdMap<u32, u64>,
    pub dirty: bool,
    pub waiting_to_write: bool,
    /// Close after the output is sent.
    pub closing: bool,
}

pub enum Io {
    More,
    Blocked,
    Closed,
}

impl Conn {
    pub fn new(socket: UnixStream) -> Self {
        Conn {
            socket,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            greeted: false,
            credit: 0,
            last_stream: 0,
            streams: IdMap::default(),
            dirty: false,
            waiting_to_write: false,
            closing: false,
        }
    }

    pub fn read(&mut self) -> Io {
        self.input.reserve(READ_BYTES);
        // Into the spare room as it is: clearing it first would cost more than the read.
        match rustix::io::read(&self.socket, rustix::buffer::spare_capacity(&mut self.input)) {
            Ok(0) => Io::Closed,
            Ok(_) | Err(Errno::AGAIN) => Io::Blocked,
            Err(Errno::INTR) => Io::More,
            Err(_) => Io::Closed,
        }
    }

    pub fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    pub fn flush(&mut self) -> Io {
        while self.sent < self.output.len() {
            match rustix::io::write(&self.socket, &self.output[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.unsent() <= MAX_UNSENT_BYTES => return Io::Blocked,
                Err(_) => return Io::Closed,
            }
        }
        self.output.clear();
        self.sent = 0;
        if self.output.capacity() > 4 * READ_BYTES {
            self.output = Vec::new();
        }
        if self.closing { Io::Closed } else { Io::More }
    }
}
