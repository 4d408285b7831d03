// Example apps for the groups: copied, built once with the network, and reset to a machine that has downloaded every file and
// built nothing.

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

/** The parts of a cache that are downloads; the comparison gets them too. */
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

/** A manager's example, optionally with the `first` or `second` patch of bench/pins. */
export function copyExample(manager, folder, pin) {
  remove(folder);
  cpSync(join(root, 'examples', EXAMPLES[manager]), folder, { recursive: true });
  if (pin !== undefined) time(['patch', '-p1', '-i', bench(`pins/${manager}-${pin}.patch`)], { cwd: folder });
}

/** Builds an app that `put` writes into a folder; gives `{ reason }` if that fails. */
export function build(put, options = []) {
  const folder = makeFolder();
  const app = { folder, app: join(folder, 'app'), slug: join(folder, 'slug'), cache: join(folder, 'cache'), options };
  const reportFile = join(folder, 'report.json');
  put(app.app);
  try {
    pyflowTime([...runArgs(app), '--report', reportFile], { env: networkEnv });
    // Twice, so that everything that a first run remembers for later ones is there.
    pyflowTime(runArgs(app), { env: networkEnv });
  } catch (error) {
    return { reason: `it cannot be built here: ${briefly(error)}` };
  }
  const { nodes } = JSON.parse(readFileSync(reportFile, 'utf8'));
  const { version, provider } = Object.values(nodes).find(({ kind }) => kind === 'fetch-runtime').outputs;
  return { ...app, version, provider };
}

/** `id`: the app's id, under which pyflow keeps what belongs to the app. */
export const runArgs = ({
  app,
  slug,
  cache,
  id = 'bench',
  options = [],
  pipeline = join(root, 'pipelines/python.yml'),
}) => [
  'run',
  pipeline,
  `--app=${app}`,
  `--out=${slug}`,
  `--cache-dir=${cache}`,
  `--app-id=${id}`,
  '--log=plain',
  ...options,
];

/** A new cache with every download of another one, and no result. */
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

/** The end of a program's output, on one line. */
export const briefly = (error) => error.message.split('\n').slice(-8).join(' ').slice(0, 300);
