// What is printed when a request is refused before anything ran.

import { relative } from 'node:path';
import { EXIT_STATUS, type Failure } from '../engine/failure.js';
import type { Refusal } from '../engine/pipeline.js';
import { diagnosticAnnotation } from '../engine/render/github.js';
import { formatFailure } from '../engine/render/messages.js';
import { styleOf } from '../engine/render/style.js';
import { renderDiagnostics } from '../manifests/pipeline/render-diagnostics.js';
import { hasColor } from './log-choice.js';
import type { World } from './world.js';

/** Returns the exit status. */
export function printRefusal(refusal: Refusal, world: World, annotate = false): number {
  if (refusal.type === 'failure') return printFailure(refusal.failure, world);
  const diagnostics = refusal.diagnostics.map((diagnostic) => ({
    ...diagnostic,
    file: nearName(diagnostic.file, world),
  }));
  const text = renderDiagnostics(diagnostics, refusal.text, { color: hasColor(world, world.stderr) });
  world.stderr.write(text.endsWith('\n') ? text : `${text}\n`);
  if (annotate) for (const diagnostic of diagnostics) world.stdout.write(`${diagnosticAnnotation(diagnostic)}\n`);
  return statusOf(refusal);
}

/** As a person would type it; a name outside the current folder stays whole. */
function nearName(file: string, { cwd }: World): string {
  const near = relative(cwd, file);
  return near === '' || near.startsWith('..') ? file : near;
}

export const statusOf = (refusal: Refusal): number =>
  refusal.type === 'failure' ? EXIT_STATUS[refusal.failure.blame] : EXIT_STATUS.pipeline;

export function printFailure(failure: Failure, world: World): number {
  world.stderr.write(`${formatFailure(failure, styleOf(hasColor(world, world.stderr))).join('\n')}\n`);
  return EXIT_STATUS[failure.blame];
}
