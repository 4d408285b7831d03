// Reads the deprecated file `runtime.txt`.

import { parsed, type Parsed, wrong } from './parsed.js';
import { parsePythonRequest, type PythonRequest } from './python-version.js';
import { contentLines } from './text-file.js';

/** Accepts one line, `python-N.N` or `python-N.N.N`. The failure keeps no content, because the file should be replaced. */
export function parseRuntimeTxt(bytes: Uint8Array): Parsed<PythonRequest, { readonly type: 'invalid-version' }> {
  const lines = contentLines(bytes);
  const [line = ''] = lines;
  const request = lines.length === 1 && line.startsWith('python-') ? parsePythonRequest(line.slice(7)) : undefined;
  return request === undefined ? wrong({ type: 'invalid-version' }) : parsed(request);
}
