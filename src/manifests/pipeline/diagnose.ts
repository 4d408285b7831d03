// Turns problems at paths into diagnostics with lines and columns. Positions are computed only when there are problems.

import type { Diagnostic } from './diagnostic.js';
import { eventsOf, scalarText, type LoadedPipeline } from './load.js';
import { findPlaces, offsetInScalar, placeAt, positionsOf, type Place } from './places.js';
import type { Problem } from './problem.js';

/** In file order, without duplicates. */
export function diagnose(loaded: LoadedPipeline, problems: readonly Problem[]): readonly Diagnostic[] {
  if (problems.length === 0) return [];
  const { root } = findPlaces(loaded.text, eventsOf(loaded.text), scalarText);
  const position = positionsOf(loaded.text);
  const found = problems.map((problem) => {
    const range = problem.offsets ?? rangeOf(loaded.text, root, problem);
    const { code, severity, message, reason, remedy } = problem;
    const words = { code, severity, message, ...(reason !== undefined && { reason }), remedy };
    return {
      range,
      diagnostic: { ...words, file: loaded.file, start: position(range.start), end: position(range.end) },
    };
  });
  found.sort((a, b) => a.range.start - b.range.start || (a.diagnostic.message < b.diagnostic.message ? -1 : 1));
  const seen = new Set<string>();
  return found.flatMap(({ range, diagnostic }) => {
    const identity = `${range.start} ${diagnostic.code} ${diagnostic.message}`;
    if (seen.has(identity)) return [];
    seen.add(identity);
    return [diagnostic];
  });
}

function rangeOf(text: string, root: Place | undefined, problem: Problem): { start: number; end: number } {
  if (root === undefined) return { start: 0, end: 0 };
  const { place, exact } = placeAt(root, problem.path);
  // A missing field is reported at the key of its owner, an empty value at its own key.
  const isEmpty = place.end <= place.start;
  if (place.key && (problem.atKey || !exact || isEmpty)) return place.key;
  if (problem.span && place.scalar) {
    const value = scalarText(text, place.scalar);
    const start = offsetInScalar(text, place, value, problem.span.start);
    const end = offsetInScalar(text, place, value, problem.span.end);
    return { start, end: Math.max(end, start) };
  }
  if (place === root && !exact) return { start: root.start, end: root.start + 1 };
  return { start: place.start, end: place.end };
}
