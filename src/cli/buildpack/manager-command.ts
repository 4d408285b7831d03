// The package manager's program for later buildpacks of the same build. bin/compile writes a script that starts it. The
// script fetches the tool from the cache on its first call, because most builds never call it.

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunReport } from '../../engine/events.js';
import { statusOfFailure } from '../exit-status.js';
import type { World } from '../world.js';
import { shoutFailure } from './log.js';
import type { Places } from './places.js';
import { quote } from '../shell.js';
import { removeTree } from '../../engine/files/remove-tree.js';

/** The slug does not contain these managers. */
const OUTSIDE_SLUG: ReadonlySet<string> = new Set(['poetry', 'uv']);
/** The output of the kind `fetch-tool`. */
const TOOL_PORT = 'tool';

interface ManagerCommandOptions {
  readonly report: Pick<RunReport, 'nodes' | 'buildData'>;
  /** The Python of the slug, where later buildpacks find it. */
  readonly python: string;
  readonly cacheDir: string;
}

/** Returns the folder for PATH; undefined if it would be empty or the buildpack's folder is not writable. */
export function writeManagerCommand(
  places: Places,
  { report, python, cacheDir }: ManagerCommandOptions,
): string | undefined {
  const { package_manager: name, python_version_major: minor } = report.buildData;
  const maker = makerOfTool(report);
  const folder = join(places.home, 'tools');
  const bin = join(folder, 'bin');
  const laidOut = join(folder, String(name));
  try {
    removeTree(folder);
    if (typeof name !== 'string' || !OUTSIDE_SLUG.has(name) || typeof minor !== 'string' || maker === undefined)
      return undefined;
    mkdirSync(bin, { recursive: true });
    const argv =
      name === 'uv' ? [join(laidOut, 'bin/uv')] : poetryIn(join(folder, 'environment'), laidOut, python, minor);
    const start = [process.execPath, join(places.home, 'lib/start.cjs'), 'tool', places.home, laidOut, cacheDir, maker];
    writeFileSync(join(bin, name), scriptFor(laidOut, start, argv));
    chmodSync(join(bin, name), 0o755);
    return bin;
  } catch {
    return undefined;
  }
}

const scriptFor = (laidOut: string, start: readonly string[], argv: readonly string[]): string => `#!/bin/sh
# Written by bin/compile for later buildpacks.
if [ ! -e ${quote(laidOut)} ]; then
  env -u NODE_OPTIONS -u NODE_PATH ${start.map(quote).join(' ')} || exit
fi
exec ${argv.map(quote).join(' ')} "$@"
`;

/** Poetry runs in an environment that contains the packages of the tool, like in hooks. */
function poetryIn(environment: string, packages: string, python: string, minor: string): readonly string[] {
  const lib = join(environment, `lib/python${minor}`);
  for (const name of [join(environment, 'bin'), lib]) mkdirSync(name, { recursive: true });
  writeFileSync(join(environment, 'pyvenv.cfg'), `home = ${python}/bin\ninclude-system-site-packages = false\n`);
  symlinkSync(`${python}/bin/python${minor}`, join(environment, 'bin/python'));
  symlinkSync(packages, join(lib, 'site-packages'));
  return [join(environment, 'bin/python'), '-I', '-B', '-m', 'poetry'];
}

/** Key of the node that made the tool, if exactly one made one. */
function makerOfTool({ nodes }: Pick<RunReport, 'nodes'>): string | undefined {
  const made = Object.values(nodes).flatMap(({ kind, key, outputs }) =>
    kind === 'fetch-tool' && key !== undefined && typeof outputs?.[TOOL_PORT] === 'string' ? [key] : [],
  );
  return made.length === 1 ? made[0] : undefined;
}

/** The step that the script calls first. Returns the exit status. */
export async function layOutManager(
  [folder = '', cacheDir = '', key = '']: readonly string[],
  world: World,
): Promise<number> {
  const laidOut = await world.engine.layOutTool(cacheDir, key, folder);
  if (laidOut.ok) return 0;
  shoutFailure(laidOut.failure, world);
  return statusOfFailure(laidOut.failure);
}
