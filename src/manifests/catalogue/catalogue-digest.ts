// One digest over all that pyflow knows about the world, for reports. Keys take the rows they use instead, so that a new
// build of one minor leaves the others alone.

import { createHash } from 'node:crypto';
import { canonicalJSON, type JSONValue } from '../json-schema.js';
import { FAMILIES } from './families.js';

let digest: string | undefined;

/** Lower-case SHA-256. */
export function catalogueDigest(): string {
  digest ??= createHash('sha256')
    .update(canonicalJSON(FAMILIES as unknown as JSONValue))
    .digest('hex');
  return digest;
}
