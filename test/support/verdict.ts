// How a run ended: with a report, or refused before it started. Anything else that is thrown is a bug and stays an
// exception.

import { EXIT_STATUS } from '../../src/engine/failure.js';
import type { RunRequest } from '../../src/engine/request.js';
import type { RunReport } from '../../src/engine/events.js';
import { Refused, type Workspace } from './workspace.js';

export interface Verdict {
  readonly exit: number;
  /** Code of the failure that decided the exit status. */
  readonly code?: string;
  readonly report?: RunReport;
}

export async function verdictOf(work: Workspace, overrides: Partial<RunRequest> = {}): Promise<Verdict> {
  try {
    const report = await work.run(overrides);
    return { exit: report.exitCode, report, ...(report.failure === undefined ? {} : { code: report.failure.code }) };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { refusal } = error;
    if (refusal.type === 'diagnostics') return { exit: 2, code: refusal.diagnostics[0]?.code ?? '' };
    return { exit: EXIT_STATUS[refusal.failure.blame], code: refusal.failure.code };
  }
}
