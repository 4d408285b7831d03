// The figures of runs as tables in Markdown.

import { POLICIES } from './simulate.mjs';

const KINDS = ['runtime', 'tool', 'runtime-tools', 'dependencies', 'project'];
/** Above this share of a resource, waiting times grow quickly. */
export const FULL = 0.8;

export const quantile = (values, share) => {
  if (values.length === 0) return 0;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
};

/** What is kept of a run: plain numbers, per hour at the load of the run. */
export function summaryOf(figures) {
  const hours = figures.seconds / 3600;
  const spread = (values) => ({ p50: quantile(values, 0.5), p95: quantile(values, 0.95), p99: quantile(values, 0.99) });
  const [bottleneck, share] = Object.entries(figures.busy).reduce((most, next) => (next[1] > most[1] ? next : most));
  const wanted = Object.values(figures.kinds).reduce((sum, kind) => sum + kind.wanted, 0);
  const executed = Object.values(figures.kinds).reduce((sum, kind) => sum + kind.executed, 0);
  return {
    builds: figures.builds,
    buildsPerHour: figures.builds / hours,
    hitRate: 1 - executed / wanted,
    kinds: figures.kinds,
    gigabytesDownPerHour: figures.bytesDown / 1e9 / hours,
    gigabytesUpPerHour: figures.bytesUp / 1e9 / hours,
    gigabytesOnServer: figures.serverBytes / 1e9,
    executedSecondsPerBuild: figures.executedSeconds / figures.builds,
    restoredSecondsPerBuild: figures.savedSeconds / figures.builds,
    askedShare: figures.addedIfAsked.length / figures.builds,
    addedSeconds: spread(figures.added),
    addedSecondsIfAsked: spread(figures.addedIfAsked),
    lookUpSeconds: spread(figures.lookUps),
    fetchSeconds: spread(figures.fetches),
    slotWaitSeconds: spread(figures.slotWaits),
    buildSeconds: spread(figures.buildTimes),
    busy: figures.busy,
    bottleneck: { resource: bottleneck, share },
  };
}

