// Runs the installed SQLite in the built app's environment before other nodes use it.

import { fail, succeed, type Result, type RunContext, type Services } from '../../engine/sdk.js';
import { selfCheckFailed } from './failures.js';
import { COMMAND, headerVersion } from './files.js';

/** Passes on builds of Python that have no module `sqlite3`. */
const IMPORT = `try:
    import _sqlite3
except ModuleNotFoundError:
    pass
`;

/** The version on which library, header and command agree. `home` is app-relative. */
export async function checkSqlite(
  { subprocess, files }: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  home: string,
): Promise<Result<string>> {
  const header = headerVersion(files.of(context).app, home);
  const seen = `${context.paths.app}/${home}`;
  const printed: string[] = [];
  const asked = await subprocess.run(context, {
    argv: [`${seen}/${COMMAND}`, '--version'],
    cwd: context.paths.scratch,
    network: false,
    filter: (_, text) => void printed.push(text),
  });
  if (!asked.ok) return asked;
  const version = /^(\d+\.\d+\.\d+)/.exec(printed[0] ?? '')?.[1];
  if (asked.value.exitCode !== 0 || version === undefined) {
    return fail(selfCheckFailed(`\`${COMMAND} --version\` exited with status ${asked.value.exitCode}.`, printed));
  }
  if (version !== header) {
    return fail(selfCheckFailed(`The library is version ${version}, but the header is for ${header ?? 'no version'}.`));
  }
  // At boot the folder is first on the library search path, so Python's own module uses this library too.
  const imported = await subprocess.run(context, {
    argv: [`${seen}/bin/python`, '-I', '-B', '-c', IMPORT],
    cwd: context.paths.scratch,
    env: { LD_LIBRARY_PATH: `${seen}/lib` },
    network: false,
  });
  if (!imported.ok) return imported;
  if (imported.value.exitCode !== 0) {
    return fail(
      selfCheckFailed("Python's module `sqlite3` cannot be imported with this library.", imported.value.lines),
    );
  }
  return succeed(version);
}
