// Where each value of a parsed file stands in its text, rebuilt from the parser's events. Unaware of what it means.

import type { Event } from 'js-yaml';
import type { Position } from './diagnostic.js';
import type { Path } from './problem.js';

type Scalar = Event & { type: 4 };
export type ReadScalar = (text: string, event: Scalar) => string;

export interface Place {
  readonly start: number;
  end: number;
  /** Of the key in front of it, when it is a value of a mapping. */
  readonly key?: { readonly start: number; readonly end: number };
  readonly scalar?: Scalar;
  readonly entries?: Map<string, Place>;
  readonly items?: Place[];
}
export interface Doubled {
  readonly path: Path;
  /** Offset of the key's first use. */
  readonly first: number;
  readonly start: number;
  readonly end: number;
}

/** Aliases lead to the place of what they stand for: that is the text to change. */
export function findPlaces(
  text: string,
  events: readonly Event[],
  read: ReadScalar,
): { readonly root: Place | undefined; readonly doubled: readonly Doubled[]; readonly complexKeys: readonly number[] } {
  const anchors = new Map<string, Place>();
  const doubled: Doubled[] = [];
  const complexKeys: number[] = [];
  let at = 0;

  const remember = (event: { anchorStart: number; anchorEnd: number }, place: Place): Place => {
    if (event.anchorStart >= 0) anchors.set(text.slice(event.anchorStart, event.anchorEnd), place);
    return place;
  };
  const scalarPlace = (event: Scalar, key?: Place['key']): Place => {
    // An empty value has no text; point at the key's end then.
    const empty = event.valueStart < 0;
    let start = empty ? (key?.end ?? 0) : event.valueStart;
    let end = empty ? start : event.valueEnd;
    if (!empty && (event.style === 2 || event.style === 3)) {
      start -= 1;
      end += 1;
    }
    return remember(event, { start, end, scalar: event, ...(key && { key }) });
  };
  const value = (path: Path, key?: Place['key']): Place => {
    const event = events[at++];
    switch (event?.type) {
      case 4:
        return scalarPlace(event, key);
      case 5: {
        const target = anchors.get(text.slice(event.anchorStart, event.anchorEnd));
        const start = event.anchorStart - 1;
        if (target?.scalar) return { ...target, ...(key && { key }) };
        return { ...target, start: target?.start ?? start, end: target?.end ?? event.anchorEnd, ...(key && { key }) };
      }
      case 2: {
        const items: Place[] = [];
        const place = remember(event, { start: event.start, end: event.start + 1, items, ...(key && { key }) });
        while (at < events.length && events[at]?.type !== 6) items.push(value([...path, items.length]));
        at++;
        place.end = Math.max(place.end, ...items.slice(-1).map((item) => item.end));
        return place;
      }
      case 3: {
        const entries = new Map<string, Place>();
        const place = remember(event, { start: event.start, end: event.start + 1, entries, ...(key && { key }) });
        while (at < events.length && events[at]?.type !== 6) {
          const keyEvent = events[at];
          const keyPlace = value(path);
          const name = keyEvent?.type === 4 ? read(text, keyEvent) : undefined;
          const span = { start: keyPlace.start, end: keyPlace.end };
          const child = value(name === undefined ? path : [...path, name], span);
          if (name === undefined) {
            complexKeys.push(keyPlace.start);
            continue;
          }
          const before = entries.get(name);
          if (before?.key) doubled.push({ path: [...path, name], first: before.key.start, ...span });
          entries.set(name, child);
          place.end = Math.max(place.end, child.end);
        }
        at++;
        return place;
      }
      default:
        return { start: 0, end: 0, ...(key && { key }) };
    }
  };
  while (at < events.length && events[at]?.type === 1) at++;
  return { root: at < events.length ? value([]) : undefined, doubled, complexKeys };
}

/** The place of a path, or of its nearest ancestor that exists; `exact` tells which. */
export function placeAt(root: Place, path: Path): { readonly place: Place; readonly exact: boolean } {
  let place = root;
  for (const part of path) {
    const next = typeof part === 'number' ? place.items?.[part] : place.entries?.get(part);
    if (next === undefined) return { place, exact: false };
    place = next;
  }
  return { place, exact: true };
}

/** Offset in the text of the character at `index` of a scalar's value. */
export function offsetInScalar(text: string, place: Place, value: string, index: number): number {
  const event = place.scalar;
  if (event === undefined || event.valueStart < 0) return place.start;
  let at = event.valueStart;
  const end = event.valueEnd;
  const isBlock = event.style === 4 || event.style === 5;
  const skipIndent = (): void => {
    // A block keeps what is beyond its indentation; flow text keeps none.
    const limit = isBlock ? at + Math.max(0, event.indent) : end;
    while (at < Math.min(limit, end) && (text[at] === ' ' || text[at] === '\t')) at++;
  };
  if (isBlock) skipIndent();
  for (let i = 0; i < index && at < end; i++) {
    const wanted = value[i];
    if (event.style === 3 && text[at] === '\\') {
      const escape = text[at + 1];
      if (escape === '\n' || escape === '\r') {
        at += 2;
        skipIndent();
        i--;
        continue;
      }
      at += escape === 'x' ? 4 : escape === 'u' ? 6 : escape === 'U' ? 10 : 2;
      if (escape === 'U') i += (value.codePointAt(i) ?? 0) > 0xffff ? 1 : 0;
    } else if (event.style === 2 && text[at] === "'" && text[at + 1] === "'") {
      at += 2;
    } else if (wanted === text[at] && wanted !== '\n') {
      at++;
    } else {
      // A fold or a line break: whatever blanks stand here became one character.
      while (at < end && (text[at] === ' ' || text[at] === '\t')) at++;
      if (text[at] === '\r') at++;
      if (text[at] === '\n') at++;
      else if (at < end && wanted !== ' ') at++;
      if (wanted !== '\n' || isBlock) skipIndent();
    }
  }
  return Math.min(at, Math.max(end, place.end));
}

/** Turns offsets into lines and columns. */
export function positionsOf(text: string): (offset: number) => Position {
  const starts = [0];
  for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}
