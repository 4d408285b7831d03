// A pipeline in which nodes copy and transform the value of an app variable that another node wrote, and the search for what they made.

import { createHash } from 'node:crypto';
import { Canary } from './canary.js';

export const VALUE = 'Blue-Heron_2291/quay';

/** The value, and what the nodes below make of it. */
export const madeOf = (value: string): Canary =>
  new Canary([value, [...value].reverse().join(''), createHash('sha256').update(value).digest('hex')]);

export const DERIVED = ['behind', 'copied', 'digested', 'encoded', 'reversed'] as const;

/** `tag`: in all files, so that no other test has made the same results. `value`: how the first node spells the value. */
export const derivingPipeline = (tag: string, value = '$NAME'): string => {
  const made = (id: string, from: string, command: string) => `
  ${id}:
    uses: command
    after: [${from}]
    with: { argv: [sh, -c, '${command} < ${from} > ${id}'], reads: [${from}], writes: [${id}] }`;
  return `pyflow: 1
nodes:
  source:
    uses: command
    with: { argv: [sh, -c, 'printf %s "${value}" > source'], appEnv: [NAME], writes: [source] }
  open:
    uses: command
    after: [source]
    with: { argv: [sh, -c, 'echo ${tag} > open'], writes: [open] }${[
      made('copied', 'source', `echo ${tag}; cat`),
      made('encoded', 'source', 'base64'),
      made('reversed', 'source', 'rev'),
      made('digested', 'source', 'sha256sum'),
      made('behind', 'digested', 'cut -c1-64'),
    ].join('')}
`;
};
