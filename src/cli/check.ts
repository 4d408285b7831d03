// `pyflow check`: shows every problem of pipeline files.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { succeed, type Result } from '../engine/failure.js';
import { cleanText } from '../engine/files/clean-text.js';
import type { Refusal } from '../engine/request.js';
import type { CheckedPipeline } from '../manifests/pipeline/manifest.js';
import { tellCounts, type CheckDocument } from './check-document.js';
import { complain, type Command, type Given, type Option, type UsageProblem } from './command.js';
import { versionTraceOf } from './explain.js';
import { statusOfFailure, statusOfRefusal } from './exit-status.js';
import { printJSON } from './print-json.js';
import { patchPlaceOf } from './patch-place.js';
import { policyFileOf, POLICY_OPTION } from './policy-options.js';
import { printDiagnostics, printFailure, printRefusal } from './refusal.js';
import { PARAM_OPTION, runRequest } from './run-options.js';
import type { World } from './world.js';

const APP_OPTION: Option = {
  name: 'app',
  value: 'DIR',
  summary: 'Also list the patches for this app, see `pyflow fix`',
};

export const command: Command = {
  name: 'check',
  operands: '[PIPELINE...]',
  minOperands: 0,
  maxOperands: Number.POSITIVE_INFINITY,
  summary: 'Check pipeline files and show every problem, with its line and how to fix it',
  details: [
    'Checks syntax, schema, kinds, ports, the types of edges and guards, cycles and conflicting writes. Runs nothing.',
    'With --app, also lists the patches that `pyflow fix` offers for the app.',
    'With --policy, also checks the package policy, and says in a few lines what it means.',
  ],
  options: [APP_OPTION, PARAM_OPTION, POLICY_OPTION, { name: 'json', summary: 'Print the problems as JSON' }],
  examples: ['pyflow check pipelines/*.yml', 'pyflow check --app ../shop --json'],
  run: async (given, world) => {
    const policyFile = policyFileOf(given, world);
    if (!policyFile.ok) return complain(world, policyFile.failure);
    const isAboutApp = given.value('app') !== undefined;
    if (given.operands.length === 0 && policyFile.value === undefined && !isAboutApp)
      return complain(world, NOTHING_TO_CHECK);
    let status = 0;
    const documents: CheckDocument[] = [];
    for (const file of given.operands) {
      const requested = runRequest(given, world, file);
      if (!requested.ok) return complain(world, requested.failure);
      const checked = await world.engine.check(requested.value);
      if (!checked.ok) status = Math.max(status, statusOfRefusal(checked.failure));
      if (given.flag('json')) documents.push(documentOf(resolve(world.cwd, file), checked));
      else printChecked({ file, path: requested.value.pipelineFile, checked }, world);
    }
    if (policyFile.value !== undefined) {
      const { openPolicyFile, policyDocument, printPolicy } = await import('./policy-check.js');
      const opened = await openPolicyFile(policyFile.value, given, world);
      if (!opened.ok) status = Math.max(status, statusOfRefusal(opened.failure));
      if (given.flag('json')) documents.push(policyDocument(policyFile.value, opened));
      else printPolicy(given.value('policy') ?? policyFile.value, opened, world);
    }
    if (isAboutApp) {
      const app = await appDocument(given, world);
      if (!app.ok) return complain(world, app.failure);
      if (app.value.failure !== undefined) status = Math.max(status, statusOfFailure(app.value.failure));
      if (given.flag('json')) documents.push(app.value);
      else printApp(app.value, world);
    }
    if (given.flag('json')) printJSON(documents, world);
    return status;
  },
};

const NOTHING_TO_CHECK: UsageProblem = {
  message: 'pyflow check needs PIPELINE..., --app DIR or --policy FILE.',
  remedy: 'Name a pipeline file, an app, or a policy file.',
};

async function appDocument(given: Given, world: World): Promise<Result<CheckDocument, UsageProblem>> {
  const place = patchPlaceOf(given, world);
  if (!place.ok) return place;
  const { readAppPatches } = await import('./app-patches.js');
  const { app, root } = place.value;
  const trace = await versionTraceOf(given, world);
  const found = readAppPatches({ place: app, root, now: world.now(), trace });
  const document = { file: app.appDir, diagnostics: [], warnings: [] };
  return succeed(found.ok ? { ...document, patches: found.value.patches } : { ...document, failure: found.failure });
}

function printApp({ file, patches = [], failure }: CheckDocument, world: World): void {
  if (failure !== undefined) return void printFailure(failure, world);
  for (const { code, title } of patches) world.stdout.write(`${cleanText(`${file}: ${title}`)} [pyflow fix ${code}]\n`);
  if (patches.length === 0) world.stdout.write(`${cleanText(file)}: no patches\n`);
}

type Checked = Result<CheckedPipeline, Refusal>;

function documentOf(file: string, checked: Checked): CheckDocument {
  if (checked.ok) return { file, diagnostics: [], warnings: checked.value.warnings };
  if (checked.failure.type === 'diagnostics') {
    return { file, diagnostics: checked.failure.diagnostics, warnings: [] };
  }
  return { file, diagnostics: [], warnings: [], failure: checked.failure.failure };
}

interface CheckedFile {
  /** As it was named on the command line. */
  readonly file: string;
  readonly path: string;
  readonly checked: Checked;
}

function printChecked({ file, path, checked }: CheckedFile, world: World): void {
  const { diagnostics, warnings } = documentOf(path, checked);
  if (checked.ok) printDiagnostics(warnings, textOf(path), world);
  else printRefusal(checked.failure, world);
  const errors = diagnostics.filter(({ severity }) => severity === 'error').length;
  if (checked.ok || errors > 0) world.stdout.write(`${file}: ${tellCounts(errors, warnings.length)}\n`);
}

/** For excerpts. If the file has been deleted since, there are none. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
