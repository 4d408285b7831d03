// Small blobs in the metadata of a result: they save a round trip, because a server puts only output files into its answers. They
// need no signature, since each counts only under its own digest.

import { digestOf, sizeOf, type Digest } from '../files/digest.js';
import { bytes, list, messageType } from '../trees/message-type.js';
import type { ReapiResult } from '../trees/reapi-result.js';

/** Type of the Any that holds the blobs. */
export const INLINE_TYPE = 'type.googleapis.com/pyflow.InlineBlobs';

/** For all blobs of a result together. Servers keep results in memory. */
const MOST_INLINE_BYTES = 32 * 1024;
const MOST_BLOBS = 8;

const InlineBlobs = messageType('pyflow.InlineBlobs', { blobs: [1, list(bytes, MOST_BLOBS)] });

/** The Any's value with those of the blobs that fit, in their order; undefined if none does. */
export function inlineValue(blobs: Iterable<Buffer>): Buffer | undefined {
  const chosen: Buffer[] = [];
  let left = MOST_INLINE_BYTES;
  for (const blob of blobs) {
    if (blob.length > left || chosen.length === MOST_BLOBS) continue;
    chosen.push(blob);
    left -= blob.length;
  }
  return chosen.length === 0 ? undefined : InlineBlobs.encode({ blobs: chosen });
}

export const fitsInline = (digest: Digest): boolean => sizeOf(digest) <= MOST_INLINE_BYTES;

/** Empty if there are none, or if they are malformed. */
export function inlineBlobsOf({ metadata }: ReapiResult): ReadonlyMap<Digest, Buffer> {
  const found = metadata?.auxiliaryMetadata?.find(({ typeUrl }) => typeUrl === INLINE_TYPE);
  const message = found && InlineBlobs.decode(found.value);
  return new Map((message?.blobs ?? []).map((blob) => [digestOf(blob), Buffer.from(blob)]));
}
