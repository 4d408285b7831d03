// Whether pyflow builds for a stack, and the failures if it does not. The buildpack adapter checks this first.

import type { Failure } from '../../../engine/sdk.js';
import { acceptedStacks, stackStatus } from '../../../manifests/catalogue/stacks.js';

export function checkStack(name: string): Failure | undefined {
  const { support, end } = stackStatus(name);
  if (support === 'accepted') return undefined;
  return support === 'unknown' ? stackUnknown(name, acceptedStacks()) : stackEndOfLife(name, end, acceptedStacks());
}

const stackEndOfLife = (stack: string, end: string | undefined, accepted: readonly string[]): Failure => ({
  code: 'checks::stack::eol',
  blame: 'pipeline',
  title: `The stack ${stack} has reached its end of life`,
  detail: `${end === undefined ? 'Its support has ended' : `Its support ended in ${end}`}, and pyflow no longer builds for it.`,
  subject: stack,
  remedy: `Move the app to another stack: ${accepted.join(', ')}.`,
});

const stackUnknown = (stack: string, accepted: readonly string[]): Failure => ({
  code: 'checks::stack::unknown',
  blame: 'pipeline',
  title: `Unknown stack ${stack}`,
  detail: `Known stacks: ${accepted.join(', ')}.`,
  subject: stack,
  remedy: 'Fix the name of the stack. If the stack is new, update pyflow.',
});
