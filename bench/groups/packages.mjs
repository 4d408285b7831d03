// Builds each package manager's example through the package gateway, and directly: cold, as another app on the machine, and with one
// pin changed; compared with the bare commands of a cold build.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { briefly, MANAGERS } from '../built-app.mjs';
import { brokenFigure, interleave, ratioFigure, skippedFigure } from '../measure.mjs';
import { withArchive } from '../runtime-archive.mjs';
import { setStage } from './adapter.mjs';

const MOST_ROUNDS = 5;

export const packages = ({ rounds }) =>
  withArchive('packages', (archive, mirror, folder) =>
    MANAGERS.flatMap((manager) => {
      try {
        return measureManager(manager, archive, mirror, join(folder, manager), Math.min(rounds, MOST_ROUNDS));
      } catch (error) {
        return [brokenFigure(manager, error)];
      }
    }),
  );

function measureManager(manager, archive, mirror, folder, rounds) {
  mkdirSync(folder);
  const direct = setStage(manager, archive, mirror, join(folder, 'direct'));
  const gateway = setStage(manager, archive, mirror, join(folder, 'gateway'), 'gateway');
  try {
    // Once untimed, for everything that is slower the first time on a machine.
    direct.bare();
  } catch (error) {
    return [skippedFigure(manager, `the example cannot be built by hand here: ${briefly(error)}`)];
  }
  const samples = interleave(rounds, [
    { name: 'cold', before: direct.reset, floor: direct.bare, pyflow: () => direct.build('cold') },
    { name: 'through', before: gateway.reset, pyflow: () => gateway.build('cold') },
    { name: 'second', pyflow: () => gateway.build('second') },
    { name: 'pin', before: gateway.changePin, pyflow: () => gateway.build('pin') },
  ]);
  const { cold, through, second, pin } = samples;
  return [
    ratioFigure(
      `${manager}, cold through the gateway, to cold without it`,
      { floor: cold.pyflow, pyflow: through.pyflow },
      1.03,
    ),
    ratioFigure(`${manager}, first build of another app, gateway`, { floor: cold.floor, pyflow: second.pyflow }, 0.35),
    ratioFigure(`${manager}, one pin changed, gateway`, { floor: cold.floor, pyflow: pin.pyflow }, 0.35),
  ];
}
