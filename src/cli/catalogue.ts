// `pyflow catalogue`: shows and checks the data about Pythons, stacks and tools, and pins the platform's archives.

import type { Command } from './command.js';
import { CACHE_DIR_OPTION } from './run-options.js';

/** Default of --max-age. */
const MAX_AGE_DAYS = 90;

export const command: Command = {
  name: 'catalogue',
  operands: 'ls | show NAME | check | pin URL|FILE',
  minOperands: 1,
  maxOperands: 2,
  summary: 'Show or check the data about Python versions, stacks and tools, or pin an archive',
  subcommands: [
    ['ls', 'List the data files with their age'],
    ['show NAME', 'Print a data file'],
    ['check', 'Show what is stale, missing or without a digest; exit with 2 if anything is'],
    [
      'pin URL|FILE',
      "Download an archive of the platform's own Python and save its digest in a pin file, so that the provider `scalingo` can use it; check first that you trust its source",
    ],
  ],
  options: [
    {
      name: 'pins',
      value: 'FILE',
      summary: 'With pin and check: the pin file (default: $PYFLOW_PINS); pin creates it if it is missing',
    },
    { name: 'sha256', value: 'HEX', summary: 'With pin: reject the archive unless it has this digest' },
    { name: 'replace', summary: 'With pin: replace the digest of an archive that is already pinned' },
    {
      name: 'max-age',
      value: 'DAYS',
      summary: `With check: age from which data counts as stale (default: ${MAX_AGE_DAYS})`,
    },
    CACHE_DIR_OPTION,
    { name: 'json', summary: 'Print JSON' },
  ],
  examples: [
    'pyflow catalogue check',
    'pyflow catalogue pin https://HOST/python-3.13.15-ubuntu-24.04-amd64.tar.zst --pins pins.json',
  ],
  run: async (given, world) => {
    const { run } = await import('./catalogue-verbs.js');
    return run(given, world, command, MAX_AGE_DAYS);
  },
};
