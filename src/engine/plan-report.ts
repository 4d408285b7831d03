// What a run would do, without doing it: pure nodes are evaluated, nothing else runs and nothing is stored.

import type { NodeId } from '../manifests/pipeline/manifest.js';
import { closing, type Compose } from './composition.js';
import type { Outcome, Reason } from './events.js';
import { succeed, type Failure, type Result } from './failure.js';
import type { ActionKey } from './files/digest.js';
import type { Action } from './node/action.js';
import { explainMiss } from './node/explain-miss.js';
import { doneWith, isForced, isRestorable, lookUp, outcomeOfHit } from './node/look-up.js';
import { reportOf } from './node/node-report.js';
import { prepareNode } from './node/prepare.js';
import { runPure } from './node/run-action.js';
import { checkPipeline } from './plan/checked-pipeline.js';
import { planRun } from './plan/run-plan.js';
import { stoppingOf } from './process/stopping.js';
import type { Refusal, RunRequest } from './request.js';
import type { NodeEnd } from './run/node-end.js';
import { isBlocking } from './run/node-states.js';
import { openRun, type Run } from './run/run.js';

export interface PlanLine {
  readonly id: NodeId;
  readonly kind: string;
  /** Certain: holds in the run. Else `dependsOn` names the nodes whose outcomes decide it. */
  readonly certain: boolean;
  /** What the run will do; absent on a depending line. */
  readonly outcome?: Outcome;
  readonly dependsOn?: readonly NodeId[];
  readonly reasons: readonly Reason[];
  /** Why the node will fail, where that is certain. */
  readonly failure?: Failure;
}
export interface PlanReport {
  readonly pipeline: string;
  readonly appId: string;
  readonly lines: readonly PlanLine[];
}

/** Lines in plan order. Every certain line holds in the run; a depending one says what decides it, and no outcome. */
export const planPipeline = (request: RunRequest, compose: Compose): Promise<Result<PlanReport, Refusal>> =>
  closing(compose, (composing) => planComposed(request, composing));

async function planComposed(request: RunRequest, compose: Compose): Promise<Result<PlanReport, Refusal>> {
  const composition = await compose({ cacheDir: request.cacheDir, settings: request.settings });
  const checked = await checkPipeline(request, composition);
  if (!checked.ok) return checked;
  const plan = planRun(checked.value, request);
  if (!plan.ok) return plan;
  const opened = await openRun({ request, composition, checked: checked.value, onWarning: () => undefined });
  if (!opened.ok) return opened;
  const run = opened.value;
  try {
    const planning = new Planning(run, new Set(request.refresh));
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
  /** Node -> the nodes that execute before its inputs are known. */
  readonly unknown = new Map<NodeId, readonly NodeId[]>();
  /** Positions of nodes that execute and store a result, by key: the first one executes, the others find its result. */
  readonly executing = new Map<ActionKey, number[]>();

  constructor(
    readonly run: Run,
    readonly forced: ReadonlySet<string>,
  ) {}

  /** In plan order: every node that it waits for has a line. */
  async lineOf(index: number): Promise<PlanLine> {
    const { id, kind, dependencies } = this.run.pipeline.nodes[index]!;
    const dependsOn = [...new Set(dependencies.flatMap((dependency) => this.unknown.get(dependency) ?? []))];
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
    if (found !== undefined) {
      return this.#settle(index, doneWith(action, found, { outcome: outcomeOfHit(run, action), isStored: true }));
    }
    const reasons = await explainMiss(run, action, forced);
    if (action.isPure) return this.#evaluate(action, reasons);
    const { id, kind } = action.node;
    this.unknown.set(id, [id]);
    return this.#withTwin(action, { id, kind, certain: true, outcome: 'executed', reasons });
  }

  /** The guard reads nothing that is still open, and is false: what the inputs will be does not matter. */
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
    const end = doneWith(action, done.value.result, { outcome: 'executed', isStored: true });
    return this.#withTwin(action, this.#settle(action.index, end, reasons));
  }

  /** It waits for a node with the same key, so it finds that one's result. */
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

  /** A line that holds in the run. */
  #settle(index: number, end: NodeEnd, given?: readonly Reason[]): PlanLine {
    const { run } = this;
    const { id, kind } = run.pipeline.nodes[index]!;
    run.states.settle(index, { end });
    const trail = given === undefined ? {} : { reasons: given };
    const { outcome, reasons, failure } = reportOf(run, kind, { end, trail });
    return { id, kind, certain: true, outcome, reasons, ...(failure !== undefined && { failure }) };
  }
}

const maskedLine = ({ secrets }: Run, line: PlanLine): PlanLine => ({
  ...line,
  reasons: secrets.maskReasons(line.reasons),
  ...(line.failure !== undefined && { failure: secrets.maskFailure(line.failure) }),
});

/** Of nodes with one key and no order between them the first to start executes, and the others find its result. */
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

/** A failure stops the run unless it keeps going: how far the others come is certain only of what had to end before. */
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
