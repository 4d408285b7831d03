// What `pyflow verify` prints.

import { cleanText } from '../files/clean-text.js';
import { shownPath } from '../files/shown-path.js';
import type { Cause, Difference } from '../inspect/differences.js';
import type { Verification, VerifiedNode } from '../inspect/verification.js';

const MOST_LINES = 20;

export function verificationText({ runId, nodes, isReplayed }: Verification): string {
  const differing = nodes.filter(({ result }) => result === 'differs');
  const changed = nodes.filter(({ result }) => result === 'changed-inputs' || result === 'lost');
  const source = isReplayed ? 'from the record of its packages' : 'from package indexes, because it has no record';
  return `${[
    `Built again ${source}, and compared with run ${runId}.`,
    ...nodes.flatMap(nodeLines),
    ...(changed.length > 0
      ? ['The inputs of some nodes changed since that run. Run `pyflow run` first to compare them as well.']
      : []),
    verdict(nodes.length, differing.length, changed.length),
  ].join('\n')}\n`;
}

function verdict(all: number, differing: number, left: number): string {
  if (differing > 0) return `Differs: ${differing} of ${all} nodes.`;
  return left > 0 ? `Not verified: ${left} of ${all} nodes could not be compared.` : `Identical: ${all} nodes.`;
}

function nodeLines({ node, result, outputs = [], differences, count }: VerifiedNode): readonly string[] {
  if (result === 'same') return [];
  if (result === 'changed-inputs') return [`${node}: not compared, its inputs changed`];
  if (result === 'lost') return [`${node}: differs, but the cache has lost a layer`];
  const shown = differences.slice(0, MOST_LINES);
  return [
    `${node}: ${count} ${count === 1 ? 'file differs' : 'files differ'}`,
    ...outputs.map((name) => `  the output ${cleanText(name)} differs`),
    ...shown.map((difference) => `  ${shownPath(difference.path)}: ${reasonOf(difference)}`),
    ...(count > shown.length ? [`  ... and ${count - shown.length} more`] : []),
  ];
}

function reasonOf(difference: Difference): string {
  if (difference.type !== 'content') return STRUCTURE[difference.type];
  const { cause, offset, before, after } = difference;
  const reason = CAUSES[cause];
  return cause === 'too-large' || cause === 'compiled' || cause === 'record'
    ? reason
    : `${reason} (from byte ${offset}${before + after === '' ? '' : `: "${before}" before, "${after}" now`})`;
}

const STRUCTURE: Readonly<Record<Exclude<Difference['type'], 'content'>, string>> = {
  added: 'only in the new build',
  removed: 'only in the last run',
  kind: 'a file, folder or link before, and another of these now',
  mode: 'other permissions',
  link: 'the link has another target',
};

const CAUSES: Readonly<Record<Cause, string>> = {
  'line-order': 'the same lines in another order; sort them where the file is written',
  'build-path': 'contains the path of a temporary folder',
  time: 'contains the time of the build; use SOURCE_DATE_EPOCH',
  random: 'contains a random number or id',
  'gzip-time': 'the same content, compressed with another time; use gzip -n',
  archive: 'an archive with the same files in another order or with other times',
  bytecode: 'bytecode of the same code with another header',
  compiled: 'a compiled program or library',
  record: 'lists digests of files that differ',
  'too-large': 'too large to look inside, or lost from the cache',
  unknown: 'other content',
};
