// `pyflow cache`: what the cache holds, whether it is whole, and making room.

import { complain, didYouMean, type Command, type Given } from './command.js';
import type { World } from './world.js';

const VERBS = ['ls', 'show', 'verify', 'gc', 'clear'] as const;

export const command: Command = {
  name: 'cache',
  operands: 'ls | show KEY | verify | gc | clear',
  minOperands: 1,
  maxOperands: 2,
  summary: 'List, show, verify, shrink or clear the cache',
  details: [
    '  ls        list the stored results',
    '  show KEY  show one: what its key was made from and what it left; the beginning of a key will do',
    '  verify    digest everything again; what is damaged is removed, so that the next run makes it anew',
    '  gc        remove what was not used for longest, until the cache is small enough',
    '  clear     remove everything that can be made anew',
  ].join('\n'),
  options: [
    {
      name: 'cache-dir',
      value: 'DIR',
      summary: 'Cache (default: $PYFLOW_CACHE_DIR, else $XDG_CACHE_HOME/pyflow, else ~/.cache/pyflow)',
    },
    {
      name: 'max-size',
      value: 'SIZE',
      summary: 'With gc: how large the cache may stay, e.g. 500MB or 2GiB (default: 10GiB)',
    },
    { name: 'max-age', value: 'AGE', summary: 'With gc: remove results not used for so long, e.g. 12h or 30d' },
    { name: 'json', summary: 'Print JSON' },
  ],
  examples: ['pyflow cache gc --max-size 2GiB', 'pyflow cache verify'],
  run,
};

async function run(given: Given, world: World): Promise<number> {
  const [verb = '', key] = given.operands;
  if (!(VERBS as readonly string[]).includes(verb)) {
    return complain(world, {
      message: `pyflow cache cannot "${verb}".`,
      remedy: `It takes ls, show KEY, verify, gc or clear.${didYouMean(verb, VERBS)}`,
    });
  }
  if (verb === 'show' && key === undefined) {
    return complain(world, { message: 'pyflow cache show needs a KEY.', remedy: '`pyflow cache ls` lists the keys.' });
  }
  if (verb !== 'show' && key !== undefined) {
    return complain(world, { message: `There is nothing for "${key}" to be.`, remedy: 'See `pyflow help cache`.' });
  }
  return 0;
}
