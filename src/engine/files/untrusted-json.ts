// Checks of parsed JSON that comes from outside: a server, another machine, a plugin, a file.

import type { JSONValue } from '../../manifests/json-schema.js';

export const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const isText = (value: unknown): value is string => typeof value === 'string';

/** Whether it is an integer from 0 on. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Deeper values could exhaust the stack wherever they are walked. */
const MOST_DEPTH = 64;

export function isShallow(value: unknown, depth = 0): value is JSONValue {
  if (typeof value !== 'object' || value === null) return value !== undefined;
  return depth < MOST_DEPTH && Object.values(value).every((item) => isShallow(item, depth + 1));
}
