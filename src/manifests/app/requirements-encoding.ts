// Decodes a requirements file like pip: by its byte order mark, by a PEP 263 comment, or as UTF-8.

/** The order matters, because the UTF-32 mark starts with that of UTF-16. */
const MARKS: readonly (readonly [mark: readonly number[], encoding: string])[] = [
  [[0xef, 0xbb, 0xbf], 'utf-8'],
  [[0xff, 0xfe, 0, 0], 'utf-32le'],
  [[0, 0, 0xfe, 0xff], 'utf-32be'],
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
];
const DECLARED = /coding[:=]\s*([-\w.]+)/;

/** Undecodable bytes become U+FFFD; pip itself refuses such a file. */
export function decodeRequirements(bytes: Uint8Array): string {
  const { encoding, content } = encodingOf(bytes);
  const isLittleEndian = encoding.endsWith('le');
  if (encoding.startsWith('utf-32')) return decodeUtf32(content, isLittleEndian);
  if (LATIN_1.test(encoding)) return Buffer.from(content).toString('latin1');
  try {
    // Python's codecs for the machine's byte order also skip a second mark.
    return new TextDecoder(encoding, { ignoreBOM: !isLittleEndian }).decode(content);
  } catch {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(content);
  }
}

/** The encoding of a file that can't be decoded with it. Undefined if it can, or if only Python knows the encoding. */
export function undecodableAs(bytes: Uint8Array): string | undefined {
  const { encoding, content } = encodingOf(bytes);
  if (encoding.startsWith('utf-32') || LATIN_1.test(encoding)) return undefined;
  const decoder = decoderFor(encoding);
  try {
    decoder?.decode(content);
    return undefined;
  } catch {
    return encoding;
  }
}

function decoderFor(encoding: string): InstanceType<typeof TextDecoder> | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch {
    return undefined;
  }
}

/** For TextDecoder these names mean Windows-1252. */
const LATIN_1 = /^(iso-?8859-1|latin-?1|l1|ascii|us-ascii)$/;

function encodingOf(bytes: Uint8Array): { readonly encoding: string; readonly content: Uint8Array } {
  for (const [mark, encoding] of MARKS) {
    if (mark.every((byte, index) => bytes[index] === byte)) return { encoding, content: bytes.subarray(mark.length) };
  }
  const lines = Buffer.from(bytes.subarray(0, 4096)).toString('latin1').split('\n', 2);
  for (const line of lines) {
    const declared = line.startsWith('#') ? DECLARED.exec(line)?.[1] : undefined;
    if (declared !== undefined) return { encoding: declared.toLowerCase().replaceAll('_', '-'), content: bytes };
  }
  return { encoding: 'utf-8', content: bytes };
}

function decodeUtf32(bytes: Uint8Array, isLittleEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const characters: string[] = [];
  for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
    const point = view.getUint32(at, isLittleEndian);
    if (at === 0 && isLittleEndian && point === 0xfeff) continue;
    characters.push(point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? '\uFFFD' : String.fromCodePoint(point));
  }
  return characters.join('');
}
