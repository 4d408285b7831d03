// The file `runtime.txt`, deprecated. Unaware of which versions exist.

import { parsed, type Parsed, wrong } from './parsed.js';
import { parsePythonRequest, type PythonRequest } from './python-version.js';
import { contentLines } from './text-file.js';

/** One line `python-N.N` or `python-N.N.N`; the content of any other file is not worth repairing, so it is not kept. */
export function parseRuntimeTxt(bytes: Uint8Array): Parsed<PythonRequest, { readonly type: 'invalid-version' }> {
  const lines = contentLines(bytes);
  const [line = ''] = lines;
  const request = lines.length === 1 && line.startsWith('python-') ? parsePythonRequest(line.slice(7)) : undefined;
  return request === undefined ? wrong({ type: 'invalid-version' }) : parsed(request);
}
