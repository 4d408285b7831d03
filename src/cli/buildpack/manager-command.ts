// The program of the package manager for later buildpacks of the same build. What starts it is written by bin/compile; the
// tool itself leaves the cache when it is first called, as most builds call it never.

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunReport } from '../../engine/events.js';
import { statusOfFailure } from '../exit-status.js';
import type { World } from '../world.js';
import { shoutFailure } from './log.js';
import type { Places } from './places.js';
import { quote } from '../shell.js';
import { removeTree } from '../../engine/files/remove-tree.js';

/** Managers that are not in the slug. */
const OUTSIDE: ReadonlySet<string> = new Set(['poetry', 'uv']);
/** What the kind `fetch-tool` calls its tree. */
const TOOL_PORT = 'tool';

interface ManagerCommandOptions {
  readonly report: Pick<RunReport, 'nodes' | 'buildData'>;
  /** The Python of the slug, where later buildpacks find it. */
  readonly python: string;
  readonly cacheDir: string;
}

/** The folder for PATH; undefined when there is nothing to put there, or the folder of the buildpack cannot be written. */
export function writeManagerCommand(
  places: Places,
  { report, python, cacheDir }: ManagerCommandOptions,
): string | undefined {
  const { package_manager: name, python_version_major: minor } = report.buildData;
  const tool = toolOf(report);
  const folder = join(places.home, 'tools');
  const bin = join(folder, 'bin');
  const laidOut = join(folder, String(name));
  try {
    removeTree(folder);
    if (typeof name !== 'string' || !OUTSIDE.has(name) || typeof minor !== 'string' || tool === undefined)
      return undefined;
    mkdirSync(bin, { recursive: true });
    const argv =
      name === 'uv' ? [join(laidOut, 'bin/uv')] : poetryIn(join(folder, 'environment'), laidOut, python, minor);
    const start = [process.execPath, join(places.home, 'lib/start.cjs'), 'tool', places.home, laidOut, cacheDir, tool];
    writeFileSync(join(bin, name), scriptFor(laidOut, start, argv));
    chmodSync(join(bin, name), 0o755);
    return bin;
  } catch {
    return undefined;
  }
}

const scriptFor = (laidOut: string, start: readonly string[], argv: readonly string[]): string => `#!/bin/sh
# Made by bin/compile for later buildpacks.
if [ ! -e ${quote(laidOut)} ]; then
  env -u NODE_OPTIONS -u NODE_PATH ${start.map(quote).join(' ')} || exit
fi
exec ${argv.map(quote).join(' ')} "$@"
`;

/** As in hooks: in an environment whose packages are those of the tool. */
function poetryIn(environment: string, packages: string, python: string, minor: string): readonly string[] {
  const lib = join(environment, `lib/python${minor}`);
  for (const name of [join(environment, 'bin'), lib]) mkdirSync(name, { recursive: true });
  writeFileSync(join(environment, 'pyvenv.cfg'), `home = ${python}/bin\ninclude-system-site-packages = false\n`);
  symlinkSync(`${python}/bin/python${minor}`, join(environment, 'bin/python'));
  symlinkSync(packages, join(lib, 'site-packages'));
  return [join(environment, 'bin/python'), '-I', '-B', '-m', 'poetry'];
}

/** Of the one node that made a tool. */
function toolOf({ nodes }: Pick<RunReport, 'nodes'>): string | undefined {
  const made = Object.values(nodes).flatMap(({ kind, outputs }) => {
    const tool = outputs?.[TOOL_PORT];
    return kind === 'fetch-tool' && typeof tool === 'string' ? [tool] : [];
  });
  return made.length === 1 ? made[0] : undefined;
}

/** What the program calls first. The exit status. */
export async function layOutManager(
  [folder = '', cacheDir = '', tool = '']: readonly string[],
  world: World,
): Promise<number> {
  const laidOut = await world.engine.layOutTool(cacheDir, tool, folder);
  if (laidOut.ok) return 0;
  shoutFailure(laidOut.failure, world);
  return statusOfFailure(laidOut.failure);
}
