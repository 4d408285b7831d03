// Whose fault it is that a program could not be started.

import { hasCode, pathBeneath, type Failure, type Folder } from '../../engine/sdk.js';
import { wrongProgram } from './failures.js';

/** A script of the app that is there but names no interpreter that is, is the app's; any other wrong program the pipeline's. */
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
