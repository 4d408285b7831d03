// The position of each value of a parsed file in its text, rebuilt from the parser's events.

import type { Event } from 'js-yaml';
import type { Position } from './diagnostic.js';
import type { Path } from './problem.js';

type Scalar = Event & { type: 4 };
type ReadScalar = (text: string, event: Scalar) => string;

export interface Place {
  readonly start: number;
  end: number;
  /** Span of its key, when it is a value of a mapping. */
  readonly key?: { readonly start: number; readonly end: number };
  readonly scalar?: Scalar;
  readonly entries?: Map<string, Place>;
  readonly items?: Place[];
}
interface Doubled {
  readonly path: Path;
  /** Offset of the key's first use. */
  readonly first: number;
  readonly start: number;
  readonly end: number;
}

/** An alias has the place of its anchor's value, since that is the text to change. */
export function findPlaces(
  text: string,
  events: readonly Event[],
  read: ReadScalar,
): { readonly root: Place | undefined; readonly doubled: readonly Doubled[]; readonly complexKeys: readonly number[] } {
  const reader = new PlaceReader(text, events, read);
  const root = reader.readRoot();
  return { root, doubled: reader.doubled, complexKeys: reader.complexKeys };
}

type Key = NonNullable<Place['key']>;

/** The parser's event types. */
const DOCUMENT = 1;
const SEQUENCE = 2;
const MAPPING = 3;
const SCALAR = 4;
const ALIAS = 5;
const END = 6;

class PlaceReader {
  readonly doubled: Doubled[] = [];
  /** Offsets of lists and mappings that are used as keys. */
  readonly complexKeys: number[] = [];
  private readonly anchors = new Map<string, Place>();
  private at = 0;

  constructor(
    private readonly text: string,
    private readonly events: readonly Event[],
    private readonly read: ReadScalar,
  ) {}

  readRoot(): Place | undefined {
    while (this.events[this.at]?.type === DOCUMENT) this.at++;
    return this.at < this.events.length ? this.readValue([]) : undefined;
  }

  private readValue(path: Path, key?: Key): Place {
    const event = this.events[this.at++];
    switch (event?.type) {
      case SCALAR:
        return this.remember(event, scalarPlace(event, key));
      case ALIAS:
        return this.aliasPlace(event, key);
      case SEQUENCE:
        return this.readItems(event, path, key);
      case MAPPING:
        return this.readEntries(event, path, key);
      default:
        return { start: 0, end: 0, ...(key && { key }) };
    }
  }

  private aliasPlace({ anchorStart, anchorEnd }: Event & { type: typeof ALIAS }, key: Key | undefined): Place {
    const target = this.anchors.get(this.text.slice(anchorStart, anchorEnd));
    return { ...(target ?? { start: anchorStart - 1, end: anchorEnd }), ...(key && { key }) };
  }

  private readItems(event: Event & { type: typeof SEQUENCE }, path: Path, key: Key | undefined): Place {
    const items: Place[] = [];
    const place = this.remember(event, { start: event.start, end: event.start + 1, items, ...(key && { key }) });
    while (!this.isAtEnd()) items.push(this.readValue([...path, items.length]));
    this.at++;
    place.end = Math.max(place.end, items.at(-1)?.end ?? 0);
    return place;
  }

  private readEntries(event: Event & { type: typeof MAPPING }, path: Path, key: Key | undefined): Place {
    const entries = new Map<string, Place>();
    const place = this.remember(event, { start: event.start, end: event.start + 1, entries, ...(key && { key }) });
    while (!this.isAtEnd()) {
      const keyEvent = this.events[this.at];
      const { start, end } = this.readValue(path);
      const name = keyEvent?.type === SCALAR ? this.read(this.text, keyEvent) : undefined;
      const child = this.readValue(name === undefined ? path : [...path, name], { start, end });
      if (name === undefined) {
        this.complexKeys.push(start);
        continue;
      }
      const before = entries.get(name);
      if (before?.key) this.doubled.push({ path: [...path, name], first: before.key.start, start, end });
      entries.set(name, child);
      place.end = Math.max(place.end, child.end);
    }
    this.at++;
    return place;
  }

  private isAtEnd(): boolean {
    return this.at >= this.events.length || this.events[this.at]?.type === END;
  }

  private remember(event: { readonly anchorStart: number; readonly anchorEnd: number }, place: Place): Place {
    if (event.anchorStart >= 0) this.anchors.set(this.text.slice(event.anchorStart, event.anchorEnd), place);
    return place;
  }
}

function scalarPlace(event: Scalar, key: Key | undefined): Place {
  // An empty value has no text, so point at the end of the key.
  const isEmpty = event.valueStart < 0;
  const quote = !isEmpty && (event.style === 2 || event.style === 3) ? 1 : 0;
  const start = isEmpty ? (key?.end ?? 0) : event.valueStart - quote;
  const end = isEmpty ? start : event.valueEnd + quote;
  return { start, end, scalar: event, ...(key && { key }) };
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
    // A block scalar keeps blanks beyond its indentation; a flow scalar keeps none.
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
      // A fold or a line break: all blanks here became one character.
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
