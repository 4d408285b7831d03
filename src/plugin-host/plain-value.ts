// Checks that what a plugin returns is plain JSON data, and reports where it is not.

import { MOST_RETURNED } from '../engine/outside/protocol.js';

const MOST_DEPTH = 100;
const MOST_VALUES = 2_000_000;

export class Unsendable extends Error {
  constructor(
    /** `value.outputs.n`; empty for the value itself. */
    readonly where: string,
    readonly what: string,
  ) {
    super(`${where}: ${what}`);
  }
}

/** A copy without fields that are undefined. Throws Unsendable. */
export function plainCopy(value: unknown): unknown {
  const open = new Set<object>();
  let characters = 0;
  let values = 0;
  const copy = (item: unknown, where: string): unknown => {
    if (++values > MOST_VALUES) throw new Unsendable(where, `more than ${MOST_VALUES} values`);
    if (item === null || typeof item === 'boolean') return item;
    if (typeof item === 'string') {
      if ((characters += item.length) > MOST_RETURNED)
        throw new Unsendable(where, `more than ${MOST_RETURNED / 1024 / 1024} MiB of text`);
      return item;
    }
    if (typeof item === 'number') {
      if (Number.isFinite(item)) return item;
      throw new Unsendable(where, String(item));
    }
    if (typeof item !== 'object') throw new Unsendable(where, nameOf(item));
    if (open.has(item)) throw new Unsendable(where, 'an object that contains itself');
    if (open.size >= MOST_DEPTH) throw new Unsendable(where, `more than ${MOST_DEPTH} levels of nesting`);
    open.add(item);
    const made = Array.isArray(item)
      ? Array.from(item, (one, index) => copy(one, `${where}[${index}]`))
      : copyObject(item, where, copy);
    open.delete(item);
    return made;
  };
  return copy(value, '');
}

function copyObject(item: object, where: string, copy: (value: unknown, where: string) => unknown): object {
  const prototype: unknown = Object.getPrototypeOf(item);
  // Objects of another realm are plain too: their Object.prototype has no prototype either.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) throw new Unsendable(where, nameOf(item));
  if (prototype !== null && typeof (item as { then?: unknown }).then === 'function')
    throw new Unsendable(where, 'an object with a method `then`');
  const made: [string, unknown][] = [];
  for (const key of Object.keys(item)) {
    const at = where === '' ? key : `${where}.${key}`;
    if (key === '__proto__') throw new Unsendable(at, 'a field of this name is not allowed');
    const value = (item as Record<string, unknown>)[key];
    if (value !== undefined) made.push([key, copy(value, at)]);
  }
  return Object.fromEntries(made);
}

function nameOf(item: unknown): string {
  if (item === undefined) return 'undefined';
  if (typeof item === 'function') return 'a function';
  if (typeof item !== 'object') return `a ${typeof item}`;
  const name = (item as { constructor?: { name?: unknown } }).constructor?.name;
  return typeof name === 'string' && name !== '' ? `an object of the class ${name}` : 'an object with a class';
}
