// Starts a run again if the cache has lost part of a stored result, and forces the nodes that made it.

import type { NodeId } from '../../manifests/pipeline/manifest.js';
import type { EventSink } from '../events.js';
import type { Digest } from '../files/digest.js';
import type { Done, Lost } from '../run/node-end.js';
import type { Run } from '../run/run.js';
import type { OutputsEnd } from '../slug/outputs.js';
import type { SlugEnd } from '../slug/write.js';
import { walk } from '../trees/directories.js';

/** How often a run is attempted. */
const MAX_ATTEMPTS = 4;

/** How an attempt ended: with a value, or with nodes that have to execute again first. */
export type Attempted<T> =
  { readonly type: 'finished'; readonly value: T } | { readonly type: 'lost'; readonly producers: readonly NodeId[] };

export interface Attempt {
  /** Nodes that must not be restored; `all` stands for every node. */
  readonly forced: ReadonlySet<string>;
  /** The last attempt reports a loss as a failure. */
  readonly isLast: boolean;
}

export async function withRecovery<T>(
  refresh: readonly string[],
  sink: EventSink,
  attempt: (options: Attempt) => Promise<Attempted<T>>,
): Promise<T> {
  const forced = new Set(refresh);
  for (let count = 1; ; count++) {
    const attempted = await attempt({ forced, isLast: count === MAX_ATTEMPTS });
    if (attempted.type === 'finished') return attempted.value;
    for (const id of attempted.producers) forced.add(id);
    const text = 'The cache has lost part of a stored result. pyflow executes the node that made it again.';
    sink.emit({ type: 'notice', code: 'cache::lost', text });
  }
}

/** The nodes that have to execute again because the store has lost part of their results; empty if nothing is lost. */
export async function producersOfLost(
  run: Run,
  slug: SlugEnd | OutputsEnd | undefined,
  { forced, isLast }: Attempt,
): Promise<readonly NodeId[]> {
  const { signal } = run.request;
  const lost = lostIn(run, slug);
  if (lost.length === 0 || isLast) return [];
  // Also finds what no node has missed yet, so that one attempt restores everything.
  await run.remote?.findLost();
  const isThere = new Map<Digest, boolean>(lost.map(({ digest }) => [digest, false]));
  const producers: NodeId[] = [];
  const returning = new Set<Digest>();
  for (const [id, end] of run.states.ends()) {
    if (end.type !== 'done' || forced.has(id)) continue;
    const missing: Digest[] = [];
    for await (const digest of blobsOf(run, end)) {
      // An interrupted run reports what it has.
      if (signal.aborted) return [];
      if (!isThere.has(digest)) isThere.set(digest, await isHad(run, digest));
      if (isThere.get(digest) === false) missing.push(digest);
    }
    // If several nodes made the same blob, executing one of them is enough.
    if (missing.every((digest) => returning.has(digest))) continue;
    producers.push(id);
    for (const digest of missing) returning.add(digest);
  }
  return producers.length > 0 ? producers : (['all'] as string[] as NodeId[]);
}

/** Files of results from the server are fetched only when something needs them. */
const isHad = async ({ remote, store }: Run, digest: Digest): Promise<boolean> =>
  remote?.mayHave(digest) === true || (await store.check(digest));

function lostIn({ states }: Run, slug: SlugEnd | OutputsEnd | undefined): readonly Lost[] {
  const found: Lost[] = slug?.ok === false && slug.failure.type === 'lost' ? [slug.failure] : [];
  for (const [, end] of states.ends()) if (end.type === 'lost') found.push(end);
  return found;
}

/** The blobs of a node's layer and tool. */
async function* blobsOf({ layers }: Run, { layer, tool }: Done): AsyncGenerator<Digest> {
  for (const part of [layer, tool]) {
    if (part === undefined) continue;
    yield part.tree;
    if (!(await layers.load(part))) continue;
    for (const [, entry] of walk(layers.table, part.root)) if (entry.type === 'file') yield entry.digest;
  }
}
