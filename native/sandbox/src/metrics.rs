//! Capability `metrics`: points are kept with the call and leave when it ends, like its log lines.

use caisson_frames::{
    Handle, MAX_LABEL_BYTES, MAX_METRIC_LABELS, MAX_METRIC_NAME_BYTES, MAX_PAYLOAD_BYTES, MAX_POINTS_PER_FRAME, Point,
    PointBatch, PointKind, cut,
};
use wasmtime::component::Linker;
use wasmtime::{Result, StoreContextMut};

use crate::host::HostData;
use crate::server::{PARENT, Server};

const MAX_POINTS_PER_CALL: usize = 256;
/// Points wait here while the parent does not read; what comes on top is counted and dropped.
const MAX_UNSENT_BYTES: usize = 4 << 20;
/// Fields of one point beside its texts: handle, kind, lengths, value.
const POINT_OVERHEAD: usize = 16 + 1 + 1 + 8 + 1 + MAX_METRIC_LABELS;

/// A call's points that have not left yet.
#[derive(Default)]
pub struct Points {
    kept: Vec<Point>,
    dropped: u32,
}

impl Points {
    fn take_in(&mut self, handle: Handle, kind: PointKind, (name, value, labels): Asked) {
        let fits = name.len() <= MAX_METRIC_NAME_BYTES && labels.len() <= MAX_METRIC_LABELS;
        if !fits || self.kept.len() >= MAX_POINTS_PER_CALL {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let labels = labels.iter().map(|label| cut(label, MAX_LABEL_BYTES).to_owned()).collect();
        self.kept.push(Point { handle, kind, name, value, labels });
    }
}

type Asked = (String, f64, Vec<String>);

pub fn link_metrics(linker: &mut Linker<HostData>, name: &str) -> Result<()> {
    let mut instruments = linker.instance(name)?;
    for (function, kind) in [("add", PointKind::Add), ("set", PointKind::Set), ("observe", PointKind::Observe)] {
        instruments.func_wrap(function, move |store: StoreContextMut<'_, HostData>, asked: Asked| {
            let shared = &store.data().shared;
            shared.io().points.take_in(shared.handle, kind, asked);
            Ok(())
        })?;
    }
    Ok(())
}

/// Sends a call's points up, or counts them as dropped when the parent does not keep up.
pub fn forward_points(server: &mut Server, points: Points) {
    let Points { kept, dropped } = points;
    server.points_lost = server.points_lost.saturating_add(dropped);
    if kept.is_empty() {
        return;
    }
    if server.conns.get(&PARENT).is_none_or(|c| c.unsent() > MAX_UNSENT_BYTES) {
        server.points_lost = server.points_lost.saturating_add(kept.len() as u32);
        return;
    }
    let mut batch = PointBatch { dropped: std::mem::take(&mut server.points_lost), points: Vec::new() };
    let Some(out) = server.output(PARENT) else { return };
    let mut size = 6;
    for point in kept {
        let next = POINT_OVERHEAD + point.name.len() + point.labels.iter().map(String::len).sum::<usize>();
        if size + next > MAX_PAYLOAD_BYTES || batch.points.len() == MAX_POINTS_PER_FRAME {
            batch.encode(out);
            batch = PointBatch { dropped: 0, points: Vec::new() };
            size = 6;
        }
        size += next;
        batch.points.push(point);
    }
    batch.encode(out);
}
