// The state of each node of a run. Everything that changes while nodes run changes here, through `settle`.

import type { CheckedNode, NodeId } from '../../manifests/pipeline/manifest.js';
import { RunFiles, type LayerEntry } from '../app/run-files.js';
import type { Source } from '../app/source.js';
import type { NodeReport } from '../events.js';
import { ancestorsOf } from '../plan/ancestors.js';
import { walk } from '../trees/directories.js';
import type { KnownLayers } from '../trees/known-layers.js';
import type { Layer } from '../trees/tree.js';
import type { Done, NodeEnd, Taint } from './node-end.js';

/** How a node ended, and its report. */
export interface Settled {
  readonly end: NodeEnd;
  /** Absent in a plan, which makes no report. */
  readonly report?: NodeReport;
}

export class NodeStates {
  /** The files that nodes can see. Each node adds its layer when it settles. */
  readonly files: RunFiles;
  readonly #settled = new Map<NodeId, Settled>();
  readonly #writers = new Map<string, number>();
  readonly #taints = new Map<number, Taint>();
  readonly #state: Record<string, unknown> = {};
  #expiresAt = Number.POSITIVE_INFINITY;
  #isAllStored = true;

  constructor(
    readonly nodes: readonly CheckedNode[],
    source: Source,
    readonly layers: KnownLayers,
  ) {
    this.files = new RunFiles(source, ancestorsOf(nodes));
  }

  /** The only writer. Records how the node ended, and shows its layer to the nodes that depend on it. */
  settle(index: number, { end, report }: Settled): void {
    const { id } = this.nodes[index]!;
    if (this.#settled.has(id)) throw new Error(`node ${id} ended twice`);
    if (end.type === 'done') this.#addDone(index, end);
    this.#settled.set(id, { end, ...(report === undefined ? {} : { report }) });
  }

  #addDone(index: number, { layer, tool, state, taint, expiresAt, isStored }: Done): void {
    if (tool !== undefined) this.layers.add(tool);
    if (layer !== undefined) this.#addLayer(index, layer);
    if (taint !== undefined) this.#taints.set(index, taint);
    Object.assign(this.#state, state);
    this.#expiresAt = Math.min(this.#expiresAt, expiresAt);
    this.#isAllStored &&= isStored;
  }

  #addLayer(index: number, layer: Layer): void {
    this.layers.add(layer);
    if (!this.#writers.has(layer.digest)) this.#writers.set(layer.digest, index);
    this.files.addLayer(index, layer, this.#entriesOf(layer));
  }

  *#entriesOf({ root }: Layer): Generator<[string, LayerEntry]> {
    for (const [path, entry] of walk(this.layers.table, root)) {
      if (entry.type !== 'directory') yield [path, entry];
      else yield [path, entry.mode === undefined ? { type: 'directory' } : { type: 'directory', mode: entry.mode }];
    }
  }

  /** Undefined until the node has ended. */
  endOf(id: NodeId): NodeEnd | undefined {
    return this.#settled.get(id)?.end;
  }

  /** Undefined unless the node has ended with outputs. */
  doneOf(id: NodeId): Done | undefined {
    const end = this.endOf(id);
    return end?.type === 'done' ? end : undefined;
  }

  /** Of the nodes that have ended, in plan order. */
  *ends(): Generator<readonly [NodeId, NodeEnd]> {
    for (const { id } of this.nodes) {
      const end = this.endOf(id);
      if (end !== undefined) yield [id, end];
    }
  }

  /** Of the nodes that have ended, in plan order. */
  *reports(): Generator<readonly [NodeId, NodeReport]> {
    for (const { id } of this.nodes) {
      const report = this.#settled.get(id)?.report;
      if (report !== undefined) yield [id, report];
    }
  }

  /** Position of the node that made the layer; -1 if none did, as for the layer of a tool. */
  writerOf(layer: string): number {
    return this.#writers.get(layer) ?? -1;
  }

  /** By position. Undefined if what the node made may leave this machine. */
  taintOf(index: number): Taint | undefined {
    return this.#taints.get(index);
  }

  get hasTaint(): boolean {
    return this.#taints.size > 0;
  }

  /** App state that the nodes returned for later runs, by name. */
  get state(): Readonly<Record<string, unknown>> {
    return this.#state;
  }

  /** When the first result expires, in milliseconds since the epoch. Infinity if none does. */
  get expiresAt(): number {
    return this.#expiresAt;
  }

  /** Whether a later run can restore every result. */
  get isAllStored(): boolean {
    return this.#isAllStored;
  }
}

/** Whether the end prevents nodes that depend on it from running. */
export function isBlocking(end: NodeEnd): boolean {
  return end.type !== 'done' && end.type !== 'skipped';
}
