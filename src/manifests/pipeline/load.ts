// Reads a pipeline file and parses it; the only importer of the YAML parser. Unaware of what the fields mean.

import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { constructFromEvents, getScalarValue, parseEvents, YAMLException, type Event } from 'js-yaml';
import type { Diagnostic } from './diagnostic.js';
import { findPlaces, positionsOf } from './places.js';
import { isRecord, type Path, type Problem } from './problem.js';
import { explainSyntax } from './syntax-messages.js';

export const MAX_FILE_BYTES = 2_000_000;
/** Values after every alias is replaced by what it stands for. The largest honest file has a few hundred thousand. */
const MAX_EXPANDED_VALUES = 1_000_000;
const MAX_DEPTH = 64;
/** Never needed in a pipeline, and a trap for whoever reads the data with plain property access. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export interface LoadedPipeline {
  /** As the caller named it. */
  readonly file: string;
  readonly text: string;
  /** Plain JSON data, whatever its shape. */
  readonly data: unknown;
  /** Found while loading, but no reason to stop looking for more; `checkPipeline` reports them. */
  readonly problems: readonly Problem[];
}
export interface LoadFailure {
  readonly diagnostics: readonly Diagnostic[];
  readonly text: string;
}
type LoadResult =
  { readonly ok: true; readonly value: LoadedPipeline } | { readonly ok: false; readonly failure: LoadFailure };

export async function loadPipeline(file: string): Promise<LoadResult> {
  let bytes: Buffer;
  try {
    bytes = await readLimited(file);
  } catch (error) {
    return refuse(file, '', 0, describeReadError(file, error));
  }
  if (bytes.length > MAX_FILE_BYTES) {
    return refuse(file, '', 0, {
      code: 'pipeline::too-large',
      message: 'The pipeline file is larger than 2 MB.',
      reason: 'Files of that size are generated, and would take long to parse in every run.',
      remedy: 'Split the pipeline, or let fewer nodes do more.',
    });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const lossy = new TextDecoder('utf-8').decode(bytes);
    return refuse(file, lossy, Math.max(0, lossy.indexOf('\uFFFD')), {
      code: 'pipeline::not-utf8',
      message: 'The pipeline file is not UTF-8 text.',
      reason: 'A byte sequence is not a character in UTF-8.',
      remedy: 'Save the file in the encoding UTF-8.',
    });
  }
  return parsePipeline(file, text);
}

/** As `loadPipeline`, for text that is already in memory. */
export async function parsePipeline(file: string, text: string): Promise<LoadResult> {
  if (text.length > MAX_FILE_BYTES) {
    return refuse(file, '', 0, {
      code: 'pipeline::too-large',
      message: 'The pipeline file is larger than 2 MB.',
      remedy: 'Split the pipeline, or let fewer nodes do more.',
    });
  }
  let events: Event[];
  let documents: unknown[];
  const problems: Problem[] = [];
  try {
    events = parseEvents(text, { maxDepth: MAX_DEPTH });
    // The position and the reason of a syntax error come first; a second document is a mistake of its own.
    const starts = events.filter((event) => event.type === 1);
    if (starts.length > 1) return severalDocuments(file, text, events);
    try {
      documents = constructFromEvents(events, { source: text });
    } catch (error) {
      // Doubled keys are no reason to hide the file's other problems: take the last one and go on.
      if (!(error instanceof YAMLException) || error.reason !== 'duplicated mapping key') throw error;
      documents = constructFromEvents(events, { source: text, json: true });
      problems.push(...duplicates(text, events));
    }
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reached = error instanceof YAMLException ? (error.mark?.position ?? 0) : 0;
    const { words, offset } = await explainSyntax(error, complexKey(text, error) ?? reached, text);
    return refuse(file, text, offset, words);
  }
  const data = documents[0];
  if (data === undefined || data === null) {
    return refuse(file, text, 0, {
      code: 'pipeline::empty',
      message: 'The pipeline file is empty.',
      remedy: 'Start it with `pyflow: 1`, a `name` and `nodes`.',
    });
  }
  const sound = inspect(data, problems);
  if (!sound) {
    const alias = events.find((event) => event.type === 5);
    return refuse(file, text, alias?.type === 5 ? alias.anchorStart - 1 : 0, {
      code: 'pipeline::alias-bomb',
      message: 'The aliases of this file stand for too much data.',
      reason: 'An alias contains itself, or aliases of aliases multiply to more than a million values.',
      remedy: 'Write the values out where they are used.',
    });
  }
  if (file.toLowerCase().endsWith('.json')) problems.push(...strictJSON(text));
  return { ok: true, value: { file, text, data, problems } };
}

/** Files of the `plugins` list, resolved against the pipeline file's folder; entries that are not text are left out. */
export function pluginPathsOf(
  loaded: LoadedPipeline,
): readonly { readonly specifier: string; readonly path: string; readonly at: Path }[] {
  const list = isRecord(loaded.data) ? loaded.data['plugins'] : undefined;
  if (!Array.isArray(list)) return [];
  return list.flatMap((specifier: unknown, index) =>
    typeof specifier === 'string' && specifier !== ''
      ? [{ specifier, path: resolve(dirname(loaded.file), specifier), at: ['plugins', index] }]
      : [],
  );
}

/** The parser's events of a text that is known to parse; offsets point into the text. */
export const eventsOf = (text: string): readonly Event[] => parseEvents(text, { maxDepth: MAX_DEPTH });
export const scalarText = (text: string, event: Event & { type: 4 }): string => getScalarValue(text, event);

