// The messages of a running execution, as updates. Servers report its end in three ways; they are one here.

import { ExecuteOperationMetadata, ExecuteResponse, type OperationMessage } from './messages.js';
import { statusError } from './status.js';
import { RemoteError, STATUS, type ExecutionOutcome, type ExecutionStage, type ExecutionUpdate } from './transport.js';

/** By the numbers of the enum ExecutionStage. */
const STAGES: readonly ExecutionStage[] = ['unknown', 'cache-check', 'queued', 'executing', 'completed'];

/** `shown` makes text of the server fit to be shown. */
export function toUpdate(
  method: string,
  { name, metadata, done, error, response }: OperationMessage,
  shown: (text: string) => string,
): ExecutionUpdate {
  const about =
    metadata?.typeUrl.endsWith('.ExecuteOperationMetadata') === true
      ? ExecuteOperationMetadata.decode(metadata.value)
      : undefined;
  const outcome = done ? toOutcome(method, error, response, shown) : undefined;
  return {
    operation: name,
    stage: done ? 'completed' : (STAGES[about?.stage ?? 0] ?? 'unknown'),
    ...(outcome !== undefined && { outcome }),
  };
}

function toOutcome(
  method: string,
  error: OperationMessage['error'],
  response: OperationMessage['response'],
  shown: (text: string) => string,
): ExecutionOutcome {
  const failed = statusError(method, error, shown);
  if (failed !== undefined) return { isCached: false, error: failed };
  const executed = response?.typeUrl.endsWith('.ExecuteResponse') === true && ExecuteResponse.decode(response.value);
  if (executed === undefined || executed === false || (executed.result ?? executed.status) === undefined) {
    const invalid = new RemoteError(STATUS.INTERNAL, method, 'the server ended the execution without a valid answer');
    return { isCached: false, error: invalid };
  }
  const { result, cachedResult: isCached, status } = executed;
  const notRun = statusError(method, status, shown);
  return {
    isCached,
    ...(result !== undefined && { result }),
    ...(notRun !== undefined && { error: notRun }),
  };
}
