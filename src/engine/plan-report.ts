// What a run would do, for `pyflow plan`. It evaluates pure nodes, runs nothing else, and stores nothing.

import type { JSONObject, JSONValue } from '../manifests/json-schema.js';
import type { NodeId } from '../manifests/pipeline/manifest.js';
import { closing, type Compose, type Composition } from './composition.js';
import type { Outcome, Reason, Unshared } from './events.js';
import { fail, succeed, type Failure, type Result } from './failure.js';
import type { ActionKey } from './files/digest.js';
import type { Action } from './node/action.js';
import { explainMiss } from './node/explain-miss.js';
import { doneWith, isForced, isRestorable, lookUp, outcomeOfHit } from './node/look-up.js';
import { reportOf } from './node/node-report.js';
import { prepareNode } from './node/prepare.js';
import { lookUpRemotely, unsharedOf } from './node/remote.js';
import { runPure } from './node/run-action.js';
import { judgedRequest } from './packages/judged-request.js';
import { checkPipeline } from './plan/checked-pipeline.js';
import { planRun } from './plan/run-plan.js';
import { stoppingOf } from './process/stopping.js';
import type { RemoteCache } from './remote/remote-cache.js';
import type { Refusal, RunRequest } from './request.js';
import type { NodeEnd } from './run/node-end.js';
import { isBlocking } from './run/node-states.js';
import { openRun, type Run } from './run/run.js';
import type { ActionResult } from './store/store.js';

export interface PlanLine {
  readonly id: NodeId;
  readonly kind: string;
  /** The run will do exactly this. If false, `dependsOn` names the nodes whose outcomes decide. */
  readonly certain: boolean;
  /** What the run will do; absent if not certain. */
  readonly outcome?: Outcome;
  /** Where the result is, if it is not in this machine's cache. */
  readonly restoredFrom?: 'remote';
  /** Why the result stays, or would stay, on this machine. Absent if it need not, or if no server was asked. */
  readonly unshared?: Unshared;
  readonly dependsOn?: readonly NodeId[];
  readonly reasons: readonly Reason[];
  /** How the node decides. Only for nodes that are done or will fail, of kinds that explain themselves. */
  readonly explanation?: Explained;
  /** Why the node will fail; absent unless that is certain. */
  readonly failure?: Failure;
}
/** A type, because it is masked like any other JSON. */
export type Explained = { readonly lines: readonly string[]; readonly data?: JSONValue };
export interface PlanReport {
  readonly pipeline: string;
  readonly appId: string;
  readonly lines: readonly PlanLine[];
}

export interface PlanOptions {
  /** Version of pyflow. */
  readonly version: string;
  readonly onNotice: (code: string, text: string) => void;
  /**
   * Assumes that nodes which would execute change nothing, and evaluates the nodes behind them on the files of the app. Their lines
   * say `skipped`. Nodes that take inputs from them stay uncertain.
   */
  readonly assumesUnchanged?: boolean;
}

/**
 * Lines in plan order. A certain line states an outcome; any other line states only what decides it. With a remote cache in the
 * request, asks it.
 */
export const planPipeline = (
  requested: RunRequest,
  compose: Compose,
  options: PlanOptions,
): Promise<Result<PlanReport, Refusal>> =>
  closing(compose, async (composing) => {
    const judged = await judgedRequest(requested, Date.now());
    if (!judged.ok) return judged;
    const request = judged.value;
    for (const [code, text] of request.policy?.notices ?? []) options.onNotice(code, text);
    const composition = await composing({ cacheDir: request.cacheDir, settings: request.settings });
    const { assumesUnchanged = false } = options;
    if (request.remote === undefined) return planComposed(request, composition, { assumesUnchanged });
    const { openRemote } = await import('./remote/open.js');
    const remote = await openRemote(request, { ...options, clock: composition.clock });
    if (!remote.ok) return fail({ type: 'failure', failure: remote.failure });
    const planned = planComposed(request, composition, { remote: remote.value, assumesUnchanged });
    return planned.finally(() => remote.value?.close());
  });

