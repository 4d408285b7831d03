// What tests cover of the source, file by file: lines, branches, and the branches that no test takes.

import { readFileSync } from 'node:fs';
import { structureOf, type Branch, type Place, type Span, type Structure } from './branches.js';
import { countsIn } from './counts.js';
import { inOrder } from './source-map.js';

export interface Tally {
  readonly covered: number;
  readonly total: number;
}

/** A line with code that never ran, or with a branch that was never taken. */
interface UncoveredLine {
  readonly line: number;
  /** Without the space around it. */
  readonly text: string;
}

export interface FileCoverage {
  readonly file: string;
  readonly lines: Tally;
  readonly branches: Tally;
  readonly uncovered: readonly UncoveredLine[];
}

/** `folder`: what Node wrote because of NODE_V8_COVERAGE. `files`: absolute paths of all source files, loaded or not. */
export function coverageOf(folder: string, files: readonly string[]): readonly FileCoverage[] {
  const texts = new Map(files.map((file) => [file, readFileSync(file, 'utf8')]));
  const structures = new Map([...texts].map(([file, text]) => [file, structureOf(text)]));
  const spans = new Map([...structures].map(([file, structure]) => [file, spansOf(structure)]));
  const counts = countsIn(folder, spans);
  return [...structures].map(([file, structure]) => {
    const count = counts.get(file)!;
    const ofLines = new Map<number, number>();
    for (const span of structure.statements) {
      const { line } = span.start;
      ofLines.set(line, Math.max(ofLines.get(line) ?? 0, count.get(span)!));
    }
    const timesOf = ({ span, without }: Branch): number =>
      count.get(span)! - (without === undefined ? 0 : count.get(without)!);
    const untaken = structure.branches.filter((branch) => timesOf(branch) <= 0);
    const places = [...untaken.map(({ span }) => span.start), ...unrunIn(structure, (line) => ofLines.get(line) === 0)];
    const { length } = structure.branches;
    return {
      file,
      lines: { covered: [...ofLines.values()].filter((times) => times > 0).length, total: ofLines.size },
      branches: { covered: length - untaken.length, total: length },
      uncovered: linesAt(places, texts.get(file)!),
    };
  });
}

/** Each once: a statement can be a branch as well. */
const spansOf = ({ statements, branches }: Structure): readonly Span[] => [
  ...new Set([
    ...statements,
    ...branches.flatMap(({ span, without }) => (without === undefined ? span : [span, without])),
  ]),
];

const unrunIn = ({ statements }: Structure, isUnrun: (line: number) => boolean): readonly Place[] =>
  statements.map(({ start }) => start).filter(({ line }) => isUnrun(line));

function linesAt(places: readonly Place[], text: string): readonly UncoveredLine[] {
  const lines = text.split('\n');
  const numbers = new Set([...places].sort(inOrder).map(({ line }) => line));
  return [...numbers].map((line) => ({ line, text: lines[line - 1]!.trim() }));
}

export const sumOf = (tallies: readonly Tally[]): Tally => ({
  covered: tallies.reduce((sum, { covered }) => sum + covered, 0),
  total: tallies.reduce((sum, { total }) => sum + total, 0),
});
