export interface NativePaths {
  readonly sandbox: string;
  readonly compiler: string;
  readonly sourceHash: string;
  readonly from: "folder" | "package" | "cache" | "build";
}

/** The two executables; built where nothing fits. Throws an Error whose message names the way out. */
export function nativePaths(): NativePaths;

/** The same without building; null where nothing fits. */
export function findNative(): NativePaths | null;

/** SHA-256 over the path and bytes of every source of the executables. */
export function hashSources(): string;
