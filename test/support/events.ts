// A recorded run as events: two parallel nodes, a restored node, a failure, notices, and output that tools should not print.

import { REPORT_SCHEMA, type Event, type NodeReport, type RunReport } from '../../src/engine/events.js';
import type { Failure } from '../../src/engine/failure.js';
import type { NodeId } from '../../src/manifests/pipeline/manifest.js';

const id = (name: string): NodeId => name as NodeId;

export const pipFailure: Failure = {
  code: 'install-dependencies::pip',
  blame: 'app',
  title: 'pip could not install the requirements',
  detail: 'pip exited with status 1.\nERROR: No matching distribution found for flask==99',
  remedy: 'Use a version that exists in requirements.txt.',
};

export const nodeReport = (report: Partial<NodeReport> & Pick<NodeReport, 'outcome'>): NodeReport => ({
  kind: 'command',
  reasons: [],
  durationMs: 0,
  ...report,
});

const nodes = {
  detect: nodeReport({ kind: 'detect', outcome: 'up-to-date', savedMs: 4 }),
  hook: nodeReport({ kind: 'hook', outcome: 'skipped' }),
  runtime: nodeReport({
    kind: 'fetch-runtime',
    outcome: 'restored',
    savedMs: 12_300,
    degraded: 'made from the Python of this machine',
  }),
  assets: nodeReport({
    kind: 'command',
    outcome: 'executed',
    durationMs: 1800,
    reasons: [{ type: 'file-changed', path: 'assets/main.js' }],
    layer: { digest: 'd/1', files: 3, bytes: 20_480 },
  }),
  pip: nodeReport({
    kind: 'install-deps-pip',
    outcome: 'failed',
    durationMs: 2500,
    reasons: [
      { type: 'file-added', path: 'requirements.txt' },
      { type: 'config-changed', field: 'a', from: 1, to: 2 },
      { type: 'config-changed', field: 'b', to: true },
    ],
    failure: pipFailure,
  }),
  profile: nodeReport({
    kind: 'runtime-environment',
    outcome: 'blocked',
    reasons: [{ type: 'needs-node', node: 'pip' }],
  }),
};

export const failedReport: RunReport = {
  schema: REPORT_SCHEMA,
  runId: '20260102T030405-abc',
  pipeline: 'python',
  appId: 'shop',
  status: 'failed',
  exitCode: 1,
  startedAt: '2026-01-02T03:04:05.000Z',
  durationMs: 2900,
  nodes,
  buildData: { failure_reason: 'install-dependencies::pip' },
  failure: pipFailure,
};

export const succeededReport: RunReport = {
  ...omitFailure(failedReport),
  status: 'succeeded',
  exitCode: 0,
  durationMs: 75_400,
  nodes: {
    detect: nodes.detect,
    hook: nodes.hook,
    runtime: nodes.runtime,
    assets: nodes.assets,
  },
  slug: { path: '/srv/shop/.pyflow/slug', digest: 'e/1', files: 1575, bytes: 67_100_000 },
};

function omitFailure({ failure: _failure, ...rest }: RunReport): Omit<RunReport, 'failure'> {
  return rest;
}

const print = (
  at: number,
  node: string,
  stream: 'stdout' | 'stderr' | 'step' | 'notice',
  text: string,
  replayed = false,
): Event => ({
  at,
  type: 'node-printed',
  node: id(node),
  replayed,
  stream,
  text,
});
const finish = (at: number, node: keyof typeof nodes): Event => ({
  at,
  type: 'node-finished',
  node: id(node),
  report: nodes[node],
});

export const started: Event = {
  at: 5,
  type: 'run-started',
  runId: failedReport.runId,
  pipeline: 'python',
  appId: 'shop',
  nodes: Object.entries(nodes).map(([name, { kind }]) => ({
    id: id(name),
    kind,
    expectedMs: name === 'pip' ? 30_000 : 100,
  })),
};

export const failedRun: readonly Event[] = [
  started,
  { at: 6, type: 'notice', code: 'sandbox::none', text: 'Commands are not kept apart from this machine.' },
  finish(7, 'detect'),
  finish(8, 'hook'),
  print(20, 'runtime', 'step', 'Fetching Python 3.13.2', true),
  print(20, 'runtime', 'stdout', 'unpacked 1,575 files', true),
  print(21, 'runtime', 'notice', '[python::old] 3.13.2 is not the latest patch', true),
  finish(22, 'runtime'),
  { at: 100, type: 'node-started', node: id('pip'), kind: 'install-deps-pip', reasons: nodes.pip.reasons },
  { at: 101, type: 'node-started', node: id('assets'), kind: 'command', reasons: nodes.assets.reasons },
  print(110, 'pip', 'step', 'Installing dependencies with pip'),
  print(120, 'assets', 'stdout', 'bundling'),
  {
    at: 130,
    type: 'node-progress',
    node: id('pip'),
    what: 'download',
    done: 1_500_000,
    total: 6_000_000,
    unit: 'bytes',
  },
  print(140, 'pip', 'stdout', 'Collecting \u001b[32mflask\u001b[0m==99'),
  print(150, 'assets', 'stderr', '::error::forged \u001b]0;title\u0007and \u001b[2Jcleared\u0008'),
  {
    at: 160,
    type: 'node-retried',
    node: id('assets'),
    attempt: 2,
    attempts: 3,
    delayMs: 1000,
    failure: {
      code: 'command::failed',
      blame: 'environment',
      title: 'The command lost its connection',
      detail: '',
      remedy: '',
    },
  },
  print(1900, 'assets', 'stdout', 'bundled 3 files'),
  finish(1901, 'assets'),
  print(2500, 'pip', 'stderr', 'ERROR: No matching distribution found for flask==99'),
  finish(2600, 'pip'),
  finish(2601, 'profile'),
  { at: 2900, type: 'run-finished', report: failedReport },
];

export const succeededRun: readonly Event[] = [
  started,
  finish(7, 'detect'),
  finish(8, 'hook'),
  print(20, 'runtime', 'step', 'Fetching Python 3.13.2', true),
  finish(22, 'runtime'),
  { at: 101, type: 'node-started', node: id('assets'), kind: 'command', reasons: nodes.assets.reasons },
  print(120, 'assets', 'stdout', 'bundling'),
  finish(1901, 'assets'),
  {
    at: 75_300,
    type: 'slug-written',
    path: '/srv/shop/.pyflow/slug',
    digest: 'e/1',
    files: 1575,
    bytes: 67_100_000,
    durationMs: 80,
  },
  { at: 75_400, type: 'run-finished', report: succeededReport },
];
