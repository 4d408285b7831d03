// What a server says it can do, reduced to what pyflow needs to know.

import { SHA256, type CapabilitiesMessage } from './messages.js';
import type { RemoteCapabilities } from './transport.js';

export function toCapabilities(message: CapabilitiesMessage): RemoteCapabilities {
  const { cacheCapabilities: cache, executionCapabilities: execution } = message;
  const maxBatchBytes = limit(cache?.maxBatchTotalSizeBytes);
  const maxBlobBytes = limit(cache?.maxCasBlobSizeBytes);
  const lowVersion = version(message.lowApiVersion);
  const highVersion = version(message.highApiVersion);
  return {
    cache: cache?.digestFunctions.includes(SHA256) ?? false,
    updatesResults: cache?.actionCacheUpdateCapabilities?.updateEnabled ?? false,
    executes:
      execution?.execEnabled === true &&
      (execution.digestFunction === SHA256 || execution.digestFunctions.includes(SHA256)),
    ...(maxBatchBytes !== undefined && { maxBatchBytes }),
    ...(maxBlobBytes !== undefined && { maxBlobBytes }),
    ...(lowVersion !== undefined && { lowVersion }),
    ...(highVersion !== undefined && { highVersion }),
  };
}

/** Zero means that there is none. So does the largest integer, which servers without a limit send (bazel-remote: 2^63 - 1). */
const limit = (bytes = 0): number | undefined => (bytes > 0 && bytes < Number.MAX_SAFE_INTEGER ? bytes : undefined);

const version = (value: CapabilitiesMessage['lowApiVersion']): string | undefined =>
  value && `${value.major}.${value.minor}`;
