// What the nodes of one run share while they execute: folders, tokens, the sandbox, and the signals to stop.

import { availableParallelism } from 'node:os';
import type { NodeLimits } from '../../manifests/pipeline/manifest.js';
import type { EventSink } from '../events.js';
import type { RunDir } from '../files/private-folders.js';
import { Admission } from '../plan/admission.js';
import { stoppingOf, type Stopping } from '../process/stopping.js';
import { parseLimits } from '../process/sandbox/limits.js';
import { criticalPaths, type ScheduledNode } from '../plan/schedule.js';
import type { Run } from '../run/run.js';
import { RunPackages } from '../packages/run-packages.js';
import { maskingSink } from '../secrets/masking-sink.js';
import { Unchanged } from '../up-to-date/unchanged.js';
import { NodeFolders } from './node-folders.js';
import { operatorPorts, RunSandbox } from './run-sandbox.js';

export interface Execution {
  readonly run: Run;
  readonly sink: EventSink;
  /** Nodes that must not be restored in this run; `all` stands for every node. */
  readonly forced: ReadonlySet<string>;
  /** Undefined if this run can't be compared with the last complete run of the app. */
  readonly unchanged: Unchanged | undefined;
  /** Tokens that a node holds from its admission to its end. */
  readonly admission: Admission;
  /** Tokens that a node holds while it has private folders on this machine. */
  readonly staging: Admission;
  /**
   * Tokens that a node holds only while its plugin works, so that meanwhile the next view can be written and the last
   * layer stored.
   */
  readonly working: Admission;
  readonly rankOf: (node: string) => number;
  /** How the run ends early: by an interrupt, or by a failure without `--keep-going`. */
  readonly stopping: Stopping;
  readonly sandbox: RunSandbox;
  /** How package managers reach indexes. */
  readonly packages: RunPackages;
  readonly folders: NodeFolders;
  /** Values of the secrets that nodes declare, by name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The operator's limits. A node's own limits win. */
  readonly limits: NodeLimits;
  /** Where the view is written, if that is no private folder. Only for a run of a single node. */
  readonly appDir?: string;
}

/** Number of waiting nodes whose views may already be written. */
const STAGED = 2;
/** Number of nodes that may be on their way to workers or there. Those that run here still wait for a turn to be laid out. */
const REMOTE_AT_ONCE = 200;

export interface ExecutionOptions {
  readonly sink: EventSink;
  readonly runDir: RunDir;
  readonly forced: ReadonlySet<string>;
  /** The nodes of this run, in plan order. */
  readonly nodes: readonly ScheduledNode[];
  /** Version of pyflow. */
  readonly version: string;
}

export function startExecution(run: Run, { sink: given, runDir, forced, nodes, version }: ExecutionOptions): Execution {
  const { request, pipeline } = run;
  const jobs = request.jobs ?? availableParallelism();
  const ranks = criticalPaths(nodes);
  const limits = parseLimits(request.settings['LIMITS']);
  // With `--refresh`, or with only some of the nodes, the last run can't be compared.
  const isPlain = forced.size === 0 && nodes.length === pipeline.nodes.length;
  const sink = maskingSink(given, () => run.secrets);
  const packages = new RunPackages({
    cacheDir: request.cacheDir,
    setting: request.settings['PACKAGES'],
    mostDownloads: request.settings['DOWNLOADS_MAX_BYTES'],
    passThrough: request.passThrough ?? {},
    ownPorts: operatorPorts(request),
    socketDir: () => folders.smallDir(),
    now: run.composition.clock.now(),
    policy: request.policy?.policy,
    onNotice: (code, text) => sink.emit({ type: 'notice', code, text }),
  });
  const folders = new NodeFolders(runDir, `${request.cacheDir}/apps/${run.appId}`);
  return {
    run,
    sink,
    forced,
    unchanged: isPlain ? Unchanged.open(run, version) : undefined,
    admission: new Admission(jobs + STAGED + (run.remote?.executor === undefined ? 0 : REMOTE_AT_ONCE), pipeline.pools),
    staging: new Admission(jobs + STAGED, {}),
    working: new Admission(jobs, {}),
    rankOf: (node) => ranks.get(node)!,
    stopping: stoppingOf(request.signal),
    sandbox: new RunSandbox(run, sink, { folders, packages, limits }),
    packages,
    folders,
    secrets: secretsOf(run),
    limits: limits.ok ? limits.value : {},
  };
}

function secretsOf({ pipeline, surroundings }: Run): Readonly<Record<string, string>> {
  const secrets: Record<string, string> = {};
  for (const { name } of pipeline.nodes.flatMap((node) => node.secrets)) {
    const value = surroundings.variables[name];
    if (value !== undefined) secrets[name] = value;
  }
  return secrets;
}
