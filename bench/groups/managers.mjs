// Each package manager's example with all downloads cached: cold, without its slug, with one pin changed, and as the second app
// on a machine; compared with the same steps by hand.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { briefly, buildExample, cacheOfDownloads, copyExample, MANAGERS, runArgs, runtimeOf } from '../built-app.mjs';
import {
  bench,
  brokenFigure,
  interleave,
  networkEnv,
  pyflowTime,
  ratioFigure,
  remove,
  root,
  setAside,
  skippedFigure,
  time,
} from '../measure.mjs';

const MOST_ROUNDS = 3;
// pyflow downloads nothing here, and reading further CA certificates would double the start of Node.
const { NODE_EXTRA_CA_CERTS: _unused, ...appEnv } = networkEnv;
const TOOLS = JSON.parse(readFileSync(join(root, 'src/manifests/catalogue/data/tools.json'), 'utf8')).tools;

export function managers({ rounds }) {
  return MANAGERS.flatMap((manager) => {
    try {
      return measureManager(manager, Math.min(rounds, MOST_ROUNDS));
    } catch (error) {
      return [brokenFigure(manager, error)];
    }
  });
}

function measureManager(manager, rounds) {
  const names = {
    cold: `${manager}, cold, downloads warm`,
    gone: `${manager}, slug gone, against cp -a of it`,
    pin: `${manager}, one pin changed, against cold by hand`,
    pinOfCold: `${manager}, one pin changed, against cold`,
    second: `${manager}, second app, against the install command alone`,
  };
  const skipAll = (reason) => Object.values(names).map((name) => skippedFigure(name, reason));
  const ready = buildExample(manager);
  if (ready.reason !== undefined) return skipAll(ready.reason);
  const stage = setStage(manager, ready);
  const hand = byHand(manager, ready, stage.first.app, join(stage.folder, 'hand'));
  const secondHand = byHand(manager, ready, stage.second.app, join(stage.folder, 'second-hand'));
  try {
    // Once untimed, which fills their download cache.
    hand.build();
    secondHand.prepare();
    secondHand.install();
  } catch (error) {
    return skipAll(`the example cannot be built by hand here: ${briefly(error)}`);
  }
  const steps = [
    { name: 'cold', before: stage.reset, floor: hand.build, pyflow: () => stage.run('cold') },
    { name: 'gone', floor: stage.copySlug, pyflow: () => stage.run('gone') },
    { name: 'pin', before: stage.changePin, pyflow: () => stage.run('pin') },
    { name: 'second', before: secondHand.makeReady, floor: secondHand.install, pyflow: () => stage.run('second') },
  ];
  const { cold, gone, pin, second } = interleave(rounds, steps);
  remove(stage.folder);
  return [
    ratioFigure(`${names.cold} (${ready.provider} ${ready.version})`, cold, 1.15),
    ratioFigure(names.gone, gone, 1.5),
    ratioFigure(names.pin, { floor: cold.floor, pyflow: pin.pyflow }, 0.6),
    ratioFigure(names.pinOfCold, { floor: cold.pyflow, pyflow: pin.pyflow }),
    ratioFigure(names.second, second, 1.3),
  ];
}

/** The outcomes of runtime, tool and packages that a figure's name implies. */
const OUTCOMES = {
  cold: ['executed', 'executed', 'executed'],
  gone: ['up-to-date', 'up-to-date', 'up-to-date'],
  pin: ['up-to-date', 'up-to-date', 'executed'],
  second: ['restored', 'restored', 'executed'],
};

/** Two apps on one machine that differ in one pin, and the states in which they are measured. */
function setStage(manager, ready) {
  const folder = join(ready.folder, 'managers');
  const [cache, downloads, copy, reportFile] = ['cache', 'downloads', 'copy', 'report.json'].map((n) =>
    join(folder, n),
  );
  const first = { app: join(folder, 'app'), slug: join(folder, 'slug'), cache };
  const second = { app: join(folder, 'second-app'), slug: join(folder, 'second-slug'), cache, id: 'second' };
  const changePin = () => copyExample(manager, first.app, 'first');
  const reset = () => {
    setAside(first.slug, second.slug, cache);
    cacheOfDownloads(downloads, cache);
    copyExample(manager, first.app);
  };
  const run = (what) => {
    const app = what === 'second' ? second : first;
    if (what === 'gone' || what === 'second') setAside(app.slug);
    const elapsed = pyflowTime([...runArgs(app), '--report', reportFile], { env: appEnv });
    const { nodes } = JSON.parse(readFileSync(reportFile, 'utf8'));
    const outcomes = ['runtime', `${manager}-tool`, manager].map((node) => nodes[node].outcome);
    if (outcomes.join() !== OUTCOMES[what].join()) throw new Error(`${manager}, ${what}: ${outcomes.join(', ')}`);
    return elapsed;
  };

  // Downloads for the changed apps are cached too.
  cacheOfDownloads(ready.cache, cache);
  changePin();
  copyExample(manager, second.app, 'second');
  // The install command collects no static files.
  mkdirSync(join(second.app, '.scalingo'));
  writeFileSync(join(second.app, '.scalingo/collectstatic_disabled'), '');
  for (const app of [first, second]) pyflowTime(runArgs(app), { env: networkEnv });
  cacheOfDownloads(cache, downloads);
  reset();
  const copySlug = () => {
    setAside(copy);
    return time(['cp', '-a', first.slug, copy]);
  };
  return { folder, first, second, reset, changePin, copySlug, run };
}

/** The same steps by hand, each in milliseconds. */
function byHand(manager, ready, app, folder) {
  mkdirSync(folder);
  const { version } = TOOLS[manager];
  const [work, prepared, out] = ['work', 'prepared', 'slug'].map((name) => join(folder, name));
  const minor = ready.version.split('.').slice(0, 2).join('.');
  const isWithSetuptools = TOOLS.setuptools.installedFor.includes(minor);
  const run = (what) =>
    time(
      [
        'bash',
        bench('by-hand.sh'),
        what,
        manager,
        version,
        runtimeOf(ready),
        app,
        work,
        join(folder, 'downloads'),
        out,
      ],
      { env: { ...networkEnv, SETUPTOOLS: isWithSetuptools ? TOOLS.setuptools.version : '' } },
    );
  return {
    build: () => {
      setAside(work, `${work}.tool`, out);
      return run('build');
    },
    prepare: () => {
      setAside(work, `${work}.tool`, prepared);
      run('prepare');
      time(['cp', '-a', work, prepared]);
    },
    /** A runtime and a tool, ready for the packages. */
    makeReady: () => {
      setAside(work);
      time(['cp', '-a', prepared, work]);
    },
    install: () => run('install'),
  };
}
