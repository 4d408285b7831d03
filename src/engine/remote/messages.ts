// The messages of the services that pyflow calls: the Remote Execution API v2, ByteStream and long-running operations.

import {
  bytes,
  digest,
  embedded,
  flag,
  list,
  message,
  messageType,
  note,
  number,
  numbers,
  text,
  type MessageOf,
} from '../trees/message-type.js';
import { Any } from '../trees/reapi-result.js';

const REAPI = 'build.bazel.remote.execution.v2.';
const ACTION_RESULT = `${REAPI}ActionResult`;

/** No list of digests that pyflow sends has more. */
export const MOST_DIGESTS = 10_000;
/** Small blobs fill a batch of 4 MiB with fewer; servers with larger batches must do with that. */
export const MOST_BLOBS = 50_000;

/** Value of the enum DigestFunction. */
export const SHA256 = 1;

// --- google.rpc ---

export const Status = messageType('google.rpc.Status', {
  code: [1, number],
  message: [2, note],
  details: [3, list(message(Any), 100)],
});

// --- ContentAddressableStorage ---

export const FindMissingBlobsRequest = messageType(`${REAPI}FindMissingBlobsRequest`, {
  instanceName: [1, text()],
  blobDigests: [2, list(digest, MOST_DIGESTS)],
  digestFunction: [3, number],
});

export const FindMissingBlobsResponse = messageType(`${REAPI}FindMissingBlobsResponse`, {
  missingBlobDigests: [2, list(digest, MOST_DIGESTS)],
});

export const BatchUpdateBlobsRequest = messageType(`${REAPI}BatchUpdateBlobsRequest`, {
  instanceName: [1, text()],
  requests: [
    2,
    list(
      message(
        messageType(`${REAPI}BatchUpdateBlobsRequest.Request`, {
          digest: [1, digest],
          data: [2, bytes],
          compressor: [3, number],
        }),
      ),
      MOST_BLOBS,
    ),
  ],
  digestFunction: [5, number],
});

export const BatchUpdateBlobsResponse = messageType(`${REAPI}BatchUpdateBlobsResponse`, {
  responses: [
    1,
    list(
      message(
        messageType(`${REAPI}BatchUpdateBlobsResponse.Response`, {
          digest: [1, digest],
          status: [2, message(Status)],
        }),
      ),
      MOST_BLOBS,
    ),
  ],
});

export const BatchReadBlobsRequest = messageType(`${REAPI}BatchReadBlobsRequest`, {
  instanceName: [1, text()],
  digests: [2, list(digest, MOST_BLOBS)],
  acceptableCompressors: [3, numbers(100)],
  digestFunction: [4, number],
});

export const BatchReadBlobsResponse = messageType(`${REAPI}BatchReadBlobsResponse`, {
  responses: [
    1,
    list(
      message(
        messageType(`${REAPI}BatchReadBlobsResponse.Response`, {
          digest: [1, digest],
          data: [2, bytes],
          status: [3, message(Status)],
          compressor: [4, number],
        }),
      ),
      MOST_BLOBS,
    ),
  ],
});

// --- ByteStream ---

export const ReadRequest = messageType('google.bytestream.ReadRequest', {
  resourceName: [1, text()],
  readOffset: [2, number],
  readLimit: [3, number],
});

export const ReadResponse = messageType('google.bytestream.ReadResponse', { data: [10, bytes] });

export const WriteRequest = messageType('google.bytestream.WriteRequest', {
  resourceName: [1, text()],
  writeOffset: [2, number],
  finishWrite: [3, flag],
  data: [10, bytes],
});

export const WriteResponse = messageType('google.bytestream.WriteResponse', { committedSize: [1, number] });

// --- ActionCache. Both calls answer with an ActionResult ---

