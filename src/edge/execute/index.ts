export { Admission } from "./admission.ts";
export { ExecuteServer } from "./execute-server.ts";
export { RemoteRunner } from "./remote-runner.ts";
