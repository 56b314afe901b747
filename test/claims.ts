import { apiClaims } from "./claims/api-claims.ts";
import { callClaims } from "./claims/call-claims.ts";
import { configClaims } from "./claims/config-claims.ts";
import { edgeClaims } from "./claims/edge-claims.ts";
import { egressClaims } from "./claims/egress-claims.ts";
import { executeClaims } from "./claims/execute-claims.ts";
import { evidenceClaims } from "./claims/evidence-claims.ts";
import { fenceClaims } from "./claims/fence-claims.ts";
import { guestClaims } from "./claims/guest-claims.ts";
import { installClaims } from "./claims/install-claims.ts";
import { kvClaims } from "./claims/kv-claims.ts";
import { loadClaims } from "./claims/load-claims.ts";
import { modeClaims } from "./claims/mode-claims.ts";
import { postureClaims } from "./claims/posture-claims.ts";
import { logClaims } from "./claims/log-claims.ts";
import { metricsClaims } from "./claims/metrics-claims.ts";
import { instanceClaims } from "./claims/instance-claims.ts";
import { queueClaims } from "./claims/queue-claims.ts";
import { publishClaims } from "./claims/publish-claims.ts";
import { snapshotClaims } from "./claims/snapshot-claims.ts";
import type { Claim } from "./claims/claim.ts";

/** Every security claim. A refusal that is not in this list counts as not built. */
export const claims: readonly Claim[] = [
  ...publishClaims,
  ...instanceClaims,
  ...installClaims,
  ...loadClaims,
  ...callClaims,
  ...executeClaims,
  ...edgeClaims,
  ...guestClaims,
  ...queueClaims,
  ...snapshotClaims,
  ...fenceClaims,
  ...egressClaims,
  ...kvClaims,
  ...configClaims,
  ...logClaims,
  ...metricsClaims,
  ...apiClaims,
  ...modeClaims,
  ...evidenceClaims,
  ...postureClaims,
];
