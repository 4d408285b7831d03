// A problem as the checks find it: at a path in the data, not yet at a line. Positions are computed once, at the end.

import { editDistance } from '../closest.js';

/** Keys and indexes from the root of the file's data. */
export type Path = readonly (string | number)[];

export interface Problem {
  readonly code: string;
  readonly severity: 'error' | 'warning';
  readonly path: Path;
  /** Point at the key instead of the value. */
  readonly atKey?: true;
  /** Characters inside the string at `path`. */
  readonly span?: { readonly start: number; readonly end: number };
  /** Offsets in the file's text, when the path can't express the place. They win over `path`. */
  readonly offsets?: { readonly start: number; readonly end: number };
  readonly message: string;
  readonly reason?: string;
  readonly remedy: string;
}

export type Report = (problem: Omit<Problem, 'severity'> & { readonly severity?: 'warning' }) => void;

/** Comparing words is the only costly part of a report, and a broken generated file may need thousands of reports. */
const SUGGESTION_BUDGET = 2_000_000;

/** Finds the name that was probably meant. One per check, so that the total effort is bounded. */
export class Suggester {
  private budget = SUGGESTION_BUDGET;

  closest(word: string, candidates: Iterable<string>): string | undefined {
    let best: string | undefined;
    let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
    const lower = word.toLowerCase();
    for (const candidate of candidates) {
      if (this.budget-- < 0) return best;
      if (Math.abs(candidate.length - word.length) >= bestDistance) continue;
      if (candidate.length > 100) continue;
      this.budget -= word.length;
      const distance = editDistance(lower, candidate.toLowerCase());
      if (distance < bestDistance) {
        best = candidate;
        bestDistance = distance;
      }
    }
    return best;
  }

  /** The remedy for an unknown name: the likely one, otherwise the known ones. */
  remedy(word: string, candidates: Iterable<string>, what: string): string {
    const names = [...candidates];
    const likely = this.closest(word, names);
    if (likely !== undefined) return `Did you mean \`${likely}\`?`;
    if (names.length === 0) return `Remove it: there are no ${what}s here.`;
    const shown = names.slice(0, 12).map((name) => `\`${name}\``);
    return `Use ${names.length === 1 ? '' : 'one of '}${shown.join(', ')}${names.length > shown.length ? `, ... (${names.length} in total)` : ''}.`;
  }
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The type of a value in words. */
export function nameOfType(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'number') return 'a number';
  return 'a boolean';
}
