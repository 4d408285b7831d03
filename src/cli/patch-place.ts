// Which app and which project in it `pyflow fix` and `pyflow check --app` are about.

import { succeed, type Result } from '../engine/failure.js';
import { pathBeneath } from '../engine/files/path-beneath.js';
import { wrongUsage, type Given, type UsageProblem } from './command.js';
import { appOf, type AppPlace } from './run-options.js';
import type { World } from './world.js';

interface Place {
  readonly app: AppPlace;
  readonly root: string;
}

/** `-p root=DIR` names the folder of the project, as for the shipped pipeline. */
export function patchPlaceOf(given: Given, world: World): Result<Place, UsageProblem> {
  const app = appOf(given, world);
  if (!app.ok) return app;
  const text =
    given
      .values('param')
      .findLast((param) => param.startsWith('root='))
      ?.slice('root='.length) ?? '.';
  const root = pathBeneath('', text);
  if (root === undefined)
    return wrongUsage(`-p root=${text} is not a folder of the app.`, 'Name one relative to the app.');
  return succeed({ app: app.value, root: root === '' ? '.' : root });
}
