// Decodes text files of any common encoding, so that they can be saved as UTF-8.

import { decodeRequirements } from '../requirements-encoding.js';
import { foreignEncoding } from '../text-file.js';

const MARK = '\uFEFF';

/** The text without a byte order mark. Undefined for binary data. */
export function textOf(bytes: Uint8Array): string | undefined {
  const text = decoded(bytes, foreignEncoding(bytes));
  return text === undefined || text.includes('\0') ? undefined : text.replace(MARK, '');
}

function decoded(bytes: Uint8Array, encoding: string | undefined): string | undefined {
  if (encoding?.startsWith('UTF-32') === true) return decodeRequirements(bytes);
  if (encoding?.startsWith('UTF-16') === true) {
    return new TextDecoder(encoding.includes('little') ? 'utf-16le' : 'utf-16be', { ignoreBOM: true }).decode(bytes);
  }
  if (encoding?.startsWith('an 8-bit') === true) return new TextDecoder('windows-1252').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Whether the bytes are UTF-8 without a byte order mark or NUL. */
export const isPlainText = (bytes: Uint8Array): boolean => {
  const text = decoded(bytes, undefined);
  return text !== undefined && !text.startsWith(MARK) && !text.includes('\0');
};
