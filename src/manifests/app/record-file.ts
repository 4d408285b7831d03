// Reads the RECORD of an installed package: its files with digests and sizes, as CSV.

export interface RecordEntry {
  /** Relative to the folder that holds the metadata folder, as written. */
  readonly path: string;
  /** Such as `sha256`; absent where the installer wrote no digest. */
  readonly algorithm?: string;
  /** URL-safe base64 without padding. */
  readonly digest?: string;
  readonly size?: number;
}

/** More files than any package has. */
const MOST_ENTRIES = 500_000;

/** Lines that name no path are left out. */
export function parseRecord(text: string): readonly RecordEntry[] {
  const entries: RecordEntry[] = [];
  for (const line of text.split(/\r\n|\r|\n/, MOST_ENTRIES)) {
    const [path = '', hash = '', size = ''] = cellsOf(line);
    if (path === '') continue;
    const cut = hash.indexOf('=');
    entries.push({
      path,
      ...(cut > 0 && { algorithm: hash.slice(0, cut).toLowerCase(), digest: hash.slice(cut + 1).replace(/=+$/, '') }),
      ...(/^\d{1,15}$/.test(size) && { size: Number(size) }),
    });
  }
  return entries;
}

function cellsOf(line: string): readonly string[] {
  if (!line.includes('"')) return line.split(',', 3);
  const cells: string[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/y;
  while (cells.length < 3 && cell.lastIndex < line.length) {
    const found = cell.exec(line);
    if (found === null) break;
    cells.push(found[1]?.replaceAll('""', '"') ?? found[2] ?? '');
  }
  return cells;
}
