// Reads source maps the way coverage needs them: from places in the source to offsets in the code that ran.

/** A place in a source file that a source map names. Lines count from 1, columns from 0. */
export interface MappedPlace {
  readonly line: number;
  readonly column: number;
  /** In the generated code. */
  readonly offset: number;
}

export interface SourceMapData {
  readonly sources: readonly string[];
  readonly mappings: string;
}

/** Places by index of their source, in the order of the source. */
export function placesBySource(
  { sources, mappings }: SourceMapData,
  lineLengths: readonly number[],
): readonly (readonly MappedPlace[])[] {
  const places: MappedPlace[][] = sources.map(() => []);
  let [source, line, column, lineStart] = [0, 0, 0, 0];
  for (const [generatedLine, segments] of mappings.split(';').entries()) {
    let generatedColumn = 0;
    for (const segment of segments === '' ? [] : segments.split(',')) {
      const [columnBy = 0, sourceBy, lineBy = 0, sourceColumnBy = 0] = decoded(segment);
      generatedColumn += columnBy;
      // A segment with one field belongs to code that the compiler added.
      if (sourceBy === undefined) continue;
      source += sourceBy;
      line += lineBy;
      column += sourceColumnBy;
      places[source]?.push({ line: line + 1, column, offset: lineStart + generatedColumn });
    }
    lineStart += (lineLengths[generatedLine] ?? 0) + 1;
  }
  for (const found of places) found.sort(inOrder);
  return places;
}

export const inOrder = (a: Pick<MappedPlace, 'line' | 'column'>, b: Pick<MappedPlace, 'line' | 'column'>): number =>
  a.line - b.line || a.column - b.column;

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The numbers of a segment: base 64, five bits a digit, the sign in the lowest bit. */
function decoded(segment: string): readonly number[] {
  const numbers: number[] = [];
  let [value, shift] = [0, 0];
  for (const digit of segment) {
    const bits = DIGITS.indexOf(digit);
    value += (bits & 31) << shift;
    shift += 5;
    if ((bits & 32) !== 0) continue;
    numbers.push((value & 1) === 0 ? value >> 1 : -(value >> 1));
    [value, shift] = [0, 0];
  }
  return numbers;
}
