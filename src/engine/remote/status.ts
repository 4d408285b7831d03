// What a server says about a failure, as errors: its code, one line of text, and the blobs that it names as missing.

import { makeDigest, type Digest } from '../files/digest.js';
import { PreconditionFailure, type StatusMessage } from './messages.js';
import { RemoteError, STATUS } from './transport.js';

/** One short line without control characters, so that a server can't draw on the user's terminal. */
export const oneLine = (text: string): string =>
  text
    .slice(0, 1000)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, 200);

/** Undefined if the status is good. `shown` makes text of the server fit to be shown. */
export function statusError(
  method: string,
  status: StatusMessage | undefined,
  shown: (text: string) => string,
): RemoteError | undefined {
  if (status === undefined || status.code === 0) return undefined;
  return new RemoteError(status.code, method, shown(status.message), missingBlobs(status));
}

/** A server refuses an action with a list of the blobs that it lacks. */
export function missingBlobs(status: StatusMessage | undefined): readonly Digest[] {
  if (status?.code !== STATUS.FAILED_PRECONDITION && status?.code !== STATUS.NOT_FOUND) return [];
  const found = new Set<Digest>();
  for (const { typeUrl, value } of status.details) {
    if (!typeUrl.endsWith('/google.rpc.PreconditionFailure')) continue;
    for (const { subject } of PreconditionFailure.decode(value)?.violations ?? []) {
      const [, hash, size] = /(?:^|\/)blobs\/([0-9a-f]{64})\/(\d{1,15})$/.exec(subject) ?? [];
      if (hash !== undefined) found.add(makeDigest(hash, Number(size)));
    }
  }
  return [...found];
}
