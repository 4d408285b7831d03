// Finds nodes whose `reads` need not be called, because nothing that they looked at has changed since the last complete
// run. Only a shortcut: calling `reads` gives the same key.

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
import { isFor, type ActionResult } from '../store/store.js';

/** Stored next to the fast record of the same run. */
interface LooksRecord {
  readonly runId: string;
  readonly pipelineDigest: string;
  /** Node -> paths, and patterns with the prefix `glob:`, that it looked up in the view. */
  readonly looks: Readonly<Record<string, readonly string[]>>;
}

interface LastEnd {
  readonly report: NodeReport;
  /** Absent if the node was skipped. */
  readonly result?: ActionResult;
}

/** With more changed paths than this, calling `reads` is quicker. */
const MANY_CHANGES = 500;

const sealOf = (appId: string): Seal => ({ kind: 'looks', version: 1, of: appId });
const looksPath = (cacheDir: string, appId: string): string => join(runsDir(cacheDir, appId), 'looks.json');

/** `unchanged` knows the lookups of nodes whose `reads` this run did not call. */
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
  /** Whether a node ended as in the last run, and so did every node that it waits for. */
  readonly #same = new Map<NodeId, boolean>();

  private constructor(
    readonly run: Run,
    readonly last: FastRecord,
    readonly looks: LooksRecord['looks'],
    readonly changed: ReadonlySet<string>,
  ) {}

  /** Undefined if this run can't be compared with the last complete one. */
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
      // A file is missing or unreadable now; the nodes that read it report that.
    }
    if (changed === undefined || changed.size > MANY_CHANGES) return undefined;
    return new Unchanged(run, last, looks.looks, changed);
  }

  /**
   * What the last complete run left of the node, if the node must end the same way; else undefined. Every node that it
   * waits for must have ended.
   */
  lastOf(index: number): LastEnd | undefined {
    const node = this.run.pipeline.nodes[index]!;
    const report = this.last.report.nodes[node.id];
    const looks = this.looks[node.id];
    const isAllSame = node.dependencies.every((id) => this.#isSame(id));
    if (report === undefined || looks === undefined || !isAllSame) return undefined;
    if (looks.some((look) => this.#sawChange(look))) return undefined;
    if (report.outcome === 'skipped') return { report };
    const result = this.#resultOf(report);
    return result && { report, result };
  }

  /** The node, and every node that it waits for, must have ended. */
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

  /** Undefined if the store no longer has the result that the report tells of. */
  #resultOf({ key, layer }: NodeReport): ActionResult | undefined {
    const { store, asker } = this.run;
    const result =
      key === undefined ? undefined : store.inspect(key, ({ result: stored }) => isFor(stored, asker))?.result;
    return result?.layer?.digest === layer?.digest ? result : undefined;
  }

  #sawChange(look: string): boolean {
    if (this.changed.size === 0) return false;
    if (!look.startsWith(GLOB)) return this.changed.has(look);
    const isMatch = matcherOf(look.slice(GLOB.length));
    for (const path of this.changed) if (isMatch(path)) return true;
    return false;
  }
}

/** Whether nodes that depend on this one see the same as in the last run. */
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

/** Paths of the source that were added, removed or changed; undefined if something outside the source changed. */
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
    // A folder's times change with its names, and those are compared as separate paths.
    if (entry?.type === 'directory') {
      if (entry.mode !== folderModes[path]) remoded.push(`${path}/`);
      continue;
    }
    if (entry === undefined || !isSame(entry.stat, tuples, index)) changed.add(path);
    // If a file was young then, its times prove nothing.
    else if (young[index] !== undefined && digestNow(`${run.request.appDir}/${path}`) !== young[index])
      changed.add(path);
  }
  for (const path of entries.keys()) {
    // A changed mode of a folder counts for every file below it.
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