export const GetActionResultRequest = messageType(`${REAPI}GetActionResultRequest`, {
  instanceName: [1, text()],
  actionDigest: [2, digest],
  inlineStdout: [3, flag],
  inlineStderr: [4, flag],
  inlineOutputFiles: [5, list(text(), 100)],
  digestFunction: [6, number],
});

export const UpdateActionResultRequest = messageType(`${REAPI}UpdateActionResultRequest`, {
  instanceName: [1, text()],
  actionDigest: [2, digest],
  actionResult: [3, embedded(ACTION_RESULT)],
  digestFunction: [5, number],
});

// --- Execution ---

export const ExecuteRequest = messageType(`${REAPI}ExecuteRequest`, {
  instanceName: [1, text()],
  skipCacheLookup: [3, flag],
  actionDigest: [6, digest],
  digestFunction: [9, number],
  inlineStdout: [10, flag],
  inlineStderr: [11, flag],
  inlineOutputFiles: [12, list(text(), 100)],
});

export const WaitExecutionRequest = messageType(`${REAPI}WaitExecutionRequest`, { name: [1, text(4096)] });

export const ExecuteResponse = messageType(`${REAPI}ExecuteResponse`, {
  result: [1, embedded(ACTION_RESULT)],
  cachedResult: [2, flag],
  status: [3, message(Status)],
  message: [5, note],
});

/** Not the digest of the action: some servers leave it empty. */
export const ExecuteOperationMetadata = messageType(`${REAPI}ExecuteOperationMetadata`, {
  stage: [1, number],
  stdoutStreamName: [3, text(4096)],
  stderrStreamName: [4, text(4096)],
  partialExecutionMetadata: [5, embedded(`${REAPI}ExecutedActionMetadata`)],
});

export const Operation = messageType('google.longrunning.Operation', {
  name: [1, text(4096)],
  metadata: [2, message(Any)],
  done: [3, flag],
  error: [4, message(Status)],
  response: [5, message(Any)],
});

export const CancelOperationRequest = messageType('google.longrunning.CancelOperationRequest', {
  name: [1, text(4096)],
});

// --- Capabilities ---

const SemVer = messageType('build.bazel.semver.SemVer', {
  major: [1, number],
  minor: [2, number],
  patch: [3, number],
  prerelease: [4, note],
});

const CacheCapabilities = messageType(`${REAPI}CacheCapabilities`, {
  digestFunctions: [1, numbers(100)],
  actionCacheUpdateCapabilities: [
    2,
    message(messageType(`${REAPI}ActionCacheUpdateCapabilities`, { updateEnabled: [1, flag] })),
  ],
  maxBatchTotalSizeBytes: [4, number],
  supportedCompressors: [6, numbers(100)],
  maxCasBlobSizeBytes: [8, number],
});

const ExecutionCapabilities = messageType(`${REAPI}ExecutionCapabilities`, {
  digestFunction: [1, number],
  execEnabled: [2, flag],
  digestFunctions: [5, numbers(100)],
});

export const GetCapabilitiesRequest = messageType(`${REAPI}GetCapabilitiesRequest`, { instanceName: [1, text()] });

export const ServerCapabilities = messageType(`${REAPI}ServerCapabilities`, {
  cacheCapabilities: [1, message(CacheCapabilities)],
  executionCapabilities: [2, message(ExecutionCapabilities)],
  lowApiVersion: [4, message(SemVer)],
  highApiVersion: [5, message(SemVer)],
});

/** Travels with each call as a header, so that a server's logs can tell who asked. */
export const RequestMetadata = messageType(`${REAPI}RequestMetadata`, {
  toolDetails: [1, message(messageType(`${REAPI}ToolDetails`, { toolName: [1, text()], toolVersion: [2, text()] }))],
  actionId: [2, text()],
  toolInvocationId: [3, text()],
});

export type StatusMessage = MessageOf<typeof Status>;
export type CapabilitiesMessage = MessageOf<typeof ServerCapabilities>;
export type OperationMessage = MessageOf<typeof Operation>;
