import { FrameError } from "./frame-error.ts";
import { frameBounds as bounds } from "./frames.ts";
import { PayloadReader } from "./payload-reader.ts";

const pointKinds = ["add", "set", "observe"] as const;
export type PointKind = (typeof pointKinds)[number];

/** One figure of a guest. All but the handle is attacker-controlled. */
export interface GuestPoint {
  /** 16 bytes: the grant that the call ran under. */
  readonly handle: Uint8Array;
  readonly kind: PointKind;
  readonly name: string;
  /** Any number, NaN among them. */
  readonly value: number;
  readonly labels: readonly string[];
}

export interface MetricsFrame {
  readonly dropped: number;
  readonly points: readonly GuestPoint[];
}

export function readMetrics(payload: Uint8Array): MetricsFrame {
  const r = new PayloadReader(payload);
  const dropped = r.u32();
  const points = Array.from({ length: r.u16(0, bounds.pointsPerFrame) }, () => readPoint(r));
  r.end();
  return { dropped, points };
}

function readPoint(r: PayloadReader): GuestPoint {
  const handle = r.bytes(16);
  const kind = pointKinds[r.u8()];
  if (kind === undefined) throw new FrameError("frame.bound", "cannot read frame: unknown point");
  const name = r.str8(bounds.metricNameBytes);
  const value = Buffer.from(r.bytes(8)).readDoubleLE();
  const labels = Array.from({ length: r.u8(bounds.metricLabels) }, () => r.str8(bounds.labelBytes));
  return { handle, kind, name, value, labels };
}
