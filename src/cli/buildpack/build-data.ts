// The facts about a build that the platform collects: a flat JSON object in CACHE_DIR, which bin/report prints.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { JSONObject, JSONValue } from '../../manifests/json-schema.js';
import { NEGATIVE_ANSWER_STATUS } from '../exit-status.js';
import type { World } from '../world.js';

/** Platforms store the values in columns of limited width. */
const MAX_TEXT = 200;

/** Strings, numbers and booleans only; keys sorted. */
export function buildDataText(data: JSONObject): string {
  const flat = Object.entries(data).flatMap(([name, value]): [string, JSONValue][] => {
    const shown = flatten(value);
    return shown === undefined ? [] : [[name, shown]];
  });
  return `${JSON.stringify(Object.fromEntries(flat.sort(([a], [b]) => (a < b ? -1 : 1))), undefined, 2)}\n`;
}

function flatten(value: JSONValue): JSONValue | undefined {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  if (typeof value === 'string') return cut(value);
  // Names, each followed by a comma: the format that platforms already read.
  if (Array.isArray(value) && value.length > 0) return cut(value.map((item) => `${String(item)},`).join(''));
  return undefined;
}

const cut = (text: string): string => (text.length > MAX_TEXT ? [...text].slice(0, MAX_TEXT).join('') : text);

/** Returns the exit status. */
export function printBuildData(cacheDir: string, world: World): number {
  try {
    world.stdout.write(readFileSync(dataFile(resolve(world.cwd, cacheDir)), 'utf8'));
    return 0;
  } catch {
    world.stderr.write('CACHE_DIR has no build data. Run bin/compile with this folder before bin/report.\n');
    return NEGATIVE_ANSWER_STATUS;
  }
}

export const dataFile = (cacheDir: string): string => join(cacheDir, 'build-data/python.json');
