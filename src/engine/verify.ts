// Builds an app again from the record of its last run, and compares the layers of both builds.

import { copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { canonicalJSON, type JSONObject } from '../manifests/json-schema.js';
import { readAppVariables } from './app/app-variables.js';
import type { Compose } from './composition.js';
import type { EventSink, RunReport } from './events.js';
import { fail, succeed, type Failure, type Result } from './failure.js';
import type { ActionKey } from './files/digest.js';
import { makePrivateFolder } from './files/private-files.js';
import { createRunDir } from './files/private-folders.js';
import { differencesOf, type Difference, type Side } from './inspect/differences.js';
import type { Verification, VerifiedNode } from './inspect/verification.js';
import { PackageRecords } from './packages/records.js';
import { runPipeline } from './pipeline.js';
import type { Refusal, RunOptions, RunRequest } from './request.js';
import { appIdOf, readLastRun, type LastNode } from './run/run-record.js';
import { KnownSecrets } from './secrets/known-secrets.js';
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
    // A remote cache would give the result that is to be checked.
    const { remote: _unused, ...local } = request;
    const rebuild: RunRequest = {
      ...local,
      appId,
      cacheDir: again,
      outDir: `${runDir.largeDir}/slug`,
      settings: { ...request.settings, ...(isReplayed && { PACKAGES: 'replay' }) },
    };
    const report = await runPipeline(rebuild, sink, compose, options);
    if (!report.ok) return report;
    const { failure } = report.value;
    if (failure !== undefined) return fail({ type: 'failure', failure: notRebuilt(failure) });
    const variables = await readAppVariables(request.envDir, request.variables);
    if (!variables.ok) return fail({ type: 'failure', failure: variables.failure });
    const declared = new Set(Object.keys(variables.value));
    const secrets = new KnownSecrets({ declared, variables: variables.value, ofOperator: request.settings });
    const places = { cacheDir, again, mask: secrets.mask };
    const nodes = await compareNodes(last.nodes, report.value, places);
    return nodes.ok
      ? succeed({ runId: last.runId, nodes: nodes.value, isReplayed })
      : fail({ type: 'failure', failure: nodes.failure });
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

interface Places {
  readonly cacheDir: string;
  readonly again: string;
  readonly mask: (text: string) => string;
}

async function compareNodes(
  before: Readonly<Record<string, LastNode>>,
  { nodes }: RunReport,
  { cacheDir, again, mask }: Places,
): Promise<Result<readonly VerifiedNode[]>> {
  const old = openLocalStore(cacheDir, { readOnly: true });
  if (!old.ok) return old;
  const now = openLocalStore(again, { readOnly: true });
  if (!now.ok) return now;
  try {
    const compared: VerifiedNode[] = [];
    for (const node of new Set([...Object.keys(before), ...Object.keys(nodes)])) {
      const [one, other] = [before[node], nodes[node]];
      // A skipped node has no key in either run.
      if (one?.key === undefined && other?.key === undefined) continue;
      const none = { node, differences: [], count: 0 };
      if (one === undefined || other === undefined || one.key !== other.key) {
        compared.push({ ...none, result: 'changed-inputs' });
        continue;
      }
      const outputs = differingOutputs(one.outputs, other.outputs ?? {});
      const isSame = (one.layer ?? '') === (other.layer?.digest ?? '');
      const sides = { before: { store: old.value, ...one }, after: { store: now.value, ...other } };
      const found = isSame ? { differences: [], count: 0 } : await differences(sides, mask);
      const result = found === undefined ? 'lost' : isSame && outputs.length === 0 ? 'same' : 'differs';
      compared.push({ ...none, ...found, result, ...(outputs.length > 0 && { outputs }) });
    }
    return succeed(compared);
  } finally {
    await old.value.close();
    await now.value.close();
  }
}

const differingOutputs = (one: JSONObject, other: JSONObject): readonly string[] =>
  [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .filter((name) => canonicalJSON(one[name] ?? null) !== canonicalJSON(other[name] ?? null))
    .sort();

interface StoredSide {
  readonly store: LocalStore;
  readonly key?: ActionKey | undefined;
  /** Digest of the layer. */
  readonly layer?: string | { readonly digest: string } | undefined;
}

/** Undefined if the cache has lost a layer. */
async function differences(
  sides: { readonly before: StoredSide; readonly after: StoredSide },
  mask: (text: string) => string,
): Promise<Pick<VerifiedNode, 'differences' | 'count'> | undefined> {
  const [before, after] = await Promise.all([sideOf(sides.before), sideOf(sides.after)]);
  if (before === undefined || after === undefined) return undefined;
  const found: Difference[] = [];
  let count = 0;
  for await (const difference of differencesOf(before, after, mask)) {
    count += 1;
    if (found.length < MOST_DIFFERENCES) found.push(difference);
  }
  return { differences: found, count };
}

/** An empty tree if the node has no layer. */
async function sideOf({ store, key, layer }: StoredSide): Promise<Side | undefined> {
  const layers = new KnownLayers(store);
  const digest = typeof layer === 'object' ? layer.digest : (layer ?? '');
  const read: Side['read'] = (blob) => store.read(blob);
  if (digest === '') return { table: layers.table, root: EMPTY_DIRECTORY, read };
  const results = key === undefined ? [] : store.resultsOf(key);
  const stored = results.map(({ result }) => result.layer).find((one) => one?.digest === digest);
  const isLoaded = stored !== undefined && (await layers.load(stored));
  return isLoaded ? { table: layers.table, root: stored.root, read } : undefined;
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