async function planComposed(
  request: RunRequest,
  composition: Composition,
  { remote, assumesUnchanged }: { readonly remote?: RemoteCache | undefined; readonly assumesUnchanged: boolean },
): Promise<Result<PlanReport, Refusal>> {
  const checked = await checkPipeline(request, composition);
  if (!checked.ok) return checked;
  const plan = planRun(checked.value, request);
  if (!plan.ok) return plan;
  const opened = await openRun({ request, composition, checked: checked.value, remote, onWarning: () => undefined });
  if (!opened.ok) return opened;
  const run = opened.value;
  try {
    const planning = new Planning(run, new Set(request.refresh), assumesUnchanged);
    const planned: PlanLine[] = [];
    for (const index of plan.value.positions) planned.push(await planning.lineOf(index));
    const lines = withFailures(run, withTwins(planning, planned));
    return succeed({
      pipeline: run.pipeline.name,
      appId: run.appId,
      lines: lines.map((line) => maskedLine(run, line)),
    });
  } finally {
    await run.store.close();
  }
}

class Planning {
  /** Node -> the nodes that must execute before its inputs are known. */
  readonly unknown = new Map<NodeId, readonly NodeId[]>();
  /**
   * Positions of the nodes that will execute and store a result, by key. The first one executes; the others find its
   * result.
   */
  readonly executing = new Map<ActionKey, number[]>();
  /** Nodes that are assumed to change nothing. */
  readonly #assumed = new Set<NodeId>();

  constructor(
    readonly run: Run,
    readonly forced: ReadonlySet<string>,
    readonly assumesUnchanged: boolean,
  ) {}

  /** Call in plan order, so that every node that this one waits for already has a line. */
  async lineOf(index: number): Promise<PlanLine> {
    const { id, kind, dependencies, inputs, whenReads } = this.run.pipeline.nodes[index]!;
    const valuesOf = [...Object.values(inputs).flat(), ...whenReads].map(({ node }) => node);
    const dependsOn = [
      ...new Set([
        ...valuesOf.filter((node) => this.#assumed.has(node)),
        ...dependencies.flatMap((dependency) => this.unknown.get(dependency) ?? []),
      ]),
    ];
    if (dependsOn.length === 0) return this.#knownLineOf(index);
    if (await this.#isSkippedAnyway(index)) return this.#settle(index, { type: 'skipped' });
    this.unknown.set(id, dependsOn);
    return { id, kind, certain: false, dependsOn, reasons: [] };
  }

  async #knownLineOf(index: number): Promise<PlanLine> {
    const { run, forced } = this;
    const prepared = await prepareNode(run, index);
    if (prepared.type !== 'action') return this.#settle(index, prepared);
    const { action } = prepared;
    const found = await lookUp(run, action, forced);
    const remote = found === undefined ? await lookUpRemotely(run, action, forced) : undefined;
    const result = found ?? remote;
    if (result !== undefined) {
      const end = doneWith(run, action, result, { outcome: outcomeOfHit(run, action), isStored: true });
      const line = this.#settle(index, end);
      return remote === undefined
        ? { ...line, ...this.#unshared(action, result) }
        : { ...line, restoredFrom: 'remote' };
    }
    const reasons = await explainMiss(run, action, forced);
    if (action.isPure) return this.#evaluate(action, reasons);
    const { id, kind } = action.node;
    if (this.assumesUnchanged) {
      this.#assumed.add(id);
      return this.#settle(action.index, { type: 'skipped' });
    }
    this.unknown.set(id, [id]);
    return this.#withTwin(action, {
      id,
      kind,
      certain: true,
      outcome: 'executed',
      ...this.#unshared(action),
      reasons,
    });
  }

