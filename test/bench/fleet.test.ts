import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as fc from 'fast-check';

// bench/ is plain JavaScript, so its types are here.
type Resume = () => void;
type Wait = (resume: Resume) => void;
type Process = Generator<Wait, void>;
interface Clock {
  now: number;
  at(time: number, act: () => void): void;
  start(process: Process): void;
  wait(seconds: number): Wait;
  all(processes: readonly Process[], limit: number): Wait;
  run(): void;
}
interface Servers {
  use(seconds: number): Wait;
  utilization(seconds: number): number;
}
interface Numbers {
  next(): number;
  below(count: number): number;
  exponential(mean: number): number;
}
interface Events {
  readonly Simulation: new () => Clock;
  readonly Resource: new (clock: Clock, capacity: number) => Servers;
  readonly Random: new (seed: number) => Numbers;
  readonly Zipf: new (
    count: number,
    exponent: number,
  ) => { sample(random: Numbers): number; probability(rank: number): number };
}
interface Lru {
  readonly bytes: number;
  lookUp(key: number): boolean;
  hasUnit(unit: number): boolean;
  add(key: number, units: readonly number[]): void;
}
interface Node {
  readonly kind: string;
  readonly key: number;
  readonly units: readonly number[];
  readonly seconds: number;
  readonly staysLocal: boolean;
  readonly isSharedOnServer: boolean;
}
interface Workload {
  readonly pushes: readonly { gap: number; app: number; host: number; nodes: readonly Node[] }[];
  readonly unitBytes: readonly number[];
}
type Settings = Readonly<Record<string, number>>;
interface Figures {
  readonly builds: number;
  readonly seconds: number;
  readonly kinds: Readonly<Record<string, Readonly<Record<'wanted' | 'local' | 'remote' | 'executed', number>>>>;
  readonly bytesDown: number;
  readonly bytesUp: number;
  readonly executedSeconds: number;
  readonly added: readonly number[];
  readonly busy: Readonly<Record<string, number>>;
}
interface Options {
  readonly policy: string;
  readonly load?: number;
  readonly slotFactor?: number;
}

const load = async (name: string): Promise<unknown> =>
  import(new URL(`../../bench/fleet/${name}`, import.meta.url).href);
const { Simulation, Resource, Random, Zipf } = (await load('events.mjs')) as Events;
const { Cache } = (await load('cache.mjs')) as {
  readonly Cache: new (quota: number, unitBytes: readonly number[]) => Lru;
};
const { SETTINGS, settingsWith } = (await load('settings.mjs')) as {
  readonly SETTINGS: object;
  settingsWith(changes?: readonly string[]): Settings;
};
const { makeWorkload } = (await load('workload.mjs')) as {
  makeWorkload(settings: Settings, count: number, seed: number): Workload;
};
const { simulate, POLICIES } = (await load('simulate.mjs')) as {
  simulate(settings: Settings, workload: Workload, options: Options): Figures;
  readonly POLICIES: object;
};
const { assumptionsTable } = (await load('report.mjs')) as {
  assumptionsTable(settings: Settings, rows: object): string;
};

/** Customers arrive at random at a queue with so many servers. Gives the mean time in the queue, and the share of busy servers. */
function queue(servers: number, arrivalsPerSecond: number, customers: number): { waited: number; busy: number } {
  const clock = new Simulation();
  const resource = new Resource(clock, servers);
  const random = new Random(7);
  let waited = 0;
  function* customer(): Process {
    const arrivedAt = clock.now;
    const service = random.exponential(1);
    yield resource.use(service);
    waited += clock.now - arrivedAt - service;
  }
  const arrive = (left: number): void => {
    if (left === 0) return;
    clock.start(customer());
    clock.at(clock.now + random.exponential(1 / arrivalsPerSecond), () => arrive(left - 1));
  };
  arrive(customers);
  clock.run();
  return { waited: waited / customers, busy: resource.utilization(clock.now) };
}

/** Mean time in the queue of M/M/c with services of 1 s, by Erlang's C formula. */
function erlangWait(servers: number, arrivals: number): number {
  let term = 1;
  let sum = 0;
  for (let busy = 0; busy < servers; busy += 1) {
    sum += term;
    term *= arrivals / (busy + 1);
  }
  const full = term / (1 - arrivals / servers);
  return full / (sum + full) / (servers - arrivals);
}

