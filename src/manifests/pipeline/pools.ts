// The pools of a pipeline: declared with a size, or brought by a kind.

import type { Draft } from './nodes.js';
import { isRecord, Suggester, type Report } from './problem.js';

/** Size of a pool that a kind names and the file does not declare. */
const DEFAULT_SIZE = 4;

export function checkPools(
  section: unknown,
  drafts: readonly Draft[],
  report: Report,
): Readonly<Record<string, number>> {
  const sizes = isRecord(section) ? section : {};
  const pools: Record<string, number> = {};
  for (const [name, size] of Object.entries(sizes)) if (typeof size === 'number') pools[name] = size;
  const declared = new Set(Object.keys(sizes));
  const known = new Set([...declared, ...drafts.flatMap(({ kind }) => kind?.manifest.pool ?? [])]);
  const suggester = new Suggester();
  for (const { pool, raw, path } of drafts) {
    if (pool === undefined || pool === '') continue;
    if (!known.has(pool)) {
      report({
        code: 'pipeline::unknown-pool',
        path: raw['pool'] === undefined ? path : [...path, 'pool'],
        message: `There is no pool \`${pool}\`.`,
        reason: 'A node can use only a pool that the file declares with a size.',
        remedy:
          known.size === 0
            ? `Declare it at the top of the file: \`pools: { ${pool}: 4 }\`.`
            : suggester.remedy(pool, known, 'pool'),
      });
    } else if (!declared.has(pool)) pools[pool] = DEFAULT_SIZE;
  }
  return pools;
}
