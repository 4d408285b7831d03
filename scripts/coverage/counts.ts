// Reads what V8 counted in each process (NODE_V8_COVERAGE), and says how often places of source files ran. Processes may compile
// a file in different ways, so counts are added up by place in the source. The built program does not count: it starts from
// code that V8 compiled before, which has no counters. Nor do processes that are killed.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Place, Span } from './branches.js';
import { inOrder, placesBySource, type MappedPlace, type SourceMapData } from './source-map.js';

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

interface ScriptCoverage {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[]; readonly isBlockCoverage: boolean }[];
}

interface ProcessCoverage {
  readonly result: readonly ScriptCoverage[];
  readonly 'source-map-cache'?: Readonly<
    Record<string, { readonly lineLengths: readonly number[]; readonly data: SourceMapData | null }>
  >;
}

/** How often each of `spans` began to run, by source file. */
export type Counts = ReadonlyMap<string, ReadonlyMap<Span, number>>;

/** `spans`: what to count, by absolute path of the source file. `folder`: what the processes wrote. */
export function countsIn(folder: string, spans: ReadonlyMap<string, readonly Span[]>): Counts {
  const counts = new Map([...spans].map(([file, of]) => [file, new Map(of.map((span) => [span, 0]))]));
  const offsets = new Offsets(spans);
  for (const name of readdirSync(folder)) {
    const written = JSON.parse(readFileSync(`${folder}/${name}`, 'utf8')) as ProcessCoverage;
    for (const script of written.result) {
      const compiled = compiledOf(script, written);
      if (compiled === undefined) continue;
      const countAt = counterOf(script);
      for (const { file, span, offset } of offsets.of(script.url, compiled)) {
        const ofFile = counts.get(file)!;
        ofFile.set(span, ofFile.get(span)! + countAt(offset));
      }
    }
  }
  return counts;
}

interface Compiled {
  readonly map: SourceMapData;
  readonly lineLengths: readonly number[];
}

/** Undefined for what is not compiled from a source, or was loaded in another form than the one that its map belongs to. */
function compiledOf({ url, functions }: ScriptCoverage, written: ProcessCoverage): Compiled | undefined {
  if (!url.startsWith('file://') || url.includes('/node_modules/')) return undefined;
  const cached = written['source-map-cache']?.[url];
  if (!cached?.data) return undefined;
  const length = cached.lineLengths.reduce((sum, line) => sum + line + 1, -1);
  return length === functions[0]?.ranges[0]?.endOffset
    ? { map: cached.data, lineLengths: cached.lineLengths }
    : undefined;
}

/** By offset in the script. Zero where V8 counted a function as a whole only. */
function counterOf({ functions }: ScriptCoverage): (offset: number) => number {
  const ranges = functions
    .flatMap(({ ranges: of, isBlockCoverage }) => (isBlockCoverage ? of : of.map((range) => ({ ...range, count: 0 }))))
    .sort((a, b) => a.startOffset - b.startOffset || b.endOffset - a.endOffset);
  const changes: { readonly at: number; readonly count: number }[] = [];
  const open: Range[] = [];
  const closeUpTo = (offset: number): void => {
    for (let last = open.at(-1); last !== undefined && last.endOffset <= offset; last = open.at(-1)) {
      open.pop();
      changes.push({ at: last.endOffset, count: open.at(-1)?.count ?? 0 });
    }
  };
  for (const range of ranges) {
    closeUpTo(range.startOffset);
    open.push(range);
    changes.push({ at: range.startOffset, count: range.count });
  }
  closeUpTo(Number.POSITIVE_INFINITY);
  // The last change at an offset holds: it belongs to the innermost range.
  return (offset) => changes[firstAfter(changes, ({ at }) => at > offset) - 1]?.count ?? 0;
}

/** Index of the first item for which `isAfter` holds, in an array where it holds for all later ones. */
function firstAfter<Item>(items: readonly Item[], isAfter: (item: Item) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isAfter(items[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

interface Found {
  readonly file: string;
  readonly span: Span;
  readonly offset: number;
}

/** Where the spans are in compiled code; remembered, since most processes load the same code. */
class Offsets {
  readonly #known = new Map<string, readonly Found[]>();

  constructor(private readonly spans: ReadonlyMap<string, readonly Span[]>) {}

  of(url: string, { map, lineLengths }: Compiled): readonly Found[] {
    const known = `${url} ${lineLengths.join()}`;
    const found = this.#known.get(known) ?? [...this.#find(url, map, lineLengths)];
    this.#known.set(known, found);
    return found;
  }

  *#find(url: string, map: SourceMapData, lineLengths: readonly number[]): Generator<Found> {
    const places = placesBySource(map, lineLengths);
    for (const [index, source] of map.sources.entries()) {
      const file = fileURLToPath(new URL(source, url));
      for (const span of this.spans.get(file) ?? []) {
        const offset = firstIn(places[index]!, span);
        if (offset !== undefined) yield { file, span, offset };
      }
    }
  }
}

/** Compilers do not map each token: the first one of the span that they do map stands for its start. */
function firstIn(places: readonly MappedPlace[], { start, end }: Span): number | undefined {
  const place = places[firstAfter(places, (candidate) => inOrder(candidate, start) >= 0)];
  return place !== undefined && isBefore(place, end) ? place.offset : undefined;
}

const isBefore = (a: Place, b: Place): boolean => inOrder(a, b) < 0;
