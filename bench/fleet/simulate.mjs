// One run of the simulation: hosts with a cache each, a server with a cache for all, and builds that arrive.

import { Cache } from './cache.mjs';
import { Resource, Simulation } from './events.mjs';

/** Ways to run a fleet: where a build goes, and who uses the shared cache. */
export const POLICIES = {
  none: { title: 'no shared cache', isShared: false, writers: 'none', hasAffinity: false },
  ci: { title: 'shared, CI builders write', isShared: true, writers: 'ci', hasAffinity: false },
  all: { title: 'shared, all hosts write', isShared: true, writers: 'all', hasAffinity: false },
  affinity: { title: 'affinity', isShared: false, writers: 'none', hasAffinity: true },
  'affinity-ci': { title: 'affinity, CI builders write', isShared: true, writers: 'ci', hasAffinity: true },
  'affinity-all': { title: 'affinity, all hosts write', isShared: true, writers: 'all', hasAffinity: true },
};

/**
 * `load` divides the time between builds; `slotFactor` multiplies the builds that a host runs at once. The first `warmUpBuilds` pushes
 * fill the caches and take no time.
 */
export function simulate(settings, workload, { policy, load = 1, slotFactor = 1 }) {
  const fleet = makeFleet(settings, workload, { policy: POLICIES[policy], load, slotFactor });
  const { pushes } = workload;
  const { warmUpBuilds } = settings;
  for (let index = 0; index < warmUpBuilds; index += 1) {
    const host = chooseHost(fleet, pushes[index], index);
    passThrough(build(fleet, host, pushes[index]));
  }
  fleet.isWarm = true;
  fleet.figures = noFigures();
  const { simulation, figures } = fleet;
  const secondsPerBuild = 3600 / (settings.buildsPerHour * load);
  const arrive = (index) => {
    if (index === pushes.length) {
      figures.seconds = simulation.now;
      figures.busy = busyNow(fleet);
      return;
    }
    simulation.start(queuedBuild(fleet, chooseHost(fleet, pushes[index], index), pushes[index]));
    simulation.at(simulation.now + pushes[index].gap * secondsPerBuild, () => arrive(index + 1));
  };
  simulation.at(0, () => arrive(warmUpBuilds));
  simulation.run();
  return { ...figures, serverBytes: fleet.server.cache.bytes };
}

/** Runs a process to its end without waiting for anything. */
function passThrough(process) {
  while (!process.next().done);
}

const noFigures = () => ({
  builds: 0,
  /** By kind: how often a result was wanted, and where it came from. */
  kinds: {},
  bytesDown: 0,
  bytesUp: 0,
  executedSeconds: 0,
  savedSeconds: 0,
  /** Seconds by build, by look-up and by fetch of files. */
  added: [],
  addedIfAsked: [],
  lookUps: [],
  fetches: [],
  slotWaits: [],
  buildTimes: [],
});

function makeFleet(settings, { unitBytes }, { policy, load, slotFactor }) {
  const simulation = new Simulation();
  const newCache = () => new Cache(settings.hostCacheBytes, unitBytes);
  return {
    settings,
    policy,
    load,
    unitBytes,
    newCache,
    simulation,
    isWarm: false,
    figures: noFigures(),
    hosts: Array.from({ length: settings.hosts }, (_, number) => ({
      number,
      life: 0,
      cache: newCache(),
      slots: new Resource(simulation, settings.slots * slotFactor),
      networkIn: new Resource(simulation, 1),
      networkOut: new Resource(simulation, 1),
      mayWrite: policy.writers === 'all' || (policy.writers === 'ci' && number < settings.ciHosts),
    })),
    server: {
      cache: new Cache(settings.serverCacheBytes, unitBytes),
      cores: new Resource(simulation, settings.serverCores),
      disk: new Resource(simulation, 1),
      networkIn: new Resource(simulation, 1),
      networkOut: new Resource(simulation, 1),
    },
  };
}