/** Cells of a first column to the left, of the others to the right. */
export function tableOf(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, column) => (column === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
const milliseconds = (seconds) => (1000 * seconds).toFixed(seconds < 0.01 ? 1 : 0);
const inSeconds = (seconds) => seconds.toFixed(seconds < 10 ? 1 : 0);

export function assumptionsTable(settings, defaults) {
  const rows = Object.entries(defaults).map(([name, { unit, source, what }]) => [
    `\`${name}\``,
    withUnit(settings[name], unit),
    source,
    what,
  ]);
  return tableOf(['Setting', 'Value', 'Source', 'Meaning'], rows).replace('---: | ---: | ---:', '---: | --- | ---');
}

/** For values from the first number on; the last one of a unit is for all others. */
const SCALES = {
  B: [
    [1e12, 1e12, 'TB'],
    [1e9, 1e9, 'GB'],
    [1e6, 1e6, 'MB'],
    [0, 1e3, 'kB'],
  ],
  'bit/s': [[0, 1e9, 'Gbit/s']],
  s: [
    [0.1, 1, 's'],
    [0, 1e-3, 'ms'],
  ],
  's/B': [[0, 1e-9, 'ns/B']],
};

function withUnit(value, unit) {
  const [, scale, name] = SCALES[unit]?.find(([from]) => value >= from) ?? [0, 1, unit];
  return `${Number((value / scale).toPrecision(3))} ${name}`.trim();
}

/** Where results came from: the host's own cache, the server, or an execution. */
export function sourcesTable(runs) {
  const cell = (counts) =>
    counts === undefined || counts.wanted === 0
      ? '-'
      : `${percent(counts.local / counts.wanted)}, ${percent(counts.remote / counts.wanted)}`;
  return tableOf(
    ['Policy', ...KINDS, 'not executed'],
    runs.map(({ policy, summary }) => [
      POLICIES[policy].title,
      ...KINDS.map((kind) => cell(summary.kinds[kind])),
      percent(summary.hitRate),
    ]),
  );
}

export function policiesTable(runs) {
  const none = runs.find(({ policy }) => policy === 'none').summary;
  return tableOf(
    [
      'Policy',
      'executed, s a build',
      'saved, CPU h a day',
      'build p50, p95, s',
      'down, up, GB/h',
      'asked',
      'added p50, p95, p99, ms',
    ],
    runs.map(({ policy, summary, cpuShare }) => [
      POLICIES[policy].title,
      summary.executedSecondsPerBuild.toFixed(1),
      (
        ((none.executedSecondsPerBuild - summary.executedSecondsPerBuild) * cpuShare * summary.buildsPerHour * 24) /
        3600
      ).toFixed(0),
      `${inSeconds(summary.buildSeconds.p50)}, ${inSeconds(summary.buildSeconds.p95)}`,
      `${summary.gigabytesDownPerHour.toFixed(1)}, ${summary.gigabytesUpPerHour.toFixed(1)}`,
      percent(summary.askedShare),
      ['p50', 'p95', 'p99'].map((part) => milliseconds(summary.addedSeconds[part])).join(', '),
    ]),
  );
}

export function loadsTable(runs) {
  return tableOf(
    [
      'Load',
      'slots',
      'host network, busiest',
      'server cores',
      'server disk',
      'server network',
      'wait for a slot p95, s',
      'look-up p95, ms',
      'added p95, ms',
      'fullest',
    ],
    runs.map(({ load, summary }) => [
      `${load}x`,
      ...['slots', 'host network, busiest', 'server cores', 'server disk', 'server network'].map((name) =>
        percent(summary.busy[name]),
      ),
      inSeconds(summary.slotWaitSeconds.p95),
      milliseconds(summary.lookUpSeconds.p95),
      milliseconds(summary.addedSeconds.p95),
      `${summary.bottleneck.share > FULL ? '**' : ''}${summary.bottleneck.resource}${summary.bottleneck.share > FULL ? '**' : ''}`,
    ]),
  );
}

/** How busy resources are at 1x, and, straight on from there, the load at which each would be as busy as FULL. */
export function headroomTable(runs) {
  const cell = (share) => (share === 0 ? '-' : `${percent(share)}, ${Math.floor(FULL / share)}x`);
  return tableOf(
    ['Resource', ...runs.map(({ policy }) => POLICIES[policy].title)],
    Object.keys(runs[0].summary.busy).map((name) => [name, ...runs.map(({ summary }) => cell(summary.busy[name]))]),
  );
}

export function variantsTable(runs) {
  return tableOf(
    [
      'Variant',
      'Policy',
      'not executed',
      'dependencies not executed',
      'executed, s a build',
      'down, up, GB/h',
      'added p95, ms',
      'fullest',
    ],
    runs.map(({ variant, policy, summary }) => [
      variant,
      POLICIES[policy].title,
      percent(summary.hitRate),
      percent(1 - summary.kinds.dependencies.executed / summary.kinds.dependencies.wanted),
      summary.executedSecondsPerBuild.toFixed(1),
      `${summary.gigabytesDownPerHour.toFixed(1)}, ${summary.gigabytesUpPerHour.toFixed(1)}`,
      milliseconds(summary.addedSeconds.p95),
      `${summary.bottleneck.resource}, ${percent(summary.bottleneck.share)}`,
    ]),
  );
}

/** Writes the table after each `<!-- fleet: NAME -->` of a page, in the place of the one that is there. */
export function fillPage(text, tables) {
  return text.replace(/(<!-- fleet: ([a-z]+) -->\n)(?:\n(?:\|.*\n)+)?/g, (whole, marker, name) =>
    Object.hasOwn(tables, name) ? `${marker}\n${tables[name]()}\n` : whole,
  );
}
