export type { Bound } from "./limits.ts";
export { KIB, limits, MIB } from "./limits.ts";
export type { SelfCheck, SelfCheckDefinition, SelfCheckId, SelfCheckState } from "./self-checks.ts";
export {
  idsOf,
  parseSelfCheckReport,
  SELF_CHECK_EVERY_MS,
  selfCheckReport,
  selfCheckStates,
  selfCheckTable,
} from "./self-checks.ts";
export type { MetricDefinition, MetricName, ProcessName } from "./metrics.ts";
export { metricTable } from "./metrics.ts";
export type { ErrorCode, ErrorEntry } from "./errors.ts";
export { errors, isErrorCode } from "./errors.ts";
export type { ExtensionId, ExtensionName, Version } from "./names.ts";
export {
  compareVersions,
  extensionId,
  NAME_PATTERN,
  parseExtensionId,
  parseRepository,
  parseVersion,
  repositoryOf,
} from "./names.ts";
export type { Endpoint, EndpointMethod } from "./endpoint.ts";
export { endpointMethods, parseEndpoint } from "./endpoint.ts";
export type { EgressRule } from "./egress.ts";
export { egressMethods, parseOrigin, readEgress } from "./egress.ts";
export type { CapabilityName, ExtensionConfig, RequestedLimits } from "./extension-config.ts";
export {
  capabilityNames,
  CONFIG_SCHEMA,
  parseExtensionConfig,
  WIT_VERSION,
} from "./extension-config.ts";
export {
  COMPONENT_TYPE,
  EMPTY_MEDIA_TYPE,
  EXTENSION_CONFIG_TYPE,
  EXTENSION_TYPE,
  FILE_TYPE,
  INDEX_MEDIA_TYPE,
  MANIFEST_MEDIA_TYPE,
  TITLE_ANNOTATION,
} from "./media-types.ts";
export type {
  ArtifactEvidence,
  AuditEvidence,
  Evidence,
  StatedExecution,
  VerdictEvidence,
} from "./evidence.ts";
export { evidenceText, MAX_EVIDENCE_BYTES, parseEvidence } from "./evidence.ts";
export type { Samples, TrialAnswer, TrialQuestion } from "./instance-trial.ts";
export {
  frozenEngine,
  MAX_SAMPLE_BYTES,
  parseSamples,
  parseTrialAnswer,
  readTrialQuestion,
  SAMPLE_METHOD,
  SAMPLE_TYPE,
  trialAnswerText,
  trialQuestionLine,
} from "./instance-trial.ts";
export type { BrokerCall } from "./broker-call.ts";
export {
  BROKER_DEADLINE_HEADER,
  brokerCallBytes,
  MAX_BROKER_BYTES,
  parseBrokerCall,
  parseDeadline,
} from "./broker-call.ts";
export type { ArtifactManifest, BlobReference, FileLayer } from "./artifact-manifest.ts";
export { buildArtifactManifest, isBlob, parseArtifactManifest } from "./artifact-manifest.ts";
export type { ComponentNames } from "./component-imports.ts";
export { readComponentNames } from "./component-imports.ts";
export {
  capabilityInterfaces,
  parseToolchainImports,
  unaskedImports,
} from "./capability-imports.ts";
export type { RunnerClass } from "./runner-class.ts";
export { classOf, runnerClasses, sandboxFolder } from "./runner-class.ts";
export { GrantReader } from "./grant-reader.ts";
export type { Grant, GrantLimits } from "./grant.ts";
export { grantHandle, handleHex, openGrant, parseHandle, sealGrant, tenantKey } from "./grant.ts";
export type { SandboxPlace, SandboxPlaces } from "./sandbox-places.ts";
export { parseSandboxPlaces, SANDBOX_PLACES_FILE, sandboxPlacesText } from "./sandbox-places.ts";
export type { Snapshot, SnapshotGrant, SnapshotInstall, SnapshotKey } from "./snapshot.ts";
export { openSnapshot, sealSnapshot } from "./snapshot.ts";
export type { FenceEntry, FenceEntryScope, FenceScope, FenceSubject } from "./fence.ts";
export { Fence, FENCE_ALL, fenceScopes, openFence, sealFence } from "./fence.ts";
export type { CallToken, EdgeCredential } from "./execute-token.ts";
export {
  bodyClaim,
  openEdgeCredential,
  openExecuteToken,
  openProof,
  parseProofKey,
  PROOF_HEADER,
  sealEdgeCredential,
  sealExecuteToken,
  sealProof,
} from "./execute-token.ts";
export type { ExecuteHead } from "./execute-call.ts";
export {
  cancelBytes,
  EXECUTE_ANSWER_TYPE,
  EXECUTE_CANCEL_PATH,
  EXECUTE_PATH,
  EXECUTE_STREAM,
  EXECUTE_TYPE,
  executeCallBytes,
  MAX_CANCEL_BYTES,
  MAX_EXECUTE_BYTES,
  parseCancel,
  parseExecuteCall,
  uuidBytes,
} from "./execute-call.ts";
export type { ExecutionOutcome, LogRecord, Usage } from "./records.ts";
export { MAX_BATCH_BYTES, parseLogBatch, usageFields } from "./records.ts";
export type { ExecutionContext, ExecutionRecord } from "./execution-entries.ts";
export { ExecutionEncoder } from "./execution-encoder.ts";
export type { ExecutionBatch } from "./execution-batch.ts";
export { parseExecutionBatch } from "./execution-batch.ts";
export {
  DATA_CHUNK_BYTES,
  FLAG_ANSWER,
  FLAG_LAST,
  frameBounds,
  frameTypes,
  HEADER_BYTES,
  INITIAL_CREDIT_BYTES,
  MAX_FRAME_BYTES,
  MAX_PAYLOAD_BYTES,
  PROTOCOL_VERSION,
} from "./frames/frames.ts";
export type { FrameType } from "./frames/frames.ts";
export { FrameError } from "./frames/frame-error.ts";
export { FrameDecoder } from "./frames/frame-decoder.ts";
export { FrameWriter } from "./frames/frame-writer.ts";
export type {
  CallOutcome,
  CallResult,
  CallUsage,
  CancelReason,
  HeaderList,
  HelloFrame,
  OpenFrame,
  ResponseFrame,
} from "./frames/messages.ts";
export {
  callOutcomes,
  readCancel,
  readCredit,
  readEmpty,
  readHello,
  readNonce,
  readOpen,
  readResponse,
  readResult,
  writeCancel,
  writeCredit,
  writeData,
  writeEmpty,
  writeHello,
  writeNonce,
  writeOpen,
  writeResponse,
  writeResult,
} from "./frames/messages.ts";
export type {
  CallFailure,
  CapabilityCall,
  FetchReply,
  FetchRequest,
} from "./frames/capability-messages.ts";
export type { KvCondition, KvFailure, KvReply, KvRequest } from "./frames/kv-messages.ts";
export { kvReplyBytes, readKvRequest, replyOutcome } from "./frames/kv-messages.ts";
export type { ConfigDeclaration, ConfigValues } from "./config-values.ts";
export { configFor, configOverBound } from "./config-values.ts";
export type { Instrument } from "./instruments.ts";
export type { GuestPoint, MetricsFrame, PointKind } from "./frames/metrics-messages.ts";
export { readMetrics } from "./frames/metrics-messages.ts";
export { cursorOf, keyOfCursor, kvRefusal } from "./kv-rules.ts";
export { outsideCapabilities } from "./frames/outside-capability.ts";
export type { OutsideCapability } from "./frames/outside-capability.ts";
export {
  callFailures,
  denialOf,
  failureBytes,
  fetchReplyBytes,
  readCapabilityCall,
  readFetchRequest,
  readReply,
  writeCapabilityCall,
  writeReply,
} from "./frames/capability-messages.ts";
export type {
  GrantFrame,
  GuestLogLine,
  HaltedFrame,
  HaltFrame,
  LoadFrame,
  LogFrame,
  LogLevel,
  ReasonFrame,
} from "./frames/parent-messages.ts";
export {
  capabilityBits,
  logLevels,
  readGrant,
  readHalt,
  readHalted,
  readHandle,
  readLoad,
  readLoaded,
  readLog,
  readReason,
  writeGrant,
  writeHalt,
  writeHalted,
  writeLoad,
  writeLoaded,
  writeLog,
  writeReason,
  writeUngrant,
} from "./frames/parent-messages.ts";
export { ComponentError, WasmCursor } from "./wasm-cursor.ts";