/**
 * The first host with a free slot, from the app's own host on or from one at random; if all are full, that one. A full host thus
 * passes builds on to the next, as in consistent hashing with bounded loads.
 */
function chooseHost(fleet, push, index) {
  const { hosts, settings } = fleet;
  const first = fleet.policy.hasAffinity ? hashOf(push.app) % hosts.length : Math.floor(push.host * hosts.length);
  let host = hosts[first];
  for (let step = 0; step < hosts.length; step += 1) {
    const next = hosts[(first + step) % hosts.length];
    if (next.slots.load < next.slots.capacity) {
      host = next;
      break;
    }
  }
  if (settings.hostLifeHours > 0) {
    // Hosts are replaced one after the other, so that the fleet never begins empty.
    const life = Math.floor(index / settings.buildsPerHour / settings.hostLifeHours + host.number / hosts.length);
    if (life !== host.life) {
      host.life = life;
      host.cache = fleet.newCache();
    }
  }
  return host;
}

/** Apps have numbers in the order of their popularity: mixed, so that neighbours don't share a host. */
const hashOf = (number) => Math.imul(number + 1, 0x9e3779b1) >>> 8;

function* queuedBuild(fleet, host, push) {
  const { simulation, figures } = fleet;
  const arrivedAt = simulation.now;
  yield host.slots.acquire();
  figures.slotWaits.push(simulation.now - arrivedAt);
  yield* build(fleet, host, push);
  host.slots.release();
  figures.buildTimes.push(simulation.now - arrivedAt);
}

/** Nodes in order: from the host's cache, else from the server, else executed. Files are fetched where a node or the slug wants them. */
function* build(fleet, host, { nodes }) {
  const { settings, simulation, figures, policy } = fleet;
  const restored = [];
  let addedSeconds = 0;
  let hasAsked = false;
  for (const node of nodes) {
    const counts = (figures.kinds[node.kind] ??= { wanted: 0, local: 0, remote: 0, executed: 0 });
    counts.wanted += 1;
    if (host.cache.lookUp(node.key)) {
      counts.local += 1;
      continue;
    }
    if (policy.isShared && !node.staysLocal) {
      const askedAt = simulation.now;
      if (!hasAsked) yield simulation.wait(settings.connectSeconds + 3 * settings.roundTrip);
      hasAsked = true;
      const isHit = yield* lookUp(fleet, node);
      addedSeconds += simulation.now - askedAt;
      if (isHit) {
        counts.remote += 1;
        figures.savedSeconds += node.seconds;
        restored.push(node);
        continue;
      }
    }
    addedSeconds += yield* fetchFiles(fleet, host, restored.splice(0));
    counts.executed += 1;
    figures.executedSeconds += node.seconds;
    yield simulation.wait(node.seconds);
    host.cache.add(node.key, node.units);
    if (host.mayWrite && !node.staysLocal && node.isSharedOnServer) startUpload(fleet, host, node);
  }
  // A tool is not in the slug, so its files stay on the server unless a node after it was executed.
  addedSeconds += yield* fetchFiles(
    fleet,
    host,
    restored.filter(({ kind }) => kind !== 'tool'),
  );
  figures.builds += 1;
  figures.added.push(addedSeconds);
  if (hasAsked) figures.addedIfAsked.push(addedSeconds);
  yield simulation.wait(settings.otherSeconds);
}

/** Gives whether the server has the result. A hit takes a second round trip, for the layer and its tree. */
function* lookUp({ settings, simulation, figures, server }, { key }) {
  const askedAt = simulation.now;
  yield simulation.wait(settings.roundTrip);
  yield server.cores.use(settings.lookUpSeconds);
  const isHit = server.cache.lookUp(key);
  if (isHit) {
    yield simulation.wait(settings.roundTrip);
    yield server.cores.use(settings.lookUpSeconds);
  }
  figures.lookUps.push(simulation.now - askedAt);
  return isHit;
}

