// Reads the file `.python-version`, and knows names that are misspellings of it.

import { excerpt, parsed, type Parsed, wrong } from './parsed.js';
import { parsePythonRequest, type PythonRequest } from './python-version.js';
import { contentLines, foreignEncoding, visible } from './text-file.js';

export type PythonVersionFileProblem =
  | { readonly type: 'invalid-version'; readonly line: string }
  | { readonly type: 'invalid-encoding'; readonly encoding: string }
  | { readonly type: 'multiple-versions'; readonly versions: readonly string[] }
  | { readonly type: 'no-version' };

export function parsePythonVersionFile(bytes: Uint8Array): Parsed<PythonRequest, PythonVersionFileProblem> {
  const requests: PythonRequest[] = [];
  // Check all lines before counting them, because an invalid line is the problem to fix first.
  for (const line of contentLines(bytes)) {
    const request = parsePythonRequest(line);
    if (request === undefined) {
      const encoding = foreignEncoding(bytes);
      if (encoding !== undefined) return wrong({ type: 'invalid-encoding', encoding });
      return wrong({ type: 'invalid-version', line: visible(excerpt(line, 100)) });
    }
    requests.push(request);
  }
  const [only] = requests;
  if (only === undefined) return wrong({ type: 'no-version' });
  if (requests.length > 1) return wrong({ type: 'multiple-versions', versions: requests.map(({ text }) => text) });
  return parsed(only);
}

/** Known misspellings of `.python-version`, in the order in which pyflow looks for them. */
export const MISSPELLED_PYTHON_VERSION_NAMES = [
  ' .python-version',
  '. python-version',
  '.python_version.txt',
  '.python_version',
  '.python-version ',
  ',python-version',
  '.python-version.',
  '.python-version.py',
  '.python-version.rtf',
  '.python-version.txt',
  '.python-version.TXT',
  '.Python-version',
  '.python.version',
  '.pythonversion',
  "'.python-version'",
  'python_version.txt',
  'python_version',
  'python-version.',
  'python-version.txt',
  'python-version',
] as const;

/** Root names that look like an attempt at the file, sorted. */
export const namesLikePythonVersion = (names: readonly string[]): readonly string[] =>
  names.filter((name) => /python.?version/i.test(name)).toSorted();
