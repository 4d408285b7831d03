// What the simulation assumes. Each row says where its value comes from; every value can be set on the command line.

const MB = 1e6;
const GiB = 1024 ** 3;
/** The files of a flask build: runtime, pip and packages. */
const FLASK_BYTES = 53.8 * MB;

const row = (source) => (value, unit, what) => ({ value, unit, source, what });
/** The question. */
const given = row('given');
/** On the machine of the benchmarks. */
const measured = row('measured');
/** By others. */
const published = row('published');
const assumed = row('assumed');

export const SETTINGS = {
  apps: given(10_000, '', 'Apps on the platform'),
  hosts: given(50, '', 'Build hosts'),
  buildsPerHour: given(
    1_000,
    '/h',
    'Builds in an hour, at times that are independent of each other; read it as your busiest hour',
  ),
  hostCacheBytes: given(10 * GiB, 'B', "A host's own cache, least recently used results go first (pyflow's default)"),
  appExponent: published(
    0.8,
    '',
    'Zipf exponent of builds by app; requests for web pages have 0.6 to 0.8 (Breslau et al., 1999)',
  ),
  pythonMinors: published(6, '', 'Minor versions of Python in use'),
  pythonExponent: published(
    0.75,
    '',
    'Zipf exponent of minor versions: 34, 20 and 15 %; the Python Developers Survey 2024 has 35, 21 and 15 %',
  ),
  pythonPatches: assumed(4, '', 'Patch releases in use of each minor version, Zipf with exponent 1'),
  projects: assumed(6_000, '', 'Source repositories; apps of one repository (staging, production) share lockfiles'),
  projectExponent: assumed(0.5, '', 'Zipf exponent of apps by repository'),
  packages: assumed(5_000, '', 'Packages that lockfiles draw from'),
  packageExponent: assumed(0.8, '', 'Zipf exponent of packages by lockfile'),
  lockMedian: assumed(20, '', 'Median number of packages in a lockfile; log-normal'),
  lockSpread: assumed(
    0.9,
    '',
    'Standard deviation of its logarithm; 1 lockfile in 70 is larger than that of LNbits (145)',
  ),
  packageBytes: measured(
    3.2 * MB,
    'B',
    'Mean size of an installed package: four examples and LNbits, 193 packages, 609 MB',
  ),
  packageSpread: assumed(1.5, '', 'Standard deviation of the logarithm of the size; log-normal'),
  releaseDays: assumed(30, 'd', 'Time between two releases of a package'),
  sourceShare: assumed(0.8, '', 'Pushes that change the source only'),
  lockShare: assumed(0.12, '', 'Pushes that move one package of the lockfile to its newest release'),
  pythonShare: assumed(0.01, '', 'Pushes that move the app to another Python; the rest change nothing'),
  pipenvShare: assumed(0.1, '', 'Repositories with Pipenv'),
  poetryShare: assumed(0.15, '', 'Repositories with Poetry'),
  uvShare: assumed(0.15, '', 'Repositories with uv; the rest use pip'),
  packagedShare: assumed(
    0.3,
    '',
    'Repositories of uv and Poetry that are packages: each change of the source runs a project node',
  ),
  hashedShare: assumed(
    0.1,
    '',
    'Repositories with pip whose requirements all have hashes; without them, results stay with their app',
  ),
  sourceBuiltShare: assumed(
    0.1,
    '',
    'Repositories with a package that is built from source: results stay with their app, as in all but its first install',
  ),
  pythonRelease: assumed(0, '', '1: a new patch release replaces the most used one when the measured time begins'),
  hostLifeHours: assumed(0, 'h', 'A host is replaced by an empty one after this time; 0: never'),

  runtimeBytes: measured(36 * MB, 'B', 'Files of a Python'),
  pipToolBytes: measured(10.7 * MB, 'B', 'Files of pip; they are in the slug as well'),
  pipenvToolBytes: measured(34.5 * MB, 'B', 'Files of Pipenv; they are in the slug as well'),
  poetryToolBytes: measured(72.3 * MB, 'B', 'Files of Poetry'),
  uvToolBytes: measured(60.2 * MB, 'B', 'Files of uv'),
  projectBytes: measured(0.03 * MB, 'B', 'Files of an app that is a package'),
  runtimeSeconds: measured(5.2, 's', 'Time to copy a Python of the machine; a download takes longer'),
  pipToolSeconds: measured(8.2, 's', 'Time to fetch pip'),
  pipenvToolSeconds: measured(8.7, 's', 'Time to fetch Pipenv'),
  poetryToolSeconds: measured(14.6, 's', 'Time to fetch Poetry'),
  uvToolSeconds: measured(4.9, 's', 'Time to fetch uv'),
  runtimeToolsSeconds: measured(1.7, 's', 'Time to add pip or Pipenv to the slug'),
  pipDepsSeconds: measured(2, 's', 'Time to install with pip, without packages'),
  pipPackageSeconds: measured(0.6, 's', 'Time for each package: 9 packages take 7.4 s'),
  pipenvDepsSeconds: measured(2, 's', 'The same with Pipenv'),
  pipenvPackageSeconds: measured(0.9, 's', '13 packages take 13.7 s'),
  poetryDepsSeconds: measured(2, 's', 'The same with Poetry'),
  poetryPackageSeconds: measured(1.25, 's', '6 packages, of which Django is one, take 9.5 s'),
  uvDepsSeconds: measured(0.5, 's', 'The same with uv'),
  uvPackageSeconds: measured(0.3, 's', '20 packages take 4.8 s, the 145 of LNbits 47 s'),
  projectSeconds: measured(3, 's', 'Time to install the app as a package: 2.3 s, LNbits 7.7 s'),
  otherSeconds: measured(2.5, 's', 'Start, nodes that no cache can save, and the slug'),
  cpuShare: measured(0.52, '', 'CPU time of an executed node by its time: 13 s in a cold flask build of 25 s'),

  lookUpSeconds: measured(
    0.0002,
    's',
    'Time of a server core for a look-up, and again for the layer and tree of a hit',
  ),
  serverReadSeconds: measured(
    0.16 / FLASK_BYTES,
    's/B',
    'Time of a server core to send files: 0.16 s for 53.8 MB (casd)',
  ),
  serverWriteSeconds: measured(
    1.32 / FLASK_BYTES,
    's/B',
    'Time of a server core to take files: 1.32 s for 53.8 MB (casd)',
  ),
  diskWriteSeconds: measured(
    2.6 / FLASK_BYTES,
    's/B',
    'Time of the server disk to write files: all of the 2.6 s of an upload of 53.8 MB (bazel-remote)',
  ),
  updateSeconds: measured(0.0015, 's', 'Time of the server disk to write a result (bazel-remote)'),
  findMissingSeconds: measured(
    0.035 / FLASK_BYTES,
    's/B',
    'Time of a server core to say which files it lacks: 35 ms for 53.8 MB',
  ),
  clientReadSeconds: measured(
    0.56 / FLASK_BYTES,
    's/B',
    'Time of a build to receive (0.25 s of CPU) and to store (0.31 s) 53.8 MB; one core',
  ),
  connectSeconds: measured(0.045, 's', 'Time to load the gRPC library; three round trips follow'),
  batchBytes: measured(3.9 * MB, 'B', 'Size of a batch of files'),
  batchesAtOnce: measured(4, '', 'Batches of one build or upload at once'),
  diskReadSeconds: assumed(1 / 1e9, 's/B', 'Time of the server disk to read files: nothing is in memory'),
  roundTrip: assumed(0.001, 's', 'Round trip between host and server in one data centre'),
  hostBandwidth: assumed(1e9, 'bit/s', 'Network of a host, each way'),
  serverBandwidth: assumed(10e9, 'bit/s', 'Network of the server, each way'),
  serverCores: assumed(4, '', 'Cores of the server'),
  serverCacheBytes: assumed(1e12, 'B', 'Disk of the server, least recently used results go first'),
  slots: assumed(4, '', 'Builds that a host runs at once'),
  ciHosts: assumed(5, '', 'Hosts that may write, where only CI builders may'),

  warmUpBuilds: assumed(100_000, '', 'Builds before the measured ones; they fill the caches and take no time'),
  measuredBuilds: assumed(12_000, '', 'Builds that are measured: half a day at 1x'),
};

/** The values alone, with changes such as `['roundTrip=0.02']`. */
export function settingsWith(changes = []) {
  const settings = Object.fromEntries(Object.entries(SETTINGS).map(([name, { value }]) => [name, value]));
  for (const change of changes) {
    const [name, text = ''] = change.split('=');
    const value = Number(text);
    if (!Object.hasOwn(settings, name))
      throw new Error(`no setting ${name}; there are ${Object.keys(SETTINGS).join(', ')}`);
    if (text === '' || !Number.isFinite(value) || value < 0) throw new Error(`${name} takes a number from 0`);
    settings[name] = value;
  }
  return settings;
}
