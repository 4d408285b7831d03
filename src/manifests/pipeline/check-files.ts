// Finds unordered nodes that share files: both write a file, or one reads what the other writes.

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
  // The two never run together, or their order is unknown.
  const isExcused: IsPair = (a, b) =>
    isUncertain(a) ||
    isUncertain(b) ||
    excludeEachOther(guards.get(a), guards.get(b)) ||
    [...(aliases.get(a) ?? [])].some((alias) => aliases.get(b)?.has(alias));
  const inConflict = checkWrites(wiring, context, isExcused);
  checkReads(wiring, context, (a, b) => inConflict(a, b) || isExcused(a, b));
}

/** Maps nodes to the aliases they feed. Of the candidates of one alias, exactly one runs. */
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

/** Returns whether a pair was reported. */
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
    const [first, second] = patterns;
    const what =
      first === second
        ? `Both write \`${first}\``
        : `\`${a.id}\` writes \`${first}\`, \`${b.id}\` writes \`${second}\``;
    const more =
      others === 0
        ? ''
        : others === 1
          ? ` One more node conflicts with \`${b.id}\`.`
          : ` ${others >= 100 ? 'Many' : others} more nodes conflict with \`${b.id}\`.`;
    report({
      code: 'pipeline::write-conflict',
      path: b.path,
      atKey: true,
      message: `\`${a.id}\` and \`${b.id}\` may write the same files, but are not ordered.`,
      reason: `${what}, and neither waits for the other.${more}`,
      remedy: `Add \`after: [${a.id}]\` to \`${b.id}\`, or \`after: [${b.id}]\` to \`${a.id}\`. If at most one of them should run, give them \`when\` conditions that exclude each other.`,
    });
  }
  if (gaveUp) {
    report({
      code: 'pipeline::writes-unchecked',
      severity: 'warning',
      path: ['nodes'],
      atKey: true,
      message: 'pyflow did not check all nodes for conflicting writes.',
      reason: 'Too many patterns in `writes` begin with a wildcard.',
      remedy: 'Begin the patterns in `writes` with a folder name, such as `out/*.txt`.',
    });
  }
  const told = new Set(conflicts.flatMap(({ earlier, later }) => [`${earlier} ${later}`, `${later} ${earlier}`]));
  return (a, b) => told.has(`${a} ${b}`);
}

/** A node that reads this looks at whatever exists; one that writes it, such as a hook, may write anything. */
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
    const more = others === 0 ? '' : ` The same applies to ${others === 1 ? 'one more node' : `${others} more nodes`}.`;
    report({
      code: 'pipeline::unordered-read',
      ...((read === WHOLE_APP || written === WHOLE_APP) && { severity: 'warning' as const }),
      path: position >= 0 ? [...a.path, 'with', 'reads', position] : a.path,
      ...(position < 0 && { atKey: true as const }),
      message:
        read === written
          ? `\`${a.id}\` reads \`${read}\`, which \`${b.id}\` writes, but does not wait for \`${b.id}\`.`
          : `\`${a.id}\` reads \`${read}\` and \`${b.id}\` writes \`${written}\`, but \`${a.id}\` does not wait for \`${b.id}\`.`,
      reason: `A node sees the app and what the nodes that it waits for have written, so it may miss the file or see the app's version.${more}`,
      remedy: `Add \`after: [${b.id}]\` to \`${a.id}\`. If \`${a.id}\` must not see that file, narrow its \`reads\`, or add \`after: [${a.id}]\` to \`${b.id}\`.`,
    });
  }
}
