// One digest over the whole catalogue, for reports. Action keys contain only the rows they use, so that a new build of one
// minor doesn't affect the others.

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
