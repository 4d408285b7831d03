// Parses sizes such as `512m` and `1g`.

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };

/** In bytes. Undefined when the text is not a size, or the size is zero. */
export function parseSize(text: string): number | undefined {
  const match = /^([0-9]{1,12})([kmgt]?)$/i.exec(text);
  const bytes = match === null ? 0 : Number(match[1]) * (UNIT_BYTES[(match[2] ?? '').toLowerCase()] ?? 0);
  return bytes > 0 && Number.isSafeInteger(bytes) ? bytes : undefined;
}
