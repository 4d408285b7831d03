// Builds an app again from the record of its last run, and compares the layers of both builds.

import { copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import type { Compose } from './composition.js';
import type { EventSink, RunReport } from './events.js';
import { fail, succeed, type Failure, type Result } from './failure.js';
import type { ActionKey, Digest } from './files/digest.js';
import { makePrivateFolder } from './files/private-files.js';
import { createRunDir } from './files/private-folders.js';
import { differencesOf, type Difference, type Side } from './inspect/differences.js';
import type { Verification, VerifiedNode } from './inspect/verification.js';
import { PackageRecords } from './packages/records.js';
import { runPipeline } from './pipeline.js';
import type { Refusal, RunOptions, RunRequest } from './request.js';
import { appIdOf, readLastRun, type LastNode } from './run/run-record.js';
import { openLocalStore, type LocalStore } from './store/local-store.js';
import { KnownLayers } from './trees/known-layers.js';
import { EMPTY_DIRECTORY } from './trees/directories.js';

const MOST_DIFFERENCES = 200;

/** The rebuild has a cache of its own, so the results of the app stay as they are. */
export async function verifyApp(
  request: RunRequest,
  sink: EventSink,
  compose: Compose,
  options: RunOptions,
): Promise<Result<Verification, Refusal>> {
  const { cacheDir } = request;
  const appId = appIdOf(request);
  const last = readLastRun(cacheDir, appId);
  if (last === undefined) return fail({ type: 'failure', failure: noLastRun(request.appDir) });
  const runDir = createRunDir(cacheDir);
  try {
    const again = `${runDir.largeDir}/cache`;
    shareWith(cacheDir, again, appId);
    const isReplayed = hasRecords(cacheDir, last.nodes) || request.settings['PACKAGES'] === 'replay';
    const rebuild: RunRequest = {
      ...request,
      appId,
      cacheDir: again,
      outDir: `${runDir.largeDir}/slug`,
      settings: { ...request.settings, ...(isReplayed && { PACKAGES: 'replay' }) },
    };
    const report = await runPipeline(rebuild, sink, compose, options);
    if (!report.ok) return report;
    const { failure } = report.value;
    if (failure !== undefined) return fail({ type: 'failure', failure: notRebuilt(failure) });
    const nodes = await compareNodes(last.nodes, report.value, { cacheDir, again });
    return succeed({ runId: last.runId, nodes, isReplayed });
  } finally {
    await runDir.remove();
  }
}

/** Downloads, and what the app keeps between runs, such as its version of Python. */
function shareWith(cacheDir: string, again: string, appId: string): void {
  makePrivateFolder(`${again}/state`);
  for (const name of ['downloads', 'packages']) {
    makePrivateFolder(`${cacheDir}/${name}`);
    symlinkSync(`${cacheDir}/${name}`, `${again}/${name}`);
  }
  const state = `state/${appId}.json`;
  if (existsSync(`${cacheDir}/${state}`)) copyFileSync(`${cacheDir}/${state}`, `${again}/${state}`);
  mkdirSync(`${again}/apps`, { recursive: true });
}

function hasRecords(cacheDir: string, nodes: Readonly<Record<string, LastNode>>): boolean {
  const records = new PackageRecords(`${cacheDir}/packages/records`);
  return Object.values(nodes).some(({ key }) => key !== undefined && records.read(key) !== undefined);
}

async function compareNodes(
  before: Readonly<Record<string, LastNode>>,
  { nodes }: RunReport,
  places: { readonly cacheDir: string; readonly again: string },
): Promise<readonly VerifiedNode[]> {
  const [old, now] = [places.cacheDir, places.again].map((folder) => openLocalStore(folder, { readOnly: true }));
  if (old?.ok !== true || now?.ok !== true) return [];
  try {
    const compared: VerifiedNode[] = [];
    for (const [node, { key, layer }] of Object.entries(before)) {
      const rebuilt = nodes[node];
      if (rebuilt === undefined || rebuilt.outcome === 'skipped') continue;
      const isSame = (layer ?? '') === (rebuilt.layer?.digest ?? '');
      const sides = { before: { store: old.value, key, layer }, after: { store: now.value, ...rebuilt } };
      if (rebuilt.key !== key) compared.push({ node, result: 'changed-inputs', differences: [], count: 0 });
      else if (isSame) compared.push({ node, result: 'same', differences: [], count: 0 });
      else compared.push({ node, result: 'differs', ...(await differences(sides)) });
    }
    return compared;
  } finally {
    await old.value.close();
    await now.value.close();
  }
}

interface StoredSide {
  readonly store: LocalStore;
  readonly key?: ActionKey | undefined;
  /** Digest of the layer. */
  readonly layer?: string | { readonly digest: string } | undefined;
}

async function differences(sides: { readonly before: StoredSide; readonly after: StoredSide }) {
  const [before, after] = await Promise.all([sideOf(sides.before), sideOf(sides.after)]);
  const found: Difference[] = [];
  let count = 0;
  for await (const difference of differencesOf(before, after)) {
    count += 1;
    if (found.length < MOST_DIFFERENCES) found.push(difference);
  }
  return { differences: found, count };
}

/** An empty tree if there is no layer, or the store has lost it. */
async function sideOf({ store, key, layer }: StoredSide): Promise<Side> {
  const layers = new KnownLayers(store);
  const digest = typeof layer === 'object' ? layer.digest : layer;
  const results = key === undefined ? [] : store.resultsOf(key);
  const stored = results.map(({ result }) => result.layer).find((one) => one?.digest === digest);
  const isLoaded = stored !== undefined && (await layers.load(stored));
  const root: Digest = isLoaded ? stored.root : EMPTY_DIRECTORY;
  return { table: layers.table, root, read: (blob) => store.read(blob) };
}

const noLastRun = (appDir: string): Failure => ({
  code: 'verify::no-run',
  blame: 'pipeline',
  title: `There is no complete run of ${appDir} to verify`,
  detail: 'The cache has no record of one.',
  remedy: 'Run `pyflow run` first, with the same --app, --app-id and --cache-dir.',
});

const notRebuilt = (failure: Failure): Failure => ({
  ...failure,
  title: `The app could not be built again: ${failure.title}`,
});
