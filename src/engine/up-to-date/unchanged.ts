// Which nodes need not even be asked, because nothing that they looked at in the last complete run has changed since.
// A shortcut only, as the fast path is: asking them gives the same key. Unaware of keys and execution.

import { lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { canonicalJSON } from '../../manifests/json-schema.js';
import type { NodeId } from '../../manifests/pipeline/manifest.js';
import type { NodeReport } from '../events.js';
import { digestNow, readFastRecord, tupleAt, type FastRecord } from './fast-path.js';
import { matcherOf } from '../files/pattern.js';
import type { NodeEnd } from '../run/node-end.js';
import { runsDir } from '../run/run-record.js';
import type { Run } from '../run/run.js';
import { readSealed, writeSealed, type Seal } from '../files/sealed-json.js';
import { GLOB } from '../app/run-files.js';

/** Beside the fast record, and of the same run. */
interface LooksRecord {
  readonly runId: string;
  readonly pipelineDigest: string;
  /** Node -> literal paths and patterns (after `glob:`) that it asked the view for. */
  readonly looks: Readonly<Record<string, readonly string[]>>;
}

/** Beyond this many changed paths asking the nodes is quicker. */
const MANY_CHANGES = 500;

const sealOf = (appId: string): Seal => ({ kind: 'looks', version: 1, of: appId });
const looksPath = (cacheDir: string, appId: string): string => join(runsDir(cacheDir, appId), 'looks.json');

/** `unchanged`: knows what nodes looked at that this run did not ask. */
export function writeLooks(run: Run, runId: string, unchanged: Unchanged | undefined): void {
  const { cacheDir } = run.request;
  const looks = Object.fromEntries(
    run.pipeline.nodes.map(({ id }, index) => [
      id,
      [...(run.states.files.looksOf(index) ?? unchanged?.looks[id] ?? [])],
    ]),
  );
  const record: LooksRecord = { runId, pipelineDigest: run.pipelineDigest, looks };
  writeSealed(looksPath(cacheDir, run.appId), sealOf(run.appId), record);
}

export class Unchanged {
  /** Whether a node that has ended is what it was in the last run, and so is all that it waits for. */
  readonly #same = new Map<NodeId, boolean>();

  private constructor(
    readonly run: Run,
    readonly last: FastRecord,
    readonly looks: LooksRecord['looks'],
    readonly changed: ReadonlySet<string>,
  ) {}

  /** Undefined when the last complete run cannot be compared with this one. */
  static open(run: Run, version: string): Unchanged | undefined {
    const { request, appId, surroundings } = run;
    if (request.oneTime === true || request.settings['NO_FAST_PATH'] === '1' || run.pluginFiles.length > 0)
      return undefined;
    const last = readFastRecord(request, {
      variables: surroundings.variables,
      version,
      now: run.composition.clock.now(),
    });
    const looks = readSealed<LooksRecord>(looksPath(request.cacheDir, appId), sealOf(appId));
    if (last === undefined || looks?.runId !== last.report.runId || looks.pipelineDigest !== run.pipelineDigest) {
      return undefined;
    }
    let changed: ReadonlySet<string> | undefined;
    try {
      changed = changedPaths(run, last);
    } catch {
      // A file is gone or unreadable by now; the nodes that read it say so.
    }
    if (changed === undefined || changed.size > MANY_CHANGES) return undefined;
    return new Unchanged(run, last, looks.looks, changed);
  }

  /** What the node was in the last complete run, when it must be that again. All it waits for has a state. */
  reportOf(index: number): NodeReport | undefined {
    const node = this.run.pipeline.nodes[index]!;
    const report = this.last.report.nodes[node.id];
    const looks = this.looks[node.id];
    const isAllSame = node.dependencies.every((id) => this.#isSame(id));
    if (report === undefined || looks === undefined || !isAllSame) return undefined;
    if (report.outcome !== 'skipped' && (report.key === undefined || !this.#isStored(report))) return undefined;
    return looks.some((look) => this.#sawChange(look)) ? undefined : report;
  }

  /** Every node that it waits for has ended, and so has the node itself. */
  #isSame(id: NodeId): boolean {
    let isSame = this.#same.get(id);
    if (isSame === undefined) {
      const { dependencies } = this.run.pipeline.nodes[this.run.positionOf(id)]!;
      const report = this.last.report.nodes[id];
      const end = this.run.states.endOf(id);
      isSame = end !== undefined && isEqual(end, report) && dependencies.every((each) => this.#isSame(each));
      this.#same.set(id, isSame);
    }
    return isSame;
  }

  #isStored({ key }: NodeReport): boolean {
    return this.run.store.inspect(key!) !== undefined;
  }

  #sawChange(look: string): boolean {
    if (this.changed.size === 0) return false;
    if (!look.startsWith(GLOB)) return this.changed.has(look);
    const isMatch = matcherOf(look.slice(GLOB.length));
    for (const path of this.changed) if (isMatch(path)) return true;
    return false;
  }
}

/** Whether dependents of the node see what they saw in the last run. */
function isEqual(end: NodeEnd, report: NodeReport | undefined): boolean {
  if (report === undefined) return false;
  if (end.type === 'skipped') return report.outcome === 'skipped';
  return (
    end.type === 'done' &&
    report.outcome !== 'skipped' &&
    report.layer?.digest === end.layer?.digest &&
    canonicalJSON(report.outputs ?? {}) === canonicalJSON(end.outputs)
  );
}

/** Paths of the source that came, went or were touched; undefined when something beside the source changed. */
function changedPaths(run: Run, { paths, tuples, young, folderModes }: FastRecord): ReadonlySet<string> | undefined {
  const { entries } = run.source;
  const changed = new Set<string>();
  const known = new Set<string>();
  const remoded: string[] = [];
  for (const [index, path] of paths.entries()) {
    if (path === '.') continue;
    if (path.startsWith('/')) {
      // The pipeline file is compared by its digest.
      if (path !== run.request.pipelineFile && !isSame(lstatOf(path), tuples, index)) return undefined;
      continue;
    }
    known.add(path);
    const entry = entries.get(path);
    // A folder's own times change with its names, and those are paths of their own.
    if (entry?.type === 'directory') {
      if (entry.mode !== folderModes[path]) remoded.push(`${path}/`);
      continue;
    }
    if (entry === undefined || !isSame(entry.stat, tuples, index)) changed.add(path);
    // What was young then cannot be told by its times.
    else if (young[index] !== undefined && digestNow(`${run.request.appDir}/${path}`) !== young[index])
      changed.add(path);
  }
  for (const path of entries.keys()) {
    // Who sees a file sees the modes of the folders above it.
    if (!known.has(path) || remoded.some((folder) => path.startsWith(folder))) changed.add(path);
  }
  return changed;
}

const lstatOf = (path: string): Stats | undefined => lstatSync(path, { throwIfNoEntry: false });

function isSame(stat: Stats | undefined, tuples: readonly number[], index: number): boolean {
  const [size, mtimeMs, ctimeMs, ino] = tupleAt(tuples, index);
  if (stat === undefined) return false;
  return stat.size === size && stat.mtimeMs === mtimeMs && stat.ctimeMs === ctimeMs && stat.ino === ino;
}
