// Limits the work of evaluating one CEL expression: counts every step and the size of its result. Patches the nodes of the
// CEL library, which limits the length of an expression but not its cost.

import type { Environment } from '@marcbachmann/cel-js';

/** About a fifth of a second. */
const MOST_STEPS = 500_000;
const LONGEST_TEXT = 256 * 1024;
const LONGEST_LIST = 20_000;
/** Reading a list or string costs time too: this many items or characters count as one step. */
const ITEMS_A_STEP = 4;
const CHARACTERS_A_STEP = 64;

/** Macros like `exists` catch errors, so every further step throws this one again. */
export class BudgetError extends Error {
  constructor(readonly summary: string) {
    super(summary);
  }
}

let steps: number | undefined;
let exceeded: BudgetError | undefined;

interface Meta {
  readonly alternate?: LibraryNode;
  readonly macro?: LibraryNode;
  readonly evaluate: (evaluator: unknown, node: LibraryNode, context: unknown) => unknown;
}
interface LibraryNode {
  readonly meta: Meta;
  evaluate(evaluator: unknown, node: LibraryNode, context: unknown): unknown;
}

let isCounting = false;
function countSteps(environment: Environment): void {
  if (isCounting) return;
  isCounting = true;
  const prototype = Object.getPrototypeOf(environment.parse('true').ast) as LibraryNode;
  // The library's own method caches its choice on the node, where steps would no longer be counted.
  prototype.evaluate = function (this: LibraryNode, evaluator, node, context): unknown {
    take(1);
    const { alternate, macro, evaluate } = this.meta;
    if (alternate) return alternate.evaluate(evaluator, alternate, context);
    if (macro) return macro.evaluate(evaluator, macro, context);
    const value = evaluate(evaluator, node, context);
    if (typeof value === 'string') takeSize(value.length, LONGEST_TEXT, CHARACTERS_A_STEP, ['string', 'characters']);
    else if (Array.isArray(value)) takeSize(value.length, LONGEST_LIST, ITEMS_A_STEP, ['list', 'items']);
    return value;
  };
}

function take(count: number): void {
  if (steps === undefined) return;
  steps += count;
  if (steps > MOST_STEPS) exceeded ??= new BudgetError(`it needs more than ${MOST_STEPS} steps`);
  if (exceeded !== undefined) throw exceeded;
}

function takeSize(size: number, longest: number, aStep: number, [what, unit]: readonly [string, string]): void {
  if (size > longest) exceeded ??= new BudgetError(`it makes a ${what} of ${size} ${unit}; the limit is ${longest}`);
  take(size / aStep);
}

/** Throws when the budget is exceeded, even if the expression itself would swallow the error. */
export function evaluateWithin(environment: Environment, evaluate: () => unknown): unknown {
  countSteps(environment);
  [steps, exceeded] = [0, undefined];
  try {
    const value = evaluate();
    if (exceeded !== undefined) throw exceeded as Error;
    return value;
  } catch (error) {
    throw exceeded ?? error;
  } finally {
    [steps, exceeded] = [undefined, undefined];
  }
}
