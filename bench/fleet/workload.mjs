// What developers push: the same sequence for every policy and load, so that only those differ between two runs.

import { Random, Zipf } from './events.mjs';

export const MANAGERS = ['pip', 'pipenv', 'poetry', 'uv'];

/** Numbers for units and keys by their names. A unit is a set of files that come and go together. */
class Names {
  #units = new Map();
  #nodes = new Map();
  unitBytes = [];

  unit(name, bytes) {
    let number = this.#units.get(name);
    if (number === undefined) {
      number = this.unitBytes.push(bytes) - 1;
      this.#units.set(name, number);
    }
    return number;
  }

  /** The same object for the same name, so that a key is a number. */
  node(name, make) {
    let node = this.#nodes.get(name);
    if (node === undefined) {
      node = { key: this.#nodes.size, staysLocal: false, isSharedOnServer: true, ...make() };
      this.#nodes.set(name, node);
    }
    return node;
  }
}

/**
 * `{ pushes, unitBytes }`. A push is `{ gap, app, host, nodes }`: `gap` is the time since the push before it, with mean 1; `host` is
 * a number from 0 to 1 for a choice at random; `nodes` are the nodes of the pipeline that may be restored. Of a node that `staysLocal` it is known beforehand that the server doesn't
 * have it; one that is not `isSharedOnServer` is asked for in vain.
 */
export function makeWorkload(settings, count, seed) {
  const random = new Random(seed);
  const names = new Names();
  const world = makeWorld(settings, random);
  const pushes = Array.from({ length: count }, (_, index) => {
    const app = world.apps[world.appOrder.sample(random)];
    const days = index / settings.buildsPerHour / 24;
    change(app, { settings, random, world, days });
    const isReleased = settings.pythonRelease === 1 && index >= settings.warmUpBuilds;
    const nodes = nodesOf(app, { settings, names, world, isReleased });
    return { gap: random.exponential(1), app: app.number, host: random.next(), nodes };
  });
  return { pushes, unitBytes: names.unitBytes };
}

function makeWorld(settings, random) {
  const world = {
    minors: new Zipf(settings.pythonMinors, settings.pythonExponent),
    patches: new Zipf(settings.pythonPatches, 1),
    packageOrder: new Zipf(settings.packages, settings.packageExponent),
    appOrder: new Zipf(settings.apps, settings.appExponent),
    locks: 0,
  };
  world.packageBytes = sizesOfPackages(settings, random, world.packageOrder);
  const projects = Array.from({ length: settings.projects }, (_, number) =>
    makeProject(number, settings, random, world),
  );
  const projectOrder = new Zipf(settings.projects, settings.projectExponent);
  world.apps = Array.from({ length: settings.apps }, (_, number) => {
    const project = projects[projectOrder.sample(random)];
    return { number, project, python: project.python, lock: project.lock, source: 0 };
  });
  return world;
}

/** Scaled so that the mean over what lockfiles name is as wanted, whatever the seed gave to the most popular packages. */
function sizesOfPackages({ packages, packageBytes, packageSpread }, random, order) {
  const sizes = Array.from({ length: packages }, () => random.logNormal(1, packageSpread));
  const mean = sizes.reduce((sum, size, rank) => sum + size * order.probability(rank), 0);
  return sizes.map((size) => (size * packageBytes) / mean);
}

function makeProject(number, settings, random, world) {
  const share = random.next();
  const { pipenvShare, poetryShare, uvShare, packagedShare } = settings;
  const upTo = [1 - pipenvShare - poetryShare - uvShare, 1 - poetryShare - uvShare, 1 - uvShare, 1];
  const manager = MANAGERS[upTo.findIndex((limit) => share < limit)];
  const wanted = Math.max(1, Math.min(400, Math.round(random.logNormal(settings.lockMedian, settings.lockSpread))));
  const versions = new Map();
  while (versions.size < wanted) {
    // Somebody locked up to four releases ago; the clock of a package starts at a time of its own.
    versions.set(world.packageOrder.sample(random), -random.below(4));
  }
  return {
    number,
    manager,
    isPinned: manager !== 'pip' || random.isTrue(settings.hashedShare),
    isSourceBuilt: random.isTrue(settings.sourceBuiltShare),
    isPackage: (manager === 'poetry' || manager === 'uv') && random.isTrue(packagedShare),
    python: pythonOf(world, random),
    lock: { id: world.locks++, versions },
  };
}

const pythonOf = (world, random) => `${world.minors.sample(random)}.${world.patches.sample(random)}`;

/** What the push changes. An app that is behind its repository catches up; otherwise it is the first of its repository. */
function change(app, { settings, random, world, days }) {
  const kind = random.next();
  const { sourceShare, lockShare, pythonShare } = settings;
  if (kind < sourceShare + lockShare + pythonShare) app.source += 1;
  if (kind < sourceShare || kind >= sourceShare + lockShare + pythonShare) return;
  const { project } = app;
  if (kind < sourceShare + lockShare) {
    if (app.lock === project.lock) project.lock = nextLock(project.lock, { settings, random, world, days });
    app.lock = project.lock;
  } else {
    if (app.python === project.python) project.python = pythonOf(world, random);
    app.python = project.python;
  }
}

/** One package moves to its newest release; if that is the one it has, the app takes on another package. */
function nextLock({ versions }, { settings, random, world, days }) {
  const next = new Map(versions);
  const names = [...versions.keys()];
  const moved = names[random.below(names.length)];
  const newest = newestOf(moved, settings, days);
  if (next.get(moved) < newest) next.set(moved, newest);
  else {
    const added = world.packageOrder.sample(random);
    next.set(added, newestOf(added, settings, days));
  }
  return { id: world.locks++, versions: next };
}

/** Packages are released in turn, so that some have a new release at any time. */
const newestOf = (name, { releaseDays, packages }, days) => Math.floor(days / releaseDays + name / packages);

/** The nodes of `pipelines/python.yml` whose results may be shared, in the order in which their keys become known. */
function nodesOf(app, { settings, names, world, isReleased }) {
  const { project, lock } = app;
  // A catalogue with a new patch release moves every app that asked for the newest one of that minor version.
  const python = isReleased && app.python === '0.0' ? '0.new' : app.python;
  // Results that stay with their app have a key for each app.
  const owner = project.isPinned && !project.isSourceBuilt ? 'any' : app.number;
  lock.nodes ??= new Map();
  let nodes = lock.nodes.get(`${python} ${owner}`);
  if (nodes === undefined) {
    nodes = nodesOfLock(lock, { python, owner, project, settings, names, world });
    lock.nodes.set(`${python} ${owner}`, nodes);
  }
  return project.isPackage ? [...nodes, projectNode(app, { python, settings, names })] : nodes;
}

function nodesOfLock(lock, { python, owner, project, settings, names, world }) {
  const { manager, isPinned, isSourceBuilt } = project;
  const [minor] = python.split('.');
  const tool = names.unit(`tool ${manager} ${python}`, settings[`${manager}ToolBytes`]);
  // Bytecode, and many packages as a whole, are others for each minor version.
  const units = Array.from(lock.versions, ([name, version]) =>
    names.unit(`${name} ${version} ${minor}`, world.packageBytes[name]),
  );
  const of = `${manager} ${python}`;
  const nodes = [
    names.node(`runtime ${python}`, () => ({
      kind: 'runtime',
      units: [names.unit(`runtime ${python}`, settings.runtimeBytes)],
      seconds: settings.runtimeSeconds,
    })),
    names.node(`tool ${of}`, () => ({ kind: 'tool', units: [tool], seconds: settings[`${manager}ToolSeconds`] })),
    names.node(`dependencies ${of} ${lock.id} ${owner}`, () => ({
      kind: 'dependencies',
      units,
      seconds: settings[`${manager}DepsSeconds`] + units.length * settings[`${manager}PackageSeconds`],
      staysLocal: !isPinned,
      isSharedOnServer: !isSourceBuilt,
    })),
  ];
  // With uv and Poetry, nothing is added to the Python.
  if (manager === 'pip' || manager === 'pipenv') {
    const inSlug = { kind: 'runtime-tools', units: [tool], seconds: settings.runtimeToolsSeconds };
    nodes.splice(
      2,
      0,
      names.node(`runtime-tools ${of}`, () => inSlug),
    );
  }
  return nodes;
}

/** The app itself as a package. Its build tools are not pinned, so the result stays with the app. */
const projectNode = ({ number, source, lock }, { python, settings, names }) =>
  names.node(`project ${number} ${source} ${python} ${lock.id}`, () => ({
    kind: 'project',
    units: [names.unit(`project ${number} ${source}`, settings.projectBytes)],
    seconds: settings.projectSeconds,
    staysLocal: true,
  }));
