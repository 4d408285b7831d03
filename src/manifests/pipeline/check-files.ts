// Files of nodes that are in no order: two that write the same, and one that reads what another writes.

import type { CheckContext } from './check-context.js';
import { excludeEachOther } from './guards.js';
import { isRecord } from './problem.js';
import { findUnorderedReads } from './reads.js';
import type { Wiring } from './wiring.js';
import { findConflicts } from './writes.js';

type IsPair = (a: number, b: number) => boolean;

export function checkFiles(wiring: Wiring, context: CheckContext): void {
  const { guards, isUncertain } = wiring;
  const aliases = aliasesOf(wiring, context);
  // Never both in one run, or not known well enough.
  const isExcused: IsPair = (a, b) =>
    isUncertain(a) ||
    isUncertain(b) ||
    excludeEachOther(guards.get(a), guards.get(b)) ||
    [...(aliases.get(a) ?? [])].some((alias) => aliases.get(b)?.has(alias));
  const inConflict = checkWrites(wiring, context, isExcused);
  checkReads(wiring, context, (a, b) => inConflict(a, b) || isExcused(a, b));
}

/** Of the candidates of one alias exactly one runs: node -> aliases. */
function aliasesOf({ inputs }: Wiring, { drafts }: CheckContext): ReadonlyMap<number, ReadonlySet<number>> {
  const aliases = new Map<number, Set<number>>();
  for (const { index, kind } of drafts) {
    for (const schema of Object.values<unknown>(kind?.manifest.outputs.properties ?? {})) {
      if (!isRecord(schema) || typeof schema['x-type-of'] !== 'string') continue;
      const source = inputs[index]?.find(({ port }) => port === schema['x-type-of']);
      for (const { producer } of source?.edges ?? []) {
        const known = aliases.get(producer);
        if (known) known.add(index);
        else aliases.set(producer, new Set([index]));
      }
    }
  }
  return aliases;
}

/** Tells whether a pair was reported. */
function checkWrites({ graph, order }: Wiring, { drafts, report }: CheckContext, isExcused: IsPair): IsPair {
  const { conflicts, gaveUp } = findConflicts(
    graph,
    order,
    drafts.map(({ writes }) => writes ?? []),
    isExcused,
  );
  for (const { earlier, later, patterns, others } of conflicts) {
    const [a, b] = [drafts[earlier], drafts[later]];
    if (!a || !b) continue;
    const what = patterns[0] === patterns[1] ? `\`${patterns[0]}\`` : `\`${patterns[0]}\` and \`${patterns[1]}\``;
    const more =
      others === 0
        ? ''
        : others === 1
          ? ' One more node collides with it.'
          : ` ${others >= 100 ? 'Many' : others} more nodes collide with it.`;
    report({
      code: 'pipeline::write-conflict',
      path: b.path,
      atKey: true,
      message: `\`${a.id}\` and \`${b.id}\` may write the same files, in no fixed order.`,
      reason: `Both write ${what}, and neither waits for the other.${more}`,
      remedy: `Add \`after: [${a.id}]\` to \`${b.id}\`, or the other way round; or give them guards that exclude each other.`,
    });
  }
  if (gaveUp) {
    report({
      code: 'pipeline::writes-unchecked',
      severity: 'warning',
      path: ['nodes'],
      atKey: true,
      message: 'Not all nodes were checked for writing the same files.',
      reason: 'There are too many patterns that begin with a wildcard.',
      remedy: 'Let `writes` begin with a folder name.',
    });
  }
  const told = new Set(conflicts.flatMap(({ earlier, later }) => [`${earlier} ${later}`, `${later} ${earlier}`]));
  return (a, b) => told.has(`${a} ${b}`);
}

/** Everything: such a node wants to see what there is, not something of another node; or may write anything, as hooks may. */
const WHOLE_APP = '**';

function checkReads({ graph, order }: Wiring, { drafts, report }: CheckContext, isExcused: IsPair): void {
  const { found } = findUnorderedReads(
    graph,
    order,
    drafts.map(({ reads }) => reads),
    drafts.map(({ writes }) => writes ?? []),
    isExcused,
  );
  for (const { reader, writer, read, written, others } of found) {
    const [a, b] = [drafts[reader], drafts[writer]];
    if (!a || !b) continue;
    const config = a.raw['with'];
    const list = isRecord(config) ? config['reads'] : undefined;
    const position = Array.isArray(list) ? list.indexOf(read) : -1;
    const what = read === written ? `\`${read}\`` : `\`${read}\`, where \`${b.id}\` writes \`${written}\``;
    const more = others === 0 ? '' : ` The same holds for ${others === 1 ? 'one more node' : `${others} more nodes`}.`;
    report({
      code: 'pipeline::unordered-read',
      ...((read === WHOLE_APP || written === WHOLE_APP) && { severity: 'warning' as const }),
      path: position >= 0 ? [...a.path, 'with', 'reads', position] : a.path,
      ...(position < 0 && { atKey: true as const }),
      message:
        read === written
          ? `\`${a.id}\` reads ${what}, which \`${b.id}\` writes, and does not wait for it.`
          : `\`${a.id}\` reads ${what}, and does not wait for it.`,
      reason: `A node sees what the nodes that it waits for have written; of others it sees nothing, or the app's own file.${more}`,
      remedy: `Add \`after: [${b.id}]\` to \`${a.id}\`. If it must not see that file, let it read less, or let \`${b.id}\` wait for \`${a.id}\`.`,
    });
  }
}
