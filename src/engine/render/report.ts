// The files of `--report`, `--trace` and `pyflow report --html`: whole or not at all, on failure too.

import { renameSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { renderDiagnostics } from '../../manifests/pipeline/render-diagnostics.js';
import { REPORT_SCHEMA, type RunReport } from '../events.js';
import { EXIT_STATUS, fail, failureData, succeed, type Failure, type Result } from '../failure.js';
import type { Refusal, RunRequest } from '../request.js';
import { removeFile } from '../files/remove-tree.js';
import { privateFileMode } from '../files/private-files.js';

export const writeDocument = (file: string, document: unknown): Result<undefined> =>
  writeText(file, `${JSON.stringify(document, undefined, 2)}\n`);

export function writeText(file: string, text: string): Result<undefined> {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text, { mode: privateFileMode(temporary) });
    renameSync(temporary, file);
    return succeed(undefined);
  } catch (error) {
    removeFile(temporary);
    return fail(cannotWrite(file, error));
  }
}

const cannotWrite = (file: string, error: unknown): Failure => ({
  code: 'report::cannot-write',
  blame: 'environment',
  title: `The file ${file} cannot be written`,
  detail: error instanceof Error ? error.message : String(error),
  remedy: 'Name a file in an existing folder that you may write to.',
});

/** A report for a request that never became a run. */
export function reportOfRefusal(request: RunRequest, refusal: Refusal, startedAt: number, now: number): RunReport {
  const failure: Failure =
    refusal.type === 'failure'
      ? refusal.failure
      : {
          code: refusal.diagnostics.find(({ severity }) => severity === 'error')?.code ?? 'pipeline::refused',
          blame: 'pipeline',
          title: `${basename(request.pipelineFile)} is at fault`,
          detail: renderDiagnostics(refusal.diagnostics, refusal.text, { color: false }),
          remedy: 'Mend the pipeline file; `pyflow check` shows all its problems.',
        };
  return {
    schema: REPORT_SCHEMA,
    runId: '',
    pipeline: '',
    appId: request.appId ?? '',
    status: 'failed',
    exitCode: EXIT_STATUS[failure.blame],
    startedAt: new Date(startedAt).toISOString(),
    durationMs: now - startedAt,
    nodes: {},
    buildData: failureData(failure),
    failure,
  };
}
