// `pyflow catalogue`: shows and checks the data about Pythons, stacks and tools, and pins the platform's archives.

import type { Command } from './command.js';
import { CACHE_DIR_OPTION } from './run-options.js';
import { withSubcommands } from './subcommands.js';

/** Default of --max-age. */
const MAX_AGE_DAYS = 90;

const verbs = () => import('./catalogue-verbs.js');

export const command: Command = withSubcommands({
  name: 'catalogue',
  summary: 'Show or check the data about Python versions, stacks and tools, or pin an archive',
  subcommands: [
    {
      verb: 'ls',
      summary: 'List the data files with their age',
      options: ['json'],
      run: async (given, world) => (await verbs()).list(given, world),
    },
    {
      verb: 'show',
      operand: { placeholder: 'NAME', phrase: 'a NAME', remedy: '`pyflow catalogue ls` lists the names.' },
      summary: 'Print a data file',
      options: ['json'],
      run: async (_given, world, name) => (await verbs()).show(name, world),
    },
    {
      verb: 'check',
      summary: 'Show what is stale, missing or without a digest; exit with 2 if anything is',
      options: ['json', 'max-age', 'pins'],
      run: async (given, world) => (await verbs()).check(given, world, MAX_AGE_DAYS),
    },
    {
      verb: 'pin',
      operand: {
        placeholder: 'URL|FILE',
        phrase: 'the URL or FILE of an archive',
        remedy: 'See `pyflow help catalogue`.',
      },
      summary:
        "Download an archive of the platform's own Python and save its digest in a pin file, so that the provider `scalingo` can use it; check first that you trust its source",
      options: ['json', 'pins', 'sha256', 'replace', 'cache-dir'],
      run: async (given, world, place) => (await verbs()).pin(place, given, world),
    },
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
});