/** Fetches what the host lacks of these results, publishes them on the host, and gives the seconds that it took. */
function* fetchFiles(fleet, host, nodes) {
  const { simulation, figures } = fleet;
  const bytes = lackingBytes(fleet, host.cache, nodes);
  const beganAt = simulation.now;
  if (bytes > 0) {
    figures.bytesDown += bytes;
    if (fleet.isWarm) {
      const client = new Resource(simulation, 1);
      const batches = batchesOf(bytes, fleet.settings).map((size) => readBatch(fleet, host, client, size));
      yield simulation.all(batches, fleet.settings.batchesAtOnce);
    }
    figures.fetches.push(simulation.now - beganAt);
  }
  for (const { key, units } of nodes) host.cache.add(key, units);
  return simulation.now - beganAt;
}

/** Bytes of the units that a cache lacks; each counts once. */
function lackingBytes({ unitBytes }, cache, nodes) {
  const lacking = new Set();
  for (const { units } of nodes) {
    for (const unit of units) if (!cache.hasUnit(unit)) lacking.add(unit);
  }
  let bytes = 0;
  for (const unit of lacking) bytes += unitBytes[unit];
  return bytes;
}

function* readBatch({ settings, simulation, server }, host, client, bytes) {
  yield simulation.wait(settings.roundTrip);
  yield server.disk.use(bytes * settings.diskReadSeconds);
  yield server.cores.use(bytes * settings.serverReadSeconds);
  yield server.networkOut.use((bytes * 8) / settings.serverBandwidth);
  yield host.networkIn.use((bytes * 8) / settings.hostBandwidth);
  yield client.use(bytes * settings.clientReadSeconds);
}

function startUpload(fleet, host, node) {
  if (fleet.isWarm) fleet.simulation.start(upload(fleet, host, node));
  else passThrough(upload(fleet, host, node));
}

/** Beside the build: what the server lacks, and then the result. */
function* upload(fleet, host, node) {
  const { settings, simulation, figures, server, unitBytes } = fleet;
  const { key, units } = node;
  const allBytes = units.reduce((sum, unit) => sum + unitBytes[unit], 0);
  yield simulation.wait(settings.roundTrip);
  yield server.cores.use(allBytes * settings.findMissingSeconds);
  const bytes = lackingBytes(fleet, server.cache, [node]);
  figures.bytesUp += bytes;
  if (fleet.isWarm && bytes > 0) {
    const batches = batchesOf(bytes, settings).map((size) => writeBatch(fleet, host, size));
    yield simulation.all(batches, settings.batchesAtOnce);
  }
  yield simulation.wait(settings.roundTrip);
  yield server.disk.use(settings.updateSeconds);
  server.cache.add(key, units);
}

function* writeBatch({ settings, simulation, server }, host, bytes) {
  yield host.networkOut.use((bytes * 8) / settings.hostBandwidth);
  yield server.networkIn.use((bytes * 8) / settings.serverBandwidth);
  yield server.cores.use(bytes * settings.serverWriteSeconds);
  yield server.disk.use(bytes * settings.diskWriteSeconds);
  yield simulation.wait(settings.roundTrip);
}

function batchesOf(bytes, { batchBytes }) {
  const count = Math.ceil(bytes / batchBytes);
  return Array.from({ length: count }, () => bytes / count);
}

/**
 * Share of each resource that was busy up to now. Of slots the mean, because full hosts pass builds on; of the networks of hosts, the
 * busiest.
 */
function busyNow({ hosts, server, simulation }) {
  const of = (resource) => resource.utilization(simulation.now);
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const slots = hosts.map(({ slots }) => of(slots));
  return {
    slots: mean(slots),
    'host network, busiest': Math.max(...hosts.map((host) => Math.max(of(host.networkIn), of(host.networkOut)))),
    'server cores': of(server.cores),
    'server disk': of(server.disk),
    'server network': Math.max(of(server.networkIn), of(server.networkOut)),
  };
}
