// Reads the Python version that `Pipfile.lock` requests.

import { isFields, type Fields } from './fields.js';
import { excerpt, parsed, type Parsed, wrong } from './parsed.js';
import { parsePythonRequest, type PythonRequest } from './python-version.js';
import { visible } from './text-file.js';

export type PipfileLockProblem =
  | { readonly type: 'invalid-json'; readonly message: string }
  | {
      readonly type: 'invalid-version';
      readonly field: 'python_full_version' | 'python_version';
      readonly found: string;
    };

/** Undefined when the file names no version. `python_full_version` wins over `python_version`. */
export function parsePipfileLock(bytes: Uint8Array): Parsed<PythonRequest | undefined, PipfileLockProblem> {
  let lock: unknown;
  try {
    lock = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return wrong({ type: 'invalid-json', message: visible(excerpt(message, 100)) });
  }
  const requires = child(child(lock, '_meta'), 'requires');
  if (requires === undefined) {
    return wrong({ type: 'invalid-json', message: 'its top level, "_meta" or "requires" is not an object' });
  }
  for (const field of ['python_full_version', 'python_version'] as const) {
    const found = requires[field];
    if (found === undefined || found === null) continue;
    const request = typeof found === 'string' ? parsePythonRequest(found) : undefined;
    if (request !== undefined) return parsed(request);
    const text = typeof found === 'string' ? found : JSON.stringify(found);
    return wrong({ type: 'invalid-version', field, found: visible(excerpt(text, 50)) });
  }
  return parsed(undefined);
}

/** A missing child counts as an empty one. Undefined when it is not an object. */
function child(parent: unknown, name: string): Fields | undefined {
  if (!isFields(parent)) return undefined;
  const value = parent[name] ?? {};
  return isFields(value) ? value : undefined;
}
