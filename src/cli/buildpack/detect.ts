// bin/detect: is this a Python app? The names of files decide. If it is not, the pipeline's own check explains why.

import { lstatSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { PROJECT_FILES, PROJECT_FOLDERS } from '../../manifests/app/project-markers.js';
import type { Failure } from '../../engine/failure.js';
import { shoutFailure } from './log.js';
import type { Places } from './places.js';
import { NEGATIVE_ANSWER_STATUS } from '../exit-status.js';
import type { World } from '../world.js';
import { removeTree } from '../../engine/files/remove-tree.js';
import { shownPath } from '../../engine/files/shown-path.js';

export async function detect(buildDir: string, places: Places, world: World): Promise<number> {
  const appDir = resolve(world.cwd, buildDir);
  const project = join(appDir, places.root);
  const isPython =
    PROJECT_FILES.some((name) => lstatSync(join(project, name), { throwIfNoEntry: false }) !== undefined) ||
    PROJECT_FOLDERS.some((name) => lstatSync(join(project, name), { throwIfNoEntry: false })?.isDirectory() === true);
  if (isPython) {
    world.stdout.write('Python\n');
    return 0;
  }
  const failure = await whyNot(appDir, places, world);
  if (failure === undefined) world.stderr.write(noProject(places.root));
  else shoutFailure(failure, world);
  return NEGATIVE_ANSWER_STATUS;
}

const noProject = (root: string): string =>
  'This app has no file of a Python project. Add the file of your package manager, such as requirements.txt or uv.lock, ' +
  `to ${root === '.' ? 'the root folder of the app' : `the folder ${shownPath(root)}`}.\n`;

/** The failure of the pipeline's own node; undefined when it has no such node. */
async function whyNot(appDir: string, places: Places, world: World): Promise<Failure | undefined> {
  const cacheDir = mkdtempSync(join(tmpdir(), 'pyflow-detect-'));
  try {
    const ran = await world.engine.run(
      {
        pipelineFile: places.pipelineFile,
        appDir,
        outDir: appDir,
        force: false,
        cacheDir,
        params: places.params,
        only: ['detect'],
        refresh: [],
        keepGoing: false,
        mode: 'build',
        sandbox: places.sandbox,
        settings: places.settings,
        oneTime: true,
        signal: world.onInterrupt().signal,
      },
      { emit: () => undefined },
    );
    if (ran.ok) return ran.value.failure;
    return ran.failure.type === 'failure' && ran.failure.failure.blame !== 'pipeline' ? ran.failure.failure : undefined;
  } finally {
    removeTree(cacheDir);
  }
}
