// Runs a program of the machine outside any sandbox, to ask what is installed. Never for work on the app.

import type { ServiceIdentifier } from 'inversify';
import type { Result } from '../../../engine/sdk.js';

export interface HostCommand {
  /** Fails when the program could not be started or ran out of time; a non-zero exit is a value. */
  runTool(
    file: string,
    args: readonly string[],
    options: {
      readonly timeoutMs: number;
      readonly env: Readonly<Record<string, string>>;
      readonly signal?: AbortSignal;
    },
  ): Promise<Result<{ readonly exitCode?: number; readonly stdout: string; readonly stderr: string }>>;
}
export const HostCommand: ServiceIdentifier<HostCommand> = Symbol.for('pyflow.HostCommand');
