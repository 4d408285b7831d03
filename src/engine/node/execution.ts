// What the nodes of one run need while they are executed: places to work in, tokens, the sandbox, the signals to stop.

import { availableParallelism } from 'node:os';
import type { NodeLimits } from '../../manifests/pipeline/manifest.js';
import type { EventSink } from '../events.js';
import type { RunDir } from '../files/private-folders.js';
import { Admission } from '../plan/admission.js';
import { stoppingOf, type Stopping } from '../process/stopping.js';
import { parseLimits } from '../process/sandbox/limits.js';
import { criticalPaths, type ScheduledNode } from '../plan/schedule.js';
import type { Run } from '../run/run.js';
import { maskingSink } from '../secrets/masking-sink.js';
import { Unchanged } from '../up-to-date/unchanged.js';
import { NodeFolders } from './node-folders.js';
import { RunSandbox } from './run-sandbox.js';

export interface Execution {
  readonly run: Run;
  readonly sink: EventSink;
  /** Nodes that must not be restored in this run; `all` stands for every node. */
  readonly forced: ReadonlySet<string>;
  /** Present when the last complete run of this app can be compared with this one. */
  readonly unchanged: Unchanged | undefined;
  /** Held by a node from its admission to its end. */
  readonly admission: Admission;
  /** Held while a plugin works: the next node's view is laid out and the last one's writes are stored meanwhile. */
  readonly working: Admission;
  readonly rankOf: (node: string) => number;
  /** How the run ends early: interrupted, or after a failure unless it keeps going. */
  readonly stopping: Stopping;
  readonly sandbox: RunSandbox;
  readonly folders: NodeFolders;
  /** Values of the secrets that nodes declare, by name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The operator's; a node's own limits come first. */
  readonly limits: NodeLimits;
}

/** Nodes beyond the working ones that may have their views laid out. */
const STAGED = 2;

export interface ExecutionOptions {
  readonly sink: EventSink;
  readonly runDir: RunDir;
  readonly forced: ReadonlySet<string>;
  /** The nodes of this run, in plan order. */
  readonly nodes: readonly ScheduledNode[];
  /** Of pyflow. */
  readonly version: string;
}

export function startExecution(run: Run, { sink: given, runDir, forced, nodes, version }: ExecutionOptions): Execution {
  const { request, pipeline } = run;
  const jobs = request.jobs ?? availableParallelism();
  const ranks = criticalPaths(nodes);
  const limits = parseLimits(request.settings['LIMITS']);
  // After a refresh, or with some of the nodes only, the last run is no measure.
  const isPlain = forced.size === 0 && nodes.length === pipeline.nodes.length;
  const sink = maskingSink(given, () => run.secrets);
  const folders = new NodeFolders(runDir, `${request.cacheDir}/apps/${run.appId}`);
  return {
    run,
    sink,
    forced,
    unchanged: isPlain ? Unchanged.open(run, version) : undefined,
    admission: new Admission(jobs + STAGED, pipeline.pools),
    working: new Admission(jobs, {}),
    rankOf: (node) => ranks.get(node) ?? 0,
    stopping: stoppingOf(request.signal),
    sandbox: new RunSandbox(run, sink, folders, limits),
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
