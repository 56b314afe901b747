use crate::FrameError;

/// Reads the fields of one payload; every read checks its bound first.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(payload: &'a [u8]) -> Self {
        Reader { rest: payload }
    }

    pub fn take(&mut self, length: usize) -> Result<&'a [u8], FrameError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(FrameError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    pub fn u8(&mut self) -> Result<u8, FrameError> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, FrameError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub fn u32(&mut self) -> Result<u32, FrameError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub fn u64(&mut self) -> Result<u64, FrameError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Text behind a u8 length.
    pub fn short(&mut self, max: usize) -> Result<&'a str, FrameError> {
        let length = self.u8()? as usize;
        self.text(length, max)
    }

    /// Text behind a u16 length.
    pub fn long(&mut self, max: usize) -> Result<&'a str, FrameError> {
        let length = self.u16()? as usize;
        self.text(length, max)
    }

    fn text(&mut self, length: usize, max: usize) -> Result<&'a str, FrameError> {
        if length > max {
            return Err(FrameError::Bound);
        }
        std::str::from_utf8(self.take(length)?).map_err(|_| FrameError::Utf8)
    }

    /// Everything that is left, at most `max` bytes.
    pub fn rest(self, max: usize) -> Result<&'a [u8], FrameError> {
        if self.rest.len() > max { Err(FrameError::Bound) } else { Ok(self.rest) }
    }

    pub fn finish(self) -> Result<(), FrameError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FrameError::Trailing) }
    }
}

/// Appends fields; texts longer than their length field can say are cut at a character boundary by the caller.
pub struct Writer<'a> {
    pub(crate) out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    pub fn short(&mut self, text: &str) {
        debug_assert!(text.len() <= u8::MAX as usize);
        self.u8(text.len() as u8);
        self.bytes(text.as_bytes());
    }

    pub fn long(&mut self, text: &str) {
        debug_assert!(text.len() <= u16::MAX as usize);
        self.u16(text.len() as u16);
        self.bytes(text.as_bytes());
    }
}
