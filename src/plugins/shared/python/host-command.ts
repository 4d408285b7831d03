// Runs a program of the machine outside the sandbox, to find out what is installed. Not for work on the app.

import type { ServiceIdentifier } from 'inversify';
import type { Result } from '../../../engine/sdk.js';

export interface HostCommand {
  /** Fails if the program can't start or times out. A non-zero exit status is a success value. */
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
