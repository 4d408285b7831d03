// Checks that files of the app are UTF-8, because tools report other encodings without the name of the file or the encoding.

import { isUtf8 } from 'node:buffer';
import type { Failure } from '../../../engine/sdk.js';
import { foreignEncoding } from '../../../manifests/app/text-file.js';

const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Undefined for UTF-8. `mark`: whether the tool accepts a byte order mark. */
export function wrongEncoding(bytes: Uint8Array, mark: 'accepted' | 'refused' = 'refused'): string | undefined {
  const isMarked = MARK.equals(bytes.subarray(0, MARK.length));
  const isPlain = isUtf8(bytes) && !bytes.includes(0);
  if (isPlain && (!isMarked || mark === 'accepted')) return undefined;
  const encoding = foreignEncoding(bytes);
  if (encoding !== undefined && (isPlain || !isMarked)) return encoding;
  return isUtf8(bytes) ? undefined : 'something other than UTF-8 text';
}

export const misencoded = (code: string, file: string, encoding: string): Failure => ({
  code,
  blame: 'app',
  title: `${file} is not plain UTF-8 text`,
  subject: encoding,
  detail: `${file} is saved as ${encoding}.`,
  remedy: [
    `Save ${file} as UTF-8 without a byte order mark, and commit it.`,
    'Check that no rule in .gitattributes converts it. Windows PowerShell writes UTF-16 when you redirect output to a file.',
  ].join('\n'),
});

/** The failure for the first file that is not UTF-8. */
export function firstMisencoded(
  code: string,
  files: readonly (readonly [path: string, bytes: Uint8Array | undefined])[],
  mark: 'accepted' | 'refused' = 'refused',
): Failure | undefined {
  for (const [path, bytes] of files) {
    const encoding = bytes === undefined ? undefined : wrongEncoding(bytes, mark);
    if (encoding !== undefined) return misencoded(code, path, encoding);
  }
  return undefined;
}
