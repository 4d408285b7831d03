// Example apps as the groups build them: copied, built once with the network, and set back to a machine that has every
// file downloaded and nothing built.

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { bench, makeFolder, networkEnv, pyflowTime, remove, root, time } from './measure.mjs';

const EXAMPLES = {
  pip: 'flask-pip',
  pipenv: 'flask-sqlalchemy-pipenv',
  poetry: 'django-poetry',
  uv: 'fastapi-uv',
};

export const MANAGERS = Object.keys(EXAMPLES);

/** What a cache keeps of other people's bytes: they are the download cache of the comparison. */
const DOWNLOADED = ['downloads', 'apps'];

const built = new Map();

/** Builds a manager's example once, with the network; every group that needs it shares the result. */
export function buildExample(manager = 'pip') {
  let example = built.get(manager);
  if (example === undefined) {
    example = build((folder) => copyExample(manager, folder));
    built.set(manager, example);
  }
  return example;
}

/** A manager's example, maybe with the `first` or the `second` of the pins that bench/pins change. */
export function copyExample(manager, folder, pin) {
  remove(folder);
  cpSync(join(root, 'examples', EXAMPLES[manager]), folder, { recursive: true });
  if (pin !== undefined) time(['patch', '-p1', '-i', bench(`pins/${manager}-${pin}.patch`)], { cwd: folder });
}

/** An app that `put` puts into a folder; `{ reason }` where it cannot be built. */
export function build(put, options = []) {
  const folder = makeFolder();
  const app = { folder, app: join(folder, 'app'), slug: join(folder, 'slug'), cache: join(folder, 'cache'), options };
  const reportFile = join(folder, 'report.json');
  put(app.app);
  try {
    pyflowTime([...runArgs(app), '--report', reportFile], { env: networkEnv });
    // Twice, so that all that a first run remembers for later ones is there.
    pyflowTime(runArgs(app), { env: networkEnv });
  } catch (error) {
    return { reason: `it cannot be built here: ${briefly(error)}` };
  }
  const { nodes } = JSON.parse(readFileSync(reportFile, 'utf8'));
  const { version, provider } = Object.values(nodes).find(({ kind }) => kind === 'fetch-runtime').outputs;
  return { ...app, version, provider };
}

/** `id`: whose app it is; what is kept for an app is kept by it. */
export const runArgs = ({ app, slug, cache, id = 'bench', options = [] }) => [
  'run',
  join(root, 'pipelines/python.yml'),
  `--app=${app}`,
  `--out=${slug}`,
  `--cache-dir=${cache}`,
  `--app-id=${id}`,
  '--log=plain',
  ...options,
];

/** A new cache that has every file another one downloaded, and no result. */
export function cacheOfDownloads(from, cache) {
  remove(cache);
  mkdirSync(cache, { recursive: true });
  for (const part of DOWNLOADED) {
    if (existsSync(join(from, part))) cpSync(join(from, part), join(cache, part), { recursive: true });
  }
}

/** The archive that was downloaded, or the folder of the machine's interpreter that was copied. */
export function runtimeOf({ cache, provider, version }) {
  if (provider === 'system') {
    const pyenv = join(process.env.PYENV_ROOT ?? join(homedir(), '.pyenv'), 'versions', version);
    if (existsSync(pyenv)) return pyenv;
    throw new Error(`no folder of Python ${version} to build by hand from`);
  }
  const files = readdirSync(join(cache, 'downloads'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return files.sort((a, b) => statSync(b).size - statSync(a).size)[0];
}

/** The end of what a program printed, on one line. */
export const briefly = (error) => error.message.split('\n').slice(-8).join(' ').slice(0, 300);
