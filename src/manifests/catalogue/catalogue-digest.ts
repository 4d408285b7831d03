// One digest over all that pyflow knows about the world, for reports. Keys take the rows they use instead, so that a new
// build of one minor leaves the others alone.

import { createHash } from 'node:crypto';
import { canonicalJSON } from '../json-schema.js';
import releases from './data/python-releases.json' with { type: 'json' };
import runtimes from './data/python-runtimes.json' with { type: 'json' };
import stacks from './data/stacks.json' with { type: 'json' };
import tools from './data/tools.json' with { type: 'json' };

let digest: string | undefined;

/** Lower-case SHA-256. */
export function catalogueDigest(): string {
  digest ??= createHash('sha256').update(canonicalJSON({ releases, runtimes, stacks, tools })).digest('hex');
  return digest;
}
