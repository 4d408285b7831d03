// All data files of the catalogue by name, for listing, auditing and digesting. Plugins import the typed modules instead, so
// that a node loads only the data it needs.

import distributions from './data/distributions.json' with { type: 'json' };
import platformArchives from './data/platform-archives.json' with { type: 'json' };
import platformPins from './data/platform-pins.json' with { type: 'json' };
import releases from './data/python-releases.json' with { type: 'json' };
import runtimes from './data/python-runtimes.json' with { type: 'json' };
import sqlitePackages from './data/sqlite-packages.json' with { type: 'json' };
import stacks from './data/stacks.json' with { type: 'json' };
import pip from './data/tool-locks/pip.json' with { type: 'json' };
import pipenv from './data/tool-locks/pipenv.json' with { type: 'json' };
import poetry from './data/tool-locks/poetry.json' with { type: 'json' };
import setuptools from './data/tool-locks/setuptools.json' with { type: 'json' };
import uv from './data/tool-locks/uv.json' with { type: 'json' };
import tools from './data/tools.json' with { type: 'json' };

/** The head of every data file. */
interface Family {
  readonly about: string;
  /** Where the facts were read, with commits. */
  readonly source: readonly (string | object)[];
  /** YYYY-MM-DD: when they were read. */
  readonly retrieved: string;
  /** YYYY-MM-DD: the date of the facts, when the sources are older than `retrieved`. */
  readonly asOf?: string;
}
export type Families = Readonly<Record<string, Family>>;

/** By file name without `.json`, sorted. */
export const FAMILIES = {
  distributions,
  'platform-archives': platformArchives,
  'platform-pins': platformPins,
  'python-releases': releases,
  'python-runtimes': runtimes,
  'sqlite-packages': sqlitePackages,
  stacks,
  'tool-locks/pip': pip,
  'tool-locks/pipenv': pipenv,
  'tool-locks/poetry': poetry,
  'tool-locks/setuptools': setuptools,
  'tool-locks/uv': uv,
  tools,
} satisfies Families;
