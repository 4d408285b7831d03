// What an install tells the package gateway: the indexes and the files that its manager may use.

import type { PackagePlan, ViewReader } from '../../../engine/sdk.js';
import { indexAddresses, lockedAddresses } from '../../../manifests/app/locked-files.js';
import { readToml } from '../../../manifests/app/toml-file.js';

/** The default of all managers. */
const PUBLIC_INDEX = 'https://pypi.org/simple';

interface Planned {
  /** Replaces the default index. */
  readonly index?: string | undefined;
  /** Several URLs may be in one text, separated by blanks. */
  readonly indexes?: readonly (string | undefined)[];
  /** URLs of pages of links. */
  readonly links?: readonly string[];
  readonly files?: PackagePlan['files'];
  /** App-relative: locks and settings whose addresses count too. */
  readonly from?: readonly string[];
}

export async function planPackages(view: ViewReader, planned: Planned): Promise<PackagePlan> {
  const { index = PUBLIC_INDEX, indexes = [], links = [], files = [], from = [] } = planned;
  const tables = await Promise.all(from.map(async (path) => tableOf(path, await view.read(path))));
  const urls = [index, ...indexes.flatMap((text) => (text ?? '').split(/\s+/)), ...tables.flatMap(indexAddresses)];
  return {
    indexes: [
      ...[...new Set(urls.filter((url) => url !== ''))].map((url) => ({ url, form: 'simple' as const })),
      ...links.map((url) => ({ url, form: 'links' as const })),
    ],
    files: [...files, ...tables.flatMap(lockedAddresses)],
  };
}

/** Undefined if it can't be read: then the manager says so. */
function tableOf(path: string, bytes: Buffer | undefined): unknown {
  if (bytes === undefined) return undefined;
  if (path.endsWith('.toml') || path.endsWith('uv.lock') || path.endsWith('poetry.lock')) {
    const read = readToml(bytes);
    return read.ok ? read.value : undefined;
  }
  try {
    return JSON.parse(bytes.toString()) as unknown;
  } catch {
    return undefined;
  }
}
