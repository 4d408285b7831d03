// Prints failures, and the problems of a pipeline file.

import { relative } from 'node:path';
import type { Failure } from '../engine/failure.js';
import type { Refusal } from '../engine/request.js';
import { diagnosticAnnotation } from '../engine/render/github.js';
import { formatFailure } from '../engine/render/messages.js';
import { styleOf } from '../engine/render/style.js';
import type { Diagnostic } from '../manifests/pipeline/diagnostic.js';
import { renderDiagnostics } from '../manifests/pipeline/render-diagnostics.js';
import { statusOfFailure, statusOfRefusal } from './exit-status.js';
import { hasColor } from './color.js';
import type { World } from './world.js';

/** Returns the exit status. */
export function printRefusal(refusal: Refusal, world: World, annotate = false): number {
  if (refusal.type === 'failure') return printFailure(refusal.failure, world);
  const diagnostics = printDiagnostics(refusal.diagnostics, refusal.text, world);
  if (annotate) for (const diagnostic of diagnostics) world.stdout.write(`${diagnosticAnnotation(diagnostic)}\n`);
  return statusOfRefusal(refusal);
}

/** With excerpts of `text`, the content of the file. Returns the diagnostics with the file names as shown. */
export function printDiagnostics(
  diagnostics: readonly Diagnostic[],
  text: string,
  world: World,
): readonly Diagnostic[] {
  if (diagnostics.length === 0) return [];
  const near = diagnostics.map((diagnostic) => ({ ...diagnostic, file: nearName(diagnostic.file, world) }));
  const shown = renderDiagnostics(near, text, { color: hasColor(world, world.stderr) });
  world.stderr.write(shown.endsWith('\n') ? shown : `${shown}\n`);
  return near;
}

/** Relative to the current folder, if the file is in it. */
function nearName(file: string, { cwd }: World): string {
  const near = relative(cwd, file);
  return near === '' || near.startsWith('..') ? file : near;
}

/** Returns the exit status. */
export function printFailure(failure: Failure, world: World): number {
  world.stderr.write(`${formatFailure(failure, styleOf(hasColor(world, world.stderr))).join('\n')}\n`);
  return statusOfFailure(failure);
}