  #unshared(action: Action, result?: ActionResult): Pick<PlanLine, 'unshared'> {
    const unshared = this.run.remote === undefined ? undefined : unsharedOf(this.run, action, result);
    return unshared === undefined ? {} : { unshared };
  }

  /** Whether the guard is false already, because it reads only values that are known. Then the inputs don't matter. */
  async #isSkippedAnyway(index: number): Promise<boolean> {
    const { run, unknown } = this;
    const node = run.pipeline.nodes[index]!;
    if (node.when === undefined || node.whenReads.some((read) => unknown.has(read.node))) return false;
    const isBlocked = node.dependencies.some((dependency) => {
      const end = run.states.endOf(dependency);
      return end !== undefined && isBlocking(end);
    });
    if (isBlocked) return false;
    const holds = await run.evaluateWhen(node);
    return holds.ok && !holds.value;
  }

  async #evaluate(action: Action, reasons: readonly Reason[]): Promise<PlanLine> {
    const { run } = this;
    const execution = { run, sink: { emit: () => undefined }, secrets: {}, stopping: stoppingOf(run.request.signal) };
    const done = await runPure(execution, action);
    if (!done.ok) return this.#settle(action.index, done.failure);
    const end = doneWith(run, action, done.value.result, { outcome: 'executed', isStored: true });
    return this.#withTwin(action, this.#settle(action.index, end, reasons));
  }

  /** If the node waits for another node with the same key, it will find that node's result. */
  #withTwin(action: Action, line: PlanLine): PlanLine {
    const { run, forced, executing } = this;
    if (!isRestorable(action) || isForced(forced, action)) return line;
    const twins = executing.get(action.key) ?? [];
    const ancestors = run.states.files.ancestorsOf(action.index);
    if (twins.some((twin) => ancestors.has(twin))) {
      return { ...line, outcome: outcomeOfHit(run, action), reasons: [] };
    }
    executing.set(action.key, [...twins, action.index]);
    return line;
  }

  /** Settles the node and makes its certain line. */
  #settle(index: number, end: NodeEnd, given?: readonly Reason[]): PlanLine {
    const { run } = this;
    const { id, kind } = run.pipeline.nodes[index]!;
    run.states.settle(index, { end });
    const trail = given === undefined ? {} : { reasons: given };
    const { outcome, reasons, outputs, failure } = reportOf(run, kind, { end, trail });
    const explanation = explanationOf(run, kind, outputs ?? failure?.known);
    return {
      id,
      kind,
      certain: true,
      outcome,
      reasons,
      ...(explanation !== undefined && { explanation }),
      ...(failure !== undefined && { failure }),
    };
  }
}

/** The outputs that the kind marks with `x-explains`. */
function explanationOf(run: Run, kind: string, outputs: JSONObject | undefined): Explained | undefined {
  const ports = Object.entries(
    (run.kinds.get(kind)?.manifest.outputs as ExplainingPorts | undefined)?.properties ?? {},
  );
  const valueOf = (form: 'lines' | 'data'): JSONValue | undefined => {
    const port = ports.find(([, schema]) => schema['x-explains'] === form)?.[0];
    return port === undefined ? undefined : outputs?.[port];
  };
  const [lines, data] = [valueOf('lines'), valueOf('data')];
  if (!Array.isArray(lines)) return undefined;
  return { lines: lines.filter((line) => typeof line === 'string'), ...(data !== undefined && { data }) };
}

interface ExplainingPorts {
  readonly properties?: Readonly<Record<string, { readonly 'x-explains'?: string }>>;
}

const maskedLine = ({ secrets }: Run, line: PlanLine): PlanLine => ({
  ...line,
  reasons: secrets.maskReasons(line.reasons),
  ...(line.explanation !== undefined && { explanation: secrets.maskValue(line.explanation) }),
  ...(line.failure !== undefined && { failure: secrets.maskFailure(line.failure) }),
});

/**
 * If nodes with the same key are not ordered, the first to start executes and the others find its result, so no line is
 * certain.
 */
function withTwins({ run, executing }: Planning, lines: readonly PlanLine[]): readonly PlanLine[] {
  const twins = new Map<NodeId, readonly NodeId[]>();
  for (const positions of executing.values()) {
    const ids = positions.map((position) => run.pipeline.nodes[position]!.id);
    if (ids.length > 1) for (const id of ids) twins.set(id, ids);
  }
  if (twins.size === 0) return lines;
  return lines.map((line) => {
    const others = twins.get(line.id)?.filter((id) => id !== line.id);
    return others === undefined
      ? line
      : { id: line.id, kind: line.kind, certain: false, dependsOn: others, reasons: [] };
  });
}

/** A failure stops the run unless `--keep-going` is set. Then only the nodes that must end before it are certain. */
function withFailures(run: Run, lines: readonly PlanLine[]): readonly PlanLine[] {
  const failing = lines.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
  if (failing.length === 0 || run.request.keepGoing) return lines;
  const before = failing.map((id) => run.states.files.ancestorsOf(run.positionOf(id)));
  const behind = (id: NodeId): boolean =>
    failing.some((failed) => run.states.files.ancestorsOf(run.positionOf(id)).has(run.positionOf(failed)));
  return lines.map((line): PlanLine => {
    const position = run.positionOf(line.id);
    if (failing.length === 1 && line.id === failing[0]) return line;
    if (before.every((ancestors) => ancestors.has(position))) return line;
    if (behind(line.id)) return { ...line, certain: true, outcome: 'aborted' };
    return {
      id: line.id,
      kind: line.kind,
      certain: false,
      dependsOn: failing.filter((id) => id !== line.id),
      reasons: [],
    };
  });
}
