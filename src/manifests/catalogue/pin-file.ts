// Parses a pin file: digests of the platform's archives by file name, either shipped or kept by an operator.

/** The digest of one archive. */
export interface Pin {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly sizeBytes: number;
  /** URL or path it was pinned from, without user and password; for people. */
  readonly from?: string;
  /** YYYY-MM-DD; for people. */
  readonly pinned?: string;
}

/** Returns the pins, or all problems with their places. */
export function parsePins(
  text: string,
):
  | { readonly ok: true; readonly pins: Readonly<Record<string, Pin>> }
  | { readonly ok: false; readonly problems: readonly string[] } {
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    return { ok: false, problems: [`The file is not valid JSON: ${(error as Error).message}`] };
  }
  const archives = isRecord(file) ? file['archives'] : undefined;
  if (!isRecord(archives)) return { ok: false, problems: ['The file has no object `archives`.'] };
  const problems = Object.entries(archives).flatMap(([name, pin]) =>
    problemsOf(pin).map((problem) => `archives["${name}"]: ${problem}`),
  );
  return problems.length === 0
    ? { ok: true, pins: archives as unknown as Readonly<Record<string, Pin>> }
    : { ok: false, problems };
}

function problemsOf(pin: unknown): readonly string[] {
  if (!isRecord(pin)) return ['the entry must be an object.'];
  const { sha256, sizeBytes, from, pinned, ...others } = pin;
  return [
    ...(typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)
      ? []
      : ['`sha256` must be 64 lower-case hexadecimal digits.']),
    ...(Number.isSafeInteger(sizeBytes) && (sizeBytes as number) > 0
      ? []
      : ['`sizeBytes` must be a positive integer.']),
    ...(from === undefined || typeof from === 'string' ? [] : ['`from` must be a string.']),
    ...(pinned === undefined || (typeof pinned === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(pinned))
      ? []
      : ['`pinned` must be a date, YYYY-MM-DD.']),
    ...Object.keys(others).map((name) => `unknown field \`${name}\`.`),
  ];
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