async function readLimited(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    // Not by the size that stat tells: pipes have none, and device files never end.
    const chunks: Buffer[] = [];
    let total = 0;
    while (total <= MAX_FILE_BYTES) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(65_536), 0, 65_536, null);
      if (bytesRead === 0) break;
      chunks.push(buffer.subarray(0, bytesRead));
      total += bytesRead;
    }
    return Buffer.concat(chunks);
  } finally {
    await handle.close();
  }
}

type Words = Pick<Problem, 'code' | 'message' | 'remedy'> & { readonly reason?: string };

function describeReadError(file: string, error: unknown): Words {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return {
        code: 'pipeline::not-found',
        message: 'There is no such pipeline file.',
        reason: `Nothing is found at ${file}.`,
        remedy: 'Check the path; it is taken relative to the current folder.',
      };
    case 'EISDIR':
      return {
        code: 'pipeline::not-a-file',
        message: 'The pipeline is a folder, not a file.',
        remedy: 'Name the YAML or JSON file inside it.',
      };
    default:
      return {
        code: 'pipeline::unreadable',
        message: 'The pipeline file cannot be read.',
        reason: `The system said ${code}.`,
        remedy: code === 'EACCES' ? 'Give yourself permission to read it.' : 'Check the path and the file.',
      };
  }
}

function refuse(file: string, text: string, offset: number, words: Words): LoadResult {
  const position = positionsOf(text);
  const start = position(Math.min(offset, text.length));
  const end = { line: start.line, column: start.column + 1 };
  return { ok: false, failure: { diagnostics: [{ ...words, severity: 'error', file, start, end }], text } };
}

function severalDocuments(file: string, text: string, events: readonly Event[]): LoadResult {
  // Events of a document marker have no offset: the first marker after the first document's last value is the place.
  let documents = 0;
  let last = 0;
  for (const event of events) {
    if (event.type === 1 && ++documents === 2) break;
    if (event.type === 4) last = Math.max(last, event.valueEnd);
  }
  const marker = /^(?:---|\.\.\.)/m.exec(text.slice(last));
  return refuse(file, text, marker === null ? last : last + marker.index, {
    code: 'pipeline::several-documents',
    message: 'The file holds more than one YAML document.',
    reason: 'A pipeline file is one document; what follows this line would be ignored.',
    remedy: 'Remove the marker, or put the other pipelines into files of their own.',
  });
}

/** The parser does not say where a list or mapping stands as a key. */
function complexKey(text: string, error: Error & { readonly reason?: string }): number | undefined {
  if (!error.reason?.includes('complex keys')) return undefined;
  return findPlaces(text, eventsOf(text), scalarText).complexKeys[0];
}

function duplicates(text: string, events: readonly Event[]): readonly Problem[] {
  const { doubled } = findPlaces(text, events, scalarText);
  const position = positionsOf(text);
  return doubled.map(({ path, first, start, end }) => ({
    code: 'pipeline::duplicate-key',
    severity: 'error',
    path,
    offsets: { start, end },
    atKey: true,
    message: `The key \`${String(path.at(-1))}\` is there twice.`,
    reason: `It was first set in line ${position(first).line}; only one of the two can hold.`,
    remedy: 'Remove or rename one of them.',
  }));
}

/** Other readers of a file with this name take nothing but JSON. */
function strictJSON(text: string): readonly Problem[] {
  try {
    JSON.parse(text);
    return [];
  } catch {
    const comma = trailingComma(text);
    const offset = comma ?? 0;
    return [
      {
        code: 'pipeline::not-strict-json',
        severity: 'warning',
        path: [],
        offsets: { start: offset, end: offset + 1 },
        message:
          comma === undefined ? 'This file is named .json, but is YAML.' : 'JSON allows no comma before `}` or `]`.',
        reason: 'pyflow reads it as YAML; other programs refuse a .json file like this one.',
        remedy: comma === undefined ? 'Name it .yml, or write it as JSON.' : 'Remove the comma, or name the file .yml.',
      },
    ];
  }
}

/** Where a comma stands in front of a closing bracket, outside of texts. */
function trailingComma(text: string): number | undefined {
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g)) if (match[0] === ',') return match.index;
  return undefined;
}

/** False when aliases make the data endless. Reports keys and values that JSON cannot carry or that set traps. */
function inspect(root: unknown, problems: Problem[]): boolean {
  const sizes = new Map<object, number>();
  const path: (string | number)[] = [];
  const visit = (value: unknown): number => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      problems.push({
        code: 'pipeline::not-json',
        severity: 'error',
        path: [...path],
        message: 'This number is infinite or not a number.',
        reason: 'The values of a pipeline must be expressible in JSON.',
        remedy: 'Use a finite number, or put quotes around it if it is text.',
      });
    }
    if (typeof value !== 'object' || value === null) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    sizes.set(value, Infinity); // met again before it is done, it contains itself
    let size = 1;
    if (Array.isArray(value)) {
      for (let index = 0; index < value.length; index++) {
        path.push(index);
        size += visit(value[index]);
        path.pop();
      }
    } else {
      for (const [key, item] of Object.entries(value)) {
        path.push(key);
        if (FORBIDDEN_KEYS.has(key)) {
          problems.push({
            code: 'pipeline::forbidden-key',
            severity: 'error',
            path: [...path],
            atKey: true,
            message: `The key \`${key}\` cannot be used.`,
            reason: 'It has a special meaning inside the engine.',
            remedy: 'Choose another name.',
          });
        }
        size += visit(item);
        path.pop();
      }
    }
    sizes.set(value, size);
    return size;
  };
  return visit(root) <= MAX_EXPANDED_VALUES;
}
