import { createSigner, newPrivateKey, releaseKnownAnswer } from "#trust";
import { SELF_CHECK_EVERY_MS, selfCheckReport } from "#contract";
import type { SelfCheck } from "#contract";
import type { Log } from "#platform";
import type { ControlLine } from "#link";

/** Looks at this process over and over, and tells control; what cannot be told now is told by the next look. */
export function reportSelfChecks(
  line: ControlLine,
  look: () => Promise<readonly SelfCheck[]> | readonly SelfCheck[],
  log: Log,
): Disposable {
  let told = true;
  const report = async () => {
    await line.post("/v1/edge/self-checks", selfCheckReport(await look()));
    told = true;
  };
  const tell = () => {
    report().catch((error: unknown) => {
      if (told) log.warn("self-checks.untold", { reason: String(error) });
      told = false;
    });
  };
  tell();
  line.onChange(tell);
  const timer = setInterval(tell, SELF_CHECK_EVERY_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** found: null where it holds, else what was found instead. */
export function checkOf(id: SelfCheck["id"], found: string | null): SelfCheck {
  return { id, state: found === null ? "on" : "off", detail: found ?? "" };
}

/** Whether an edge knows what is stopped and has what it serves from. */
export function fenceInForce(line: ControlLine, serves: boolean): SelfCheck {
  if (line.state.fence === null) return checkOf("fence.in-force", "no fence was ever heard");
  const stale = serves && line.fresh() === null;
  return checkOf("fence.in-force", stale ? "no snapshot that may be served" : null);
}

/** With keys made for this look: nothing that was trusted before can help. */
export function trustKnownAnswer(): string | null {
  const [publisher, log] = [newPrivateKey("p256"), newPrivateKey("ed25519")];
  return releaseKnownAnswer(createSigner(publisher), createSigner(log), new Date());
}
