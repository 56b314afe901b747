export const MANIFEST_MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json";
export const INDEX_MEDIA_TYPE = "application/vnd.oci.image.index.v1+json";
export const EMPTY_MEDIA_TYPE = "application/vnd.oci.empty.v1+json";
export const EXTENSION_TYPE = "application/vnd.caisson.extension.v1";
export const EXTENSION_CONFIG_TYPE = "application/vnd.caisson.extension.config.v1+json";
export const COMPONENT_TYPE = "application/wasm";
export const FILE_TYPE = "application/octet-stream";
export const TITLE_ANNOTATION = "org.opencontainers.image.title";
