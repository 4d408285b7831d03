// Reads and parses a pipeline file, without looking at what its fields mean. Owns the YAML parser.

import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { constructFromEvents, getScalarValue, parseEvents, YAMLException, type Event } from 'js-yaml';
import type { Diagnostic } from './diagnostic.js';
import { findPlaces, positionsOf } from './places.js';
import { isRecord, type Path, type Problem } from './problem.js';
import { explainSyntax } from './syntax-messages.js';

export const MAX_FILE_BYTES = 2_000_000;
/** Number of values after all aliases are expanded. The largest real files have a few hundred thousand. */
const MAX_EXPANDED_VALUES = 1_000_000;
const MAX_DEPTH = 64;
/** Never needed in a pipeline, and dangerous for code that reads the data by plain property access. */
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export interface LoadedPipeline {
  /** As given by the caller. */
  readonly file: string;
  readonly text: string;
  /** Plain JSON data of any shape. */
  readonly data: unknown;
  /** Problems that don't stop the check; `checkPipeline` reports them with the others. */
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
      reason: 'pyflow parses the file in every run, and larger files take too long.',
      remedy: 'Split the file into several pipelines, or merge nodes.',
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
      reason: 'It contains bytes that are not valid UTF-8.',
      remedy: 'Save the file as UTF-8.',
    });
  }
  return parsePipeline(file, text);
}

/** Like `loadPipeline`, for text that is already in memory. */
export async function parsePipeline(file: string, text: string): Promise<LoadResult> {
  if (text.length > MAX_FILE_BYTES) {
    return refuse(file, '', 0, {
      code: 'pipeline::too-large',
      message: 'The pipeline file is larger than 2 MB.',
      remedy: 'Split the file into several pipelines, or merge nodes.',
    });
  }
  let events: Event[];
  let documents: unknown[];
  const problems: Problem[] = [];
  try {
    events = parseEvents(text, { maxDepth: MAX_DEPTH });
    // A syntax error is reported before a second document.
    const starts = events.filter((event) => event.type === 1);
    if (starts.length > 1) return severalDocuments(file, text, events);
    try {
      documents = constructFromEvents(events, { source: text });
    } catch (error) {
      // Duplicate keys must not hide the file's other problems: use the last one and go on.
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
      remedy: 'Begin with `pyflow: 1`, followed by `nodes`.',
    });
  }
  const sound = inspect(data, problems);
  if (!sound) {
    const alias = events.find((event) => event.type === 5);
    return refuse(file, text, alias?.type === 5 ? alias.anchorStart - 1 : 0, {
      code: 'pipeline::alias-bomb',
      message: 'The aliases in this file expand to too much data.',
      reason: 'An alias contains itself, or nested aliases expand to more than a million values.',
      remedy: 'Write out the values where they are used.',
    });
  }
  if (file.toLowerCase().endsWith('.json')) problems.push(...strictJSON(text));
  return { ok: true, value: { file, text, data, problems } };
}

/** Files in the `plugins` list, resolved against the pipeline file's folder. Skips entries that are not strings. */
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

/** The parser's events for a text that is known to parse; offsets point into the text. */
export const eventsOf = (text: string): readonly Event[] => parseEvents(text, { maxDepth: MAX_DEPTH });
export const scalarText = (text: string, event: Event & { type: 4 }): string => getScalarValue(text, event);

async function readLimited(file: string): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    // The size from stat is no help: pipes have none, and device files never end.
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
        message: 'The pipeline file does not exist.',
        reason: `pyflow found nothing at ${file}.`,
        remedy: 'Check the path. A relative path starts at the current folder.',
      };
    case 'EISDIR':
      return {
        code: 'pipeline::not-a-file',
        message: 'The path of the pipeline is a folder, not a file.',
        remedy: 'Name the YAML or JSON file in it.',
      };
    default:
      return {
        code: 'pipeline::unreadable',
        message: 'pyflow cannot read the pipeline file.',
        reason: `The system reported ${code}.`,
        remedy:
          code === 'EACCES'
            ? `Make it readable: \`chmod u+r ${file}\`.`
            : 'Check the path and the permissions of the file.',
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
  // Document events have no offset, so look for the first marker after the first document's last value.
  let documents = 0;
  let last = 0;
  for (const event of events) {
    if (event.type === 1 && ++documents === 2) break;
    if (event.type === 4) last = Math.max(last, event.valueEnd);
  }
  const marker = /^(?:---|\.\.\.)/m.exec(text.slice(last));
  return refuse(file, text, marker === null ? last : last + marker.index, {
    code: 'pipeline::several-documents',
    message: 'The file contains more than one YAML document.',
    reason: 'A pipeline is a single document. Everything after this line would be ignored.',
    remedy: 'Remove the marker, or move the other pipelines into separate files.',
  });
}

/** The parser does not report where a list or mapping is used as a key. */
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
    message: `The key \`${String(path.at(-1))}\` appears twice.`,
    reason: `It is already set on line ${position(first).line}, and only one of the two can apply.`,
    remedy: 'Remove or rename one of them.',
  }));
}

/** Other programs accept only JSON in a file with this name. */
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
          comma === undefined
            ? 'This file is named .json but contains YAML.'
            : 'JSON does not allow a comma before `}` or `]`.',
        reason: 'pyflow reads it as YAML, but other programs reject such a file.',
        remedy:
          comma === undefined
            ? 'Rename it to .yml, or rewrite it as JSON.'
            : 'Remove the comma, or rename the file to .yml.',
      },
    ];
  }
}

/** Offset of a comma before a closing bracket, outside strings. */
function trailingComma(text: string): number | undefined {
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g)) if (match[0] === ',') return match.index;
  return undefined;
}

/** False when aliases make the data too large. Reports forbidden keys and values that JSON cannot represent. */
function inspect(root: unknown, problems: Problem[]): boolean {
  const sizes = new Map<object, number>();
  const path: (string | number)[] = [];
  const visit = (value: unknown): number => {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      problems.push({
        code: 'pipeline::not-json',
        severity: 'error',
        path: [...path],
        message: 'This value is infinite or not a number.',
        reason: 'A pipeline can contain only values that JSON can represent.',
        remedy: 'Use a finite number, or put quotes around it if it is a string.',
      });
    }
    if (typeof value !== 'object' || value === null) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    sizes.set(value, Infinity); // seen again before it is done, it contains itself
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
            message: `The key \`${key}\` can't be used.`,
            reason: 'It has a special meaning in JavaScript, which pyflow is written in.',
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
