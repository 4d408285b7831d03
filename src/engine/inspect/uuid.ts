// Identifiers of documents that depend only on what the documents are about.

import { sha256Hex } from '../files/digest.js';

/** A UUID of version 8 (RFC 9562) from a text. */
export function uuidOf(text: string): string {
  const hex = sha256Hex(`pyflow inventory ${text}`);
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
