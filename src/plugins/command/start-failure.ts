// Decides who is to blame when a program cannot be started.

import { hasCode, pathBeneath, type Failure, type Folder } from '../../engine/sdk.js';
import { wrongProgram } from './failures.js';

/** The app, for a script of the app whose interpreter is missing; the pipeline, for every other wrong program. */
export function startFailure(
  app: Folder,
  { argv, cwd }: { readonly argv: readonly string[]; readonly cwd?: string },
  failure: Failure,
): Failure {
  const [program = ''] = argv;
  const isOdd = program === '' || argv.some((word) => word.includes('\0'));
  if (!hasCode(failure, 'command::not-found', 'command::not-executable') && !isOdd) return failure;
  const path = program.includes('/') ? pathBeneath(pathBeneath('', cwd ?? '.') ?? '', program) : undefined;
  const isScript = path !== undefined && path !== '' && app.resolve(path) !== undefined;
  return isScript && hasCode(failure, 'command::not-found') ? failure : wrongProgram(program, failure);
}
