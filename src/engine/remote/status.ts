// What a server says about a failure, as errors: its code and one line of text.

import type { StatusMessage } from './messages.js';
import { RemoteError } from './transport.js';

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
  return new RemoteError(status.code, method, shown(status.message));
}
