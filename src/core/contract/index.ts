export type { Bound } from "./limits.ts";
export { KIB, limits, MIB } from "./limits.ts";
export type { ErrorCode, ErrorEntry } from "./errors.ts";
export { errors, isErrorCode } from "./errors.ts";
export type { ExtensionId, ExtensionName, Version } from "./names.ts";
export { compareVersions, extensionId, NAME_PATTERN, parseExtensionId, parseRepository, parseVersion, repositoryOf } from "./names.ts";
export type { Endpoint, EndpointMethod } from "./endpoint.ts";
export { endpointMethods, parseEndpoint } from "./endpoint.ts";
export type { CapabilityName, ExtensionConfig, RequestedLimits } from "./extension-config.ts";
export { capabilityNames, CONFIG_SCHEMA, parseExtensionConfig, WIT_VERSION } from "./extension-config.ts";
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
