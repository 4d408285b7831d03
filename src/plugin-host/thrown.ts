// Describes what a plugin threw, with the line of the plugin's own code that it came from.

import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import type { Thrown } from '../engine/outside/protocol.js';

const MOST_TEXT = 4000;

export function describeThrown(error: unknown, pluginFile: string): Thrown {
  try {
    if (!(error instanceof Error) && !isErrorLike(error)) {
      return {
        text: `It threw ${error === undefined ? 'undefined' : short(inspect(error, { depth: 1 }))}, which is not an Error.`,
      };
    }
    const { name, message, stack, code } = error as Error & { readonly code?: unknown };
    const place = typeof stack === 'string' ? placeIn(stack, pluginFile) : undefined;
    return {
      text: short(`${String(name)}: ${String(message)}`),
      ...(typeof code === 'string' ? { code } : {}),
      ...(place === undefined ? {} : { place }),
    };
  } catch {
    return { text: 'It threw a value that cannot be shown.' };
  }
}

/** Errors of another realm. */
const isErrorLike = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && typeof (error as { stack?: unknown }).stack === 'string';

const short = (text: string): string => (text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)} ...` : text);

const FRAME = /(?:^|[\s(])((?:file:\/\/|\/)[^\s()]*?):(\d+)(?::\d+)?(?=[)\s]|$)/gm;

/** The first line in the plugin's own files, else the first in any file except ours. */
export function placeIn(stack: string, pluginFile: string): string | undefined {
  const folder = `${dirname(pluginFile)}/`;
  let other: string | undefined;
  for (const [, where = '', line = ''] of stack.matchAll(FRAME)) {
    const file = pathOf(where);
    if (file === undefined || file === OWN_FILE) continue;
    if (file.startsWith(folder) && !file.includes('/node_modules/')) return `${file}:${line}`;
    other ??= `${file}:${line}`;
  }
  return other;
}

const OWN_FILE = pathOf(import.meta.url);

function pathOf(where: string): string | undefined {
  try {
    return where.startsWith('file:') ? fileURLToPath(where.replace(/[?#].*$/, '')) : where;
  } catch {
    return undefined;
  }
}
