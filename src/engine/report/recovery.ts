// Starts a run again if the cache has lost part of a stored result, and forces the nodes that made it.

import type { NodeId } from '../../manifests/pipeline/manifest.js';
import type { EventSink } from '../events.js';
import type { Digest } from '../files/digest.js';
import type { Lost } from '../run/node-end.js';
import type { Run } from '../run/run.js';
import type { SlugEnd } from '../slug/write.js';
import { walk } from '../trees/directories.js';
import type { Layer } from '../trees/tree.js';

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
export function producersOfLost(run: Run, slug: SlugEnd | undefined, { forced }: Attempt): readonly NodeId[] {
  const found = lostIn(run, slug);
  if (found.length === 0) return [];
  const wanted = new Set<Digest>(found.flatMap(({ digests }) => digests));
  const producers: NodeId[] = [];
  for (const [id, end] of run.states.ends()) {
    if (end.type !== 'done' || forced.has(id)) continue;
    const layers = [end.layer, end.tool].filter((layer) => layer !== undefined);
    const own = layers.flatMap((layer) => [...lostOf(run, layer, wanted)]);
    // If several nodes made the same blob, executing one of them is enough.
    if (own.length > 0) producers.push(id);
    for (const digest of own) wanted.delete(digest);
  }
  return producers.length > 0 ? producers : (['all'] as string[] as NodeId[]);
}

function lostIn({ states }: Run, slug: SlugEnd | undefined): readonly Lost[] {
  const found: Lost[] = slug?.ok === false && slug.failure.type === 'lost' ? [slug.failure] : [];
  for (const [, end] of states.ends()) if (end.type === 'lost') found.push(end);
  return found;
}

/**
 * Digests of the layer that are known to be lost or that the store does not have, so that one attempt restores them
 * all.
 */
function* lostOf({ layers, store }: Run, layer: Layer, wanted: ReadonlySet<Digest>): Generator<Digest> {
  for (const digest of [layer.digest, layer.tree]) if (wanted.has(digest)) yield digest;
  for (const [, entry] of walk(layers.table, layer.root)) {
    if (entry.type === 'file' && (wanted.has(entry.digest) || !store.has(entry.digest))) yield entry.digest;
  }
}
