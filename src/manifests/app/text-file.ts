// Splits a small text file into lines, and names its encoding when it is not UTF-8.

// The class [[:space:]] of the C.UTF-8 locale, without the byte order mark (which trim() removes) and non-breaking spaces.
const BLANK = '[\\t-\\r \\u1680\\u2000-\\u2006\\u2008-\\u200A\\u2028\\u2029\\u205F\\u3000]';
const LEADING = new RegExp(`^${BLANK}+`);
const NOT_BLANK = new RegExp(`[^\\t-\\r \\u1680\\u2000-\\u2006\\u2008-\\u200A\\u2028\\u2029\\u205F\\u3000]`);

/** Trimmed lines, without empty lines and those that start with `#`. NUL bytes become U+2400. */
export function contentLines(bytes: Uint8Array): readonly string[] {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replaceAll('\0', '\u2400');
  return text
    .split('\n')
    .map(trimBlanks)
    .filter((line) => line !== '' && !line.startsWith('#'));
}

function trimBlanks(line: string): string {
  // A pattern `BLANK+$` would be quadratic on a line of blanks.
  let end = line.length;
  while (end > 0 && !NOT_BLANK.test(line.charAt(end - 1))) end -= 1;
  return line.slice(0, end).replace(LEADING, '');
}

const BYTE_ORDER_MARKS: readonly (readonly [name: string, mark: readonly number[]])[] = [
  ['UTF-8 with a byte order mark', [0xef, 0xbb, 0xbf]],
  ['UTF-32, little-endian', [0xff, 0xfe, 0, 0]],
  ['UTF-32, big-endian', [0, 0, 0xfe, 0xff]],
  ['UTF-16, little-endian', [0xff, 0xfe]],
  ['UTF-16, big-endian', [0xfe, 0xff]],
];

/** The encoding of text that is not plain UTF-8. Undefined for UTF-8, and for binary data. */
export function foreignEncoding(bytes: Uint8Array): string | undefined {
  const marked = BYTE_ORDER_MARKS.find(([, mark]) => mark.every((byte, index) => bytes[index] === byte));
  if (marked !== undefined) return marked[0];
  return utf16WithoutMark(bytes) ?? eightBitText(bytes);
}

/** Latin letters in UTF-16: every second byte is NUL, the others never are. */
function utf16WithoutMark(bytes: Uint8Array): string | undefined {
  if (bytes.length < 4 || bytes.length % 2 === 1) return undefined;
  const zeros = [0, 0];
  for (const [index, byte] of bytes.entries()) if (byte === 0) zeros[index % 2]! += 1;
  const half = bytes.length / 2;
  if (zeros[0] === 0 && zeros[1] === half) return 'UTF-16, little-endian';
  if (zeros[1] === 0 && zeros[0] === half) return 'UTF-16, big-endian';
  return undefined;
}

function eightBitText(bytes: Uint8Array): string | undefined {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return undefined;
  } catch {
    // Not UTF-8: text in an old 8-bit encoding, or binary data.
  }
  const isText = bytes.every((byte) =>
    byte >= 0x20 ? byte !== 0x7f : byte === 0x1b || (byte >= 0x08 && byte <= 0x0d),
  );
  if (!isText) return undefined;
  return bytes.some((byte) => byte >= 0x80 && byte < 0xa0)
    ? 'an 8-bit encoding, such as Windows-1252'
    : 'an 8-bit encoding, such as ISO-8859-1';
}

/** For messages: invisible characters become U+FFFD. */
export const visible = (text: string): string => text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, '\uFFFD');
