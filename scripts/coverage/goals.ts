// Which districts need how many tested branches, and what is missing.

import { sumOf, type FileCoverage, type Tally } from './coverage.js';

/** Where an untested branch can cost a user a wrong slug. */
const DEMANDING = ['src/engine/store', 'src/engine/trees', 'src/engine/node'];
/** Percent of branches. */
const GOAL = 95;

/** File -> text of a line -> why no test reaches it. */
export type Excuses = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** The district of a file of the engine, else its top folder. */
export const areaOf = (file: string): string => /^src\/(?:engine\/)?[^/]+(?=\/)/.exec(file)?.[0] ?? 'src';

const percentOf = ({ covered, total }: Tally): number => (total === 0 ? 100 : (100 * covered) / total);

/** Rounded down: 95 % means that much. */
export const percentText = (tally: Tally): string => `${(Math.floor(percentOf(tally) * 10) / 10).toFixed(1)} %`;

export function uncoveredText({ file, uncovered }: FileCoverage): string {
  return uncovered.map(({ line, text }) => `${file}:${line}: ${text}\n`).join('');
}

/**
 * A text for each demanding district that misses the goal by lines without an excuse, and for each excuse that is out of
 * date. Paths of files are relative to the project.
 */
export const faultsOf = (files: readonly FileCoverage[], excuses: Excuses): readonly string[] => [
  ...DEMANDING.flatMap((area) => faultsIn(area, files, excuses)),
  ...staleIn(files, excuses),
];

function faultsIn(area: string, all: readonly FileCoverage[], excuses: Excuses): readonly string[] {
  const files = all.filter(({ file }) => areaOf(file) === area);
  const branches = sumOf(files.map((file) => file.branches));
  if (percentOf(branches) >= GOAL) return [];
  const unexcused = files.map((file) => ({
    ...file,
    uncovered: file.uncovered.filter(({ text }) => excuses[file.file]?.[text] === undefined),
  }));
  if (unexcused.every(({ uncovered }) => uncovered.length === 0)) return [];
  const title = `Tests cover ${percentText(branches)} of the branches of ${area}; the goal is ${GOAL} %. Test these lines:\n`;
  return [[title, ...unexcused.map(uncoveredText)].join('')];
}

function staleIn(files: readonly FileCoverage[], excuses: Excuses): readonly string[] {
  const uncovered = new Map(files.map((file) => [file.file, new Set(file.uncovered.map(({ text }) => text))]));
  return Object.entries(excuses).flatMap(([file, lines]) =>
    Object.keys(lines)
      .filter((text) => uncovered.get(file)?.has(text) !== true)
      .map(
        (text) =>
          `Tests cover this line, or it is gone. Remove it from scripts/coverage/uncovered.json: ${file}: ${text}\n`,
      ),
  );
}