describe('fleet simulation', () => {
  describe('queues', () => {
    for (const [servers, arrivals] of [
      [1, 0.5],
      [1, 0.8],
      [4, 3.2],
    ] as const) {
      it(`wait as long as the formula says with ${servers} servers and ${arrivals} arrivals in a service`, () => {
        const { waited, busy } = queue(servers, arrivals, 150_000);
        expect(waited / erlangWait(servers, arrivals)).to.be.closeTo(1, 0.06);
        expect(busy).to.be.closeTo(arrivals / servers, 0.01);
      });
    }

    it('are compared with a formula that is the one of M/M/1 for one server', () => {
      expect(erlangWait(1, 0.8)).to.be.closeTo(0.8 / (1 - 0.8), 1e-9);
    });

    it('run as many processes at once as they are allowed', () => {
      const clock = new Simulation();
      let now = 0;
      let most = 0;
      function* job(): Process {
        most = Math.max(most, ++now);
        yield clock.wait(1);
        now -= 1;
      }
      let endedAt = 0;
      function* main(): Process {
        yield clock.all(
          Array.from({ length: 10 }, () => job()),
          4,
        );
        endedAt = clock.now;
        yield clock.all([], 4);
      }
      clock.start(main());
      clock.run();
      expect({ most, endedAt }).to.deep.equal({ most: 4, endedAt: 3 });
    });
  });

  describe('the cache', () => {
    it('hits as often as the approximation of Che says under independent references', () => {
      const count = 2_000;
      const capacity = 200;
      const popularity = new Zipf(count, 0.8);
      const shares = Array.from({ length: count }, (_, rank) => popularity.probability(rank));
      // The characteristic time: how long until as many different ones were used as fit.
      let [low, high] = [0, 1e7];
      for (let step = 0; step < 100; step += 1) {
        const time = (low + high) / 2;
        const used = shares.reduce((sum, share) => sum + 1 - Math.exp(-share * time), 0);
        [low, high] = used < capacity ? [time, high] : [low, time];
      }
      const expected = shares.reduce((sum, share) => sum + share * (1 - Math.exp(-share * low)), 0);
      const units = shares.map(() => 1);
      const cache = new Cache(capacity, units);
      const random = new Random(3);
      let hits = 0;
      for (let request = 0; request < 120_000; request += 1) {
        const key = popularity.sample(random);
        const isHit = cache.lookUp(key);
        if (!isHit) cache.add(key, [key]);
        if (isHit && request >= 20_000) hits += 1;
      }
      expect(hits / 100_000).to.be.closeTo(expected, 0.01);
    });

    it('keeps what a plain list of results would keep, and counts shared units once', () => {
      const sizes = [1, 2, 3, 5, 8, 13];
      const result = fc.record({ key: fc.nat(9), asks: fc.boolean() });
      fc.assert(
        fc.property(
          fc.array(fc.uniqueArray(fc.nat(5), { minLength: 1 }), { minLength: 10, maxLength: 10 }),
          fc.array(result),
          (unitsOf, uses) => {
            const cache = new Cache(20, sizes);
            let kept: number[] = [];
            const unitsKept = (): Set<number> => new Set(kept.flatMap((key) => unitsOf[key]!));
            const bytesKept = (): number => [...unitsKept()].reduce((sum, unit) => sum + sizes[unit]!, 0);
            for (const { key, asks } of uses) {
              const isKept = kept.includes(key);
              if (asks) expect(cache.lookUp(key)).to.equal(isKept);
              else cache.add(key, unitsOf[key]!);
              if (isKept || !asks) kept = [...kept.filter((other) => other !== key), key];
              while (bytesKept() > 20) kept.shift();
              expect(cache.bytes).to.equal(bytesKept());
              expect(sizes.map((_, unit) => cache.hasUnit(unit))).to.deep.equal(
                sizes.map((_, unit) => unitsKept().has(unit)),
              );
            }
          },
        ),
      );
    });
  });

  const small = settingsWith([
    'apps=300',
    'projects=200',
    'packages=500',
    'hosts=6',
    'ciHosts=1',
    'buildsPerHour=600',
    'warmUpBuilds=1500',
    'measuredBuilds=1000',
    'hostCacheBytes=2e9',
  ]);
  const run = (settings: Settings, options: Options, seed = 1): Figures =>
    simulate(settings, makeWorkload(settings, settings['warmUpBuilds']! + settings['measuredBuilds']!, seed), options);

  it('gives the same figures for the same seed, and others for another', () => {
    const first = run(small, { policy: 'affinity-ci' });
    expect(run(small, { policy: 'affinity-ci' })).to.deep.equal(first);
    expect(run(small, { policy: 'affinity-ci' }, 2)).to.not.deep.equal(first);
  });

  it('accounts for every node, in each policy', () => {
    for (const policy of Object.keys(POLICIES)) {
      const { builds, kinds, bytesDown, bytesUp } = run(small, { policy });
      expect(builds, policy).to.equal(1000);
      for (const { wanted, local, remote, executed } of Object.values(kinds)) {
        expect(local + remote + executed, policy).to.equal(wanted);
      }
      expect(kinds['runtime']!.wanted, policy).to.equal(1000);
      if (['none', 'affinity'].includes(policy)) expect([bytesDown, bytesUp]).to.deep.equal([0, 0]);
      else expect(bytesDown, policy).to.be.greaterThan(0);
    }
  });

  it('executes least where all hosts write and read', () => {
    const seconds = Object.fromEntries(
      Object.keys(POLICIES).map((policy) => [policy, run(small, { policy }).executedSeconds]),
    );
    expect(seconds['all']).to.be.lessThan(seconds['ci']!).and.lessThan(seconds['affinity']!);
    expect(seconds['affinity']).to.be.lessThan(seconds['none']!);
    expect(seconds['affinity-all']).to.be.lessThan(seconds['affinity-ci']!);
  });

  it('executes nothing again where nothing changes and nothing is evicted', () => {
    const still = {
      ...small,
      sourceShare: 0,
      lockShare: 0,
      pythonShare: 0,
      hostCacheBytes: 1e15,
      warmUpBuilds: 20_000,
    };
    const { executedSeconds, bytesDown } = run(still, { policy: 'affinity' });
    expect({ executedSeconds, bytesDown }).to.deep.equal({ executedSeconds: 0, bytesDown: 0 });
  });

  it('is busy in proportion to the load until a resource is full', () => {
    const [one, four] = [run(small, { policy: 'all' }), run(small, { policy: 'all', load: 4 })];
    for (const resource of ['server cores', 'server disk', 'server network']) {
      expect(four.busy[resource]! / one.busy[resource]!, resource).to.be.closeTo(4, 0.4);
    }
    const full = run(small, { policy: 'none', load: 1000 });
    expect(full.busy['slots']).to.be.greaterThan(0.95).and.at.most(1);
  });

  it('adds up the time of one fetch on an idle server', () => {
    const bytes = 3e6;
    const node = { kind: 'runtime', key: 0, units: [0], seconds: 100, staysLocal: false, isSharedOnServer: true };
    // The first push fills the server from one host; the second comes to another.
    const pushes = [0, 0.99].map((host) => ({ gap: 1, app: 1, host, nodes: [node] }));
    const settings: Settings = { ...settingsWith(['hosts=2']), warmUpBuilds: 1, measuredBuilds: 1 };
    const of = (name: string): number => settings[name]!;
    const { added, bytesDown, kinds } = simulate(settings, { pushes, unitBytes: [bytes] }, { policy: 'all' });
    const asked = of('connectSeconds') + 5 * of('roundTrip') + 2 * of('lookUpSeconds');
    const fetched =
      of('roundTrip') +
      bytes * (of('diskReadSeconds') + of('serverReadSeconds') + of('clientReadSeconds')) +
      bytes * 8 * (1 / of('serverBandwidth') + 1 / of('hostBandwidth'));
    expect(added[0]).to.be.closeTo(asked + fetched, 1e-9);
    expect({ bytesDown, runtime: kinds['runtime'] }).to.deep.equal({
      bytesDown: bytes,
      runtime: { wanted: 1, local: 0, remote: 1, executed: 0 },
    });
  });

  it('asks the server for no result that stays with its app, and in vain for one that it can not have', () => {
    const settings: Settings = { ...settingsWith(['hosts=2']), warmUpBuilds: 1, measuredBuilds: 1 };
    const of = (name: string): number => settings[name]!;
    const added = (staysLocal: boolean): number | undefined => {
      const node = { kind: 'dependencies', key: 0, units: [0], seconds: 1, staysLocal, isSharedOnServer: false };
      const pushes = [0, 0.99].map((host) => ({ gap: 1, app: 1, host, nodes: [node] }));
      const figures = simulate(settings, { pushes, unitBytes: [1e6] }, { policy: 'all' });
      expect(figures).to.include({ bytesUp: 0, bytesDown: 0, executedSeconds: 1 });
      return figures.added[0];
    };
    expect(added(true)).to.equal(0);
    expect(added(false)).to.be.closeTo(of('connectSeconds') + 4 * of('roundTrip') + of('lookUpSeconds'), 1e-9);
  });

  it('refuses settings that it does not know', () => {
    expect(() => settingsWith(['host=3'])).to.throw('no setting host');
    expect(() => settingsWith(['hosts=many'])).to.throw('takes a number');
  });

  it('has the assumptions that its page lists (else: node bench/fleet.mjs --page docs/operators/fleet.md)', () => {
    const page = readFileSync(new URL('../../docs/operators/fleet.md', import.meta.url), 'utf8');
    expect(page.includes(assumptionsTable(settingsWith(), SETTINGS))).to.equal(true);
  });
});
