// What a run would do, without doing it: pure nodes are evaluated, nothing else runs and nothing is stored.

import type { NodeId } from '../manifests/pipeline/manifest.js';
import { Admission } from './plan/admission.js';
import { closing, type Compose } from './composition.js';
import type { Outcome, Reason } from './events.js';
import type { ActionKey } from './files/digest.js';
import { isRestorable, lookUp, settle } from './node/execute.js';
import { explainMiss } from './node/explain-miss.js';
import { fail, succeed, type Failure, type Result } from './failure.js';
import type { Refusal, RunRequest } from './request.js';
import { prepareNode, type Action } from './node/prepare.js';
import { STOPS } from './run/node-states.js';
import { runAction, type Workplace } from './node/run-action.js';
import { selectNodes } from './report/run-stages.js';
import { openRun, type RunState } from './run/run.js';
import { stoppingOf } from './process/stopping.js';

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

/** Makes the line of a node whose outcome is certain. */
type Certain = (outcome: Outcome, why?: Partial<Pick<PlanLine, 'reasons' | 'failure'>>) => PlanLine;

interface Planning {
  readonly run: RunState;
  readonly forced: ReadonlySet<string>;
  /** Node -> the nodes that execute before its inputs are known. */
  readonly unknown: Map<NodeId, readonly NodeId[]>;
  /** Positions of nodes that execute and store a result, by key: whichever comes first, the other one finds it. */
  readonly executing: Map<ActionKey, number[]>;
}

/** Lines in plan order. Every certain line holds in the run; a depending one says what decides it, and no outcome. */
export const planPipeline = (request: RunRequest, compose: Compose): Promise<Result<PlanReport, Refusal>> =>
  closing(compose, (composing) => planComposed(request, composing));

async function planComposed(request: RunRequest, compose: Compose): Promise<Result<PlanReport, Refusal>> {
  const composition = await compose({ cacheDir: request.cacheDir, settings: request.settings });
  const opened = await openRun(request, composition, () => undefined);
  if (!opened.ok) return opened;
  const run = opened.value;
  try {
    const selection = selectNodes(run, request);
    if (!selection.ok) return fail({ type: 'failure', failure: selection.failure });
    const planning = { run, forced: new Set(request.refresh), unknown: new Map(), executing: new Map() };
    const planned: PlanLine[] = [];
    for (const index of selection.value) planned.push(await planNode(planning, index));
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

const maskedLine = ({ secrets }: RunState, line: PlanLine): PlanLine => ({
  ...line,
  reasons: secrets.maskReasons(line.reasons),
  ...(line.failure !== undefined && { failure: secrets.maskFailure(line.failure) }),
});

async function planNode(planning: Planning, index: number): Promise<PlanLine> {
  const { run, forced, unknown, executing } = planning;
  const { id, kind, dependencies } = run.pipeline.nodes[index]!;
  const dependsOn = [...new Set(dependencies.flatMap((dependency) => unknown.get(dependency) ?? []))];
  if (dependsOn.length > 0) {
    if (await isSkippedAnyway(run, index, unknown)) {
      run.states.set(id, { outcome: 'skipped', outputs: {} });
      return { id, kind, certain: true, outcome: 'skipped', reasons: [] };
    }
    unknown.set(id, dependsOn);
    return { id, kind, certain: false, dependsOn, reasons: [] };
  }
  const certain: Certain = (outcome, { reasons = [], failure } = {}) => {
    if (!run.states.has(id)) run.states.set(id, { outcome, outputs: {} });
    return { id, kind, certain: true, outcome, reasons, ...(failure !== undefined && { failure }) };
  };
  const prepared = await prepareNode(run, index);
  switch (prepared.type) {
    case 'skipped':
      return certain('skipped');
    case 'blocked':
      return certain('blocked', { reasons: prepared.by.map((node) => ({ type: 'needs-node', node })) });
    case 'failed':
      return certain('failed', { failure: prepared.failure });
    case 'action': {
      const { action } = prepared;
      const found = await lookUp(run, action, forced);
      if (found !== undefined) {
        const outcome = outcomeOfHit(run, action);
        settle({ run, newState: {} }, action, outcome, found);
        return certain(outcome);
      }
      const reasons = await explainMiss(run, action, forced);
      const first = executing.get(action.key)?.find((twin) => run.files.ancestorsOf(index).has(twin));
      const line = action.isPure
        ? await evaluate(run, action, reasons, certain)
        : { id, kind, certain: true, outcome: 'executed' as const, reasons };
      if (!action.isPure) unknown.set(id, [id]);
      if (line.outcome !== 'executed' || !isRestorable(action) || forced.has('all') || forced.has(id)) return line;
      // It waits for one with the same key, so it finds that one's result.
      if (first !== undefined) return { ...line, outcome: outcomeOfHit(run, action), reasons: [] };
      executing.set(action.key, [...(executing.get(action.key) ?? []), index]);
      return line;
    }
  }
}

/** The guard reads nothing that is still open, and is false: what the inputs will be does not matter. */
async function isSkippedAnyway(
  run: RunState,
  index: number,
  unknown: ReadonlyMap<NodeId, readonly NodeId[]>,
): Promise<boolean> {
  const node = run.pipeline.nodes[index]!;
  if (node.when === undefined || node.whenReads.some((read) => unknown.has(read.node))) return false;
  if (node.dependencies.some((dependency) => STOPS.has(run.states.get(dependency)?.outcome ?? 'executed')))
    return false;
  const holds = await run.evaluateWhen(node);
  return holds.ok && !holds.value;
}

const outcomeOfHit = (run: RunState, { node, key }: Action): Outcome =>
  run.lastRun?.nodes[node.id]?.key === key ? 'up-to-date' : 'restored';

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
function withFailures(run: RunState, lines: readonly PlanLine[]): readonly PlanLine[] {
  const failing = lines.filter(({ outcome }) => outcome === 'failed').map(({ id }) => id);
  if (failing.length === 0 || run.request.keepGoing) return lines;
  const before = failing.map((id) => run.files.ancestorsOf(run.positionOf(id)));
  const behind = (id: NodeId): boolean =>
    failing.some((failed) => run.files.ancestorsOf(run.positionOf(id)).has(run.positionOf(failed)));
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

async function evaluate(
  run: RunState,
  action: Action,
  reasons: readonly Reason[],
  certain: Certain,
): Promise<PlanLine> {
  const nowhere = (): never => {
    throw new Error(`a pure node asked for a folder: ${action.node.id}`);
  };
  const place: Workplace = {
    run,
    sink: { emit: () => undefined },
    secrets: {},
    limits: {},
    sandbox: nowhere,
    closeSandbox: nowhere,
    smallDir: nowhere,
    largeDir: nowhere,
    cacheDirOf: nowhere,
    rankOf: nowhere,
    stopping: stoppingOf(run.request.signal),
    working: new Admission(1, {}),
  };
  const done = await runAction(place, action, run.request.signal, { onWork: () => {}, onStatus: () => {} });
  if (!done.ok) return certain('failed', { failure: done.failure });
  settle({ run, newState: {} }, action, 'executed', done.value.result);
  return certain('executed', { reasons });
}
