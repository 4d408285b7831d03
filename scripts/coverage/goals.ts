// Which districts need how many tested branches, and what is missing.

import { sumOf, type FileCoverage, type Tally } from './coverage.js';

/** Where an untested branch can cost a user a wrong slug. */
const DEMANDING = ['src/engine/store', 'src/engine/trees', 'src/engine/node'];
/** Percent of branches. */
const GOAL = 95;

/** The district of a file of the engine, else its top folder. */
export const areaOf = (file: string): string => /^src\/(?:engine\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? 'src';

const percentOf = ({ covered, total }: Tally): number => (total === 0 ? 100 : (100 * covered) / total);

/** Rounded down: 95 % means that much. */
export const percentText = (tally: Tally): string => `${(Math.floor(percentOf(tally) * 10) / 10).toFixed(1)} %`;

export function uncoveredText({ file, uncovered }: FileCoverage): string {
  return uncovered.map(({ line, text }) => `${file}:${line}: ${text}\n`).join('');
}

/** A text for each demanding district that misses the goal. Paths of files are relative to the project. */
export const faultsOf = (all: readonly FileCoverage[]): readonly string[] =>
  DEMANDING.flatMap((area) => {
    const files = all.filter(({ file }) => areaOf(file) === area);
    const branches = sumOf(files.map((file) => file.branches));
    if (percentOf(branches) >= GOAL) return [];
    const title = `Tests cover ${percentText(branches)} of the branches of ${area}; the goal is ${GOAL} %. Test these lines:\n`;
    return [[title, ...files.map(uncoveredText)].join('')];
  });
