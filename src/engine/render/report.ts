// Writes the files of `--report`, `--trace` and `pyflow report --html` atomically, also when the run fails.

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
  title: `Can't write the file ${file}`,
  detail: error instanceof Error ? error.message : String(error),
  remedy: 'Choose a file in a folder that exists and that you can write to.',
});

/** The report for a request that was refused before the run started. */
export function reportOfRefusal(request: RunRequest, refusal: Refusal, startedAt: number, now: number): RunReport {
  const failure: Failure =
    refusal.type === 'failure'
      ? refusal.failure
      : {
          code: refusal.diagnostics.find(({ severity }) => severity === 'error')?.code ?? 'pipeline::refused',
          blame: 'pipeline',
          title: `${basename(request.pipelineFile)} has errors`,
          detail: renderDiagnostics(refusal.diagnostics, refusal.text, { color: false }),
          remedy: 'Fix the pipeline file. `pyflow check` shows all its problems.',
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
