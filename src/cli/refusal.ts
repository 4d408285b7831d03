// What is printed when a request is refused before anything ran.

import { EXIT_STATUS, type Failure } from '../engine/failure.js';
import type { Refusal } from '../engine/pipeline.js';
import { diagnosticAnnotation } from '../engine/render/github.js';
import { formatFailure } from '../engine/render/messages.js';
import { styleOf } from '../engine/render/style.js';
import { hasColor } from './log-choice.js';
import type { World } from './world.js';

/** Returns the exit status. */
export function printRefusal(refusal: Refusal, world: World, annotate = false): number {
  if (refusal.type === 'failure') return printFailure(refusal.failure, world);
  world.stderr.write(refusal.text.endsWith('\n') ? refusal.text : `${refusal.text}\n`);
  if (annotate) {
    for (const diagnostic of refusal.diagnostics) world.stdout.write(`${diagnosticAnnotation(diagnostic)}\n`);
  }
  return statusOf(refusal);
}

export const statusOf = (refusal: Refusal): number =>
  refusal.type === 'failure' ? EXIT_STATUS[refusal.failure.blame] : EXIT_STATUS.pipeline;

export function printFailure(failure: Failure, world: World): number {
  world.stderr.write(`${formatFailure(failure, styleOf(hasColor(world, world.stderr))).join('\n')}\n`);
  return EXIT_STATUS[failure.blame];
}
