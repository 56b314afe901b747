//! Points of capability `metrics`, on their way from the sandbox to the runner parent.

use crate::{FrameError, Handle, Kind, Reader, write_frame};

pub const MAX_POINTS_PER_FRAME: usize = 256;
pub const MAX_METRIC_NAME_BYTES: usize = 64;
pub const MAX_METRIC_LABELS: usize = 4;
pub const MAX_LABEL_BYTES: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PointKind {
    Add = 0,
    Set = 1,
    Observe = 2,
}

/// One figure of a guest. All of it is the guest's.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// Grant that the call ran under: whose point it is.
    pub handle: Handle,
    pub kind: PointKind,
    pub name: String,
    pub value: f64,
    pub labels: Vec<String>,
}

/// Points, with the number of those that found no room since the last frame.
#[derive(Clone, Debug, PartialEq)]
pub struct PointBatch {
    pub dropped: u32,
    pub points: Vec<Point>,
}

impl PointBatch {
    pub fn decode(payload: &[u8]) -> Result<PointBatch, FrameError> {
        let mut r = Reader::new(payload);
        let dropped = r.u32()?;
        let count = r.u16()? as usize;
        if count > MAX_POINTS_PER_FRAME {
            return Err(FrameError::Bound);
        }
        let mut points = Vec::with_capacity(count);
        for _ in 0..count {
            points.push(decode_point(&mut r)?);
        }
        r.finish()?;
        Ok(PointBatch { dropped, points })
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        write_frame(out, Kind::Metrics, 0, 0, |w| {
            w.u32(self.dropped);
            w.u16(self.points.len() as u16);
            for point in &self.points {
                w.bytes(&point.handle);
                w.u8(point.kind as u8);
                w.short(&point.name);
                w.u64(point.value.to_bits());
                w.u8(point.labels.len() as u8);
                point.labels.iter().for_each(|label| w.short(label));
            }
        });
    }
}

fn decode_point(r: &mut Reader<'_>) -> Result<Point, FrameError> {
    let handle = r.array()?;
    let kind = match r.u8()? {
        0 => PointKind::Add,
        1 => PointKind::Set,
        2 => PointKind::Observe,
        _ => return Err(FrameError::Bound),
    };
    let name = r.short(MAX_METRIC_NAME_BYTES)?.to_owned();
    let value = f64::from_bits(r.u64()?);
    let count = r.u8()? as usize;
    if count > MAX_METRIC_LABELS {
        return Err(FrameError::Bound);
    }
    let mut labels = Vec::with_capacity(count);
    for _ in 0..count {
        labels.push(r.short(MAX_LABEL_BYTES)?.to_owned());
    }
    Ok(Point { handle, kind, name, value, labels })
}
