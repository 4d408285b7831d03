// planted-links runs this as a separate process: it builds an app, reports the places that pyflow touched after a
// command, and builds again with something planted at one of them. Its parent ends it if it hangs.

import 'reflect-metadata';
import { setDefaultResultOrder } from 'node:dns';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { composeFor } from '../../../src/composition.js';
import type { Event, RunReport } from '../../../src/engine/events.js';
import { runPipeline } from '../../../src/engine/pipeline.js';
import type { RunRequest } from '../../../src/engine/request.js';
import { contentOf } from '../cli-scene.js';
import { MOUNTS, placesOf, type Place } from './places.js';
import { NOT_PLANTED, type Form } from './planter.js';
import { pathOf, recordTouches, type Touch } from './touch-recorder.js';
import { CANARY, digestOf, makeVictim } from './victim.js';
import { WatchedCommands, type Mode } from './watched-commands.js';
import { systemClock } from '../../../src/engine/services/clock.js';

export interface TrialRequest {
  readonly folder: string;
  readonly cacheDir: string;
  readonly files: Readonly<Record<string, string>>;
  readonly binaries?: Readonly<Record<string, string>>;
  readonly pipeline: string;
  /** Name of the attacked node, and its kind. */
  readonly node: string;
  readonly kind: string;
  /** The node runs commands of the app, which run again instead of being replayed. */
  readonly isAppCode: boolean;
  /** With `none`, commands are not replayed: code of the app plants. */
  readonly sandbox: 'required' | 'auto' | 'none';
  readonly settings: Readonly<Record<string, string>>;
  /** Proxies and certificates, for fetching tools. */
  readonly passThrough: Readonly<Record<string, string>>;
}

export interface Attack {
  readonly place: Place;
  readonly form: Form;
  /** Also write and compare the slug. */
  readonly isThorough: boolean;
  /** Files of the app whose code plants, instead of the replayed commands; see `hostileFiles`. */
  readonly code?: Readonly<Record<string, string>>;
}

export type Recorded = {
  readonly type: 'recorded';
  readonly places: readonly Place[];
  /** Result of a build with real commands and without an attack. */
  readonly durationMs: number;
  readonly touches: number;
  readonly commands: number;
};
export type Attacked = {
  readonly type: 'attacked';
  readonly outcome: string;
  readonly durationMs: number;
  readonly problems: readonly string[];
};

setDefaultResultOrder('ipv4first');
const { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } = fs;
const request = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as TrialRequest;
const at = (name: string): string => join(request.folder, name);
const commands = new WatchedCommands(at('effects'));
const compose = composeFor({ PATH: process.env['PATH'], HOME: process.env['HOME'] });
const seen: (Pick<Place, 'folder' | 'path' | 'command'> & { readonly operation: string })[] = [];
let alarms: string[] = [];
/** Finding the path of a folder takes too long if it is 9,000 folders deep. */
let isWatching = true;
let golden: RunReport | undefined;
let goldenContent = '';

recordTouches(see, commands.spawn);

function see(touch: Touch): void {
  if (commands.mode.type === 'off') return;
  if (commands.mode.type !== 'record') return isWatching ? watch(touch) : undefined;
  const path = pathOf(touch.given);
  const cache = cacheOfKind();
  // What a build leaves in its cache affects the next build before that runs a command.
  const place = commands.placeOf(path) ?? (path.startsWith(`${cache}/`) ? inCache(path, cache) : undefined);
  // The folder itself is a mount in the sandbox, so a command can't replace it.
  if (place === undefined || place.path === '') return;
  if (commands.isRunning) alarms.push(`${touch.operation} ${path} while a command runs`);
  else seen.push({ ...place, command: commands.ended - 1, operation: touch.operation });
}

const inCache = (path: string, cache: string): Pick<Place, 'folder' | 'path'> => ({
  folder: 'cache',
  path: path.slice(cache.length + 1),
});

/** During an attack, pyflow must change nothing outside its folders, and open nothing of the victim. */
function watch({ operation, given, writes, follows }: Touch): void {
  const isOpening = OPENING.test(operation);
  if (!writes && !isOpening) return;
  const path = pathOf(given);
  // Paths that begin at a descriptor are resolved from it, because its full path can be thousands of folders long.
  const isOpen = /^\/proc\/[^/]+\/fd\/\d+\/?$/.test(given);
  const real =
    follows && !isOpen && isLink(given) ? realOf(given) : /^\/proc\/[^/]+\/fd\//.test(given) ? path : besides(given);
  if (isOpening && (real.startsWith(at('victim')) || real === '/dev/zero'))
    alarms.push(`${operation} ${path}: ${real}`);
  if (writes && !BUSINESS.some((folder) => real.startsWith(folder))) alarms.push(`${operation} ${path}: ${real}`);
}

const OPENING = /^(open|readFile|readdir|opendir|copyFile|cp|createReadStream)$/;
const BUSINESS = [request.cacheDir, at('slug'), '/dev/shm/pyflow-', '/dev/null', '/proc/', '/sys/fs/cgroup/'];

function realOf(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return pathOf(path);
  }
}

const isLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
/** The path with all links in its parents resolved. */
const besides = (path: string): string => join(realOf(dirname(path)), basename(path));

interface Built {
  readonly report?: RunReport;
  readonly refusal?: string;
  readonly events: readonly Event[];
  readonly durationMs: number;
}

async function build(mode: Mode, overrides: Partial<RunRequest> = {}): Promise<Built> {
  const events: Event[] = [];
  commands.begin(mode);
  const startedAt = performance.now();
  const done = await runPipeline(
    {
      pipelineFile: at('pipeline.yml'),
      appDir: at('app'),
      outDir: at('slug'),
      cacheDir: request.cacheDir,
      appId: request.node,
      force: false,
      params: {},
      only: [],
      refresh: [request.node],
      keepGoing: false,
      mode: 'build',
      sandbox: request.sandbox,
      settings: request.settings,
      passThrough: request.passThrough,
      signal: new AbortController().signal,
      ...overrides,
    },
    { emit: (event) => void events.push({ at: 0, ...event } as Event) },
    compose,
    { version: '0.0.0-test', clock: systemClock },
  );
  commands.mode = { type: 'off' };
  const durationMs = performance.now() - startedAt;
  return done.ok
    ? { report: done.value, events, durationMs }
    : { refusal: JSON.stringify(done.failure), events, durationMs };
}

const layerOf = (report: RunReport | undefined): string | undefined => report?.nodes[request.node]?.layer?.digest;
const outside = (): readonly string[] => [at('victim'), at('app'), at('pipeline.yml')];
const content = (): string => JSON.stringify(contentOf(at('slug')));

async function record(): Promise<Recorded> {
  mkdirSync(at('app'), { recursive: true });
  for (const [path, text] of Object.entries(request.files)) put(path, text);
  for (const [path, text] of Object.entries(request.binaries ?? {})) put(path, Buffer.from(text, 'base64'));
  writeFileSync(at('pipeline.yml'), request.pipeline);
  makeVictim(at('victim'), undefined);
  forgetCache();
  // Earlier nodes are built first, so that only the attacked node runs commands.
  const first = await build({ type: 'off' }, { refresh: [] });
  if (first.report?.status !== 'succeeded') throw new Error(told(first));
  const recorded = await build({ type: 'record' });
  if (recorded.report?.status !== 'succeeded') throw new Error(told(recorded));
  // Commands are recorded only in the sandbox.
  if (request.sandbox !== 'none' && commands.ended === 0) throw new Error('there is no sandbox');
  if (alarms.length > 0) throw new Error(alarms.join('\n'));
  golden = recorded.report;
  goldenContent = content();
  if (request.sandbox === 'none')
    return { type: 'recorded', places: [], durationMs: recorded.durationMs, touches: 0, commands: 0 };
  forgetCache();
  const again = await build({ type: 'replay', isReal: request.isAppCode }, { only: [request.node] });
  if (layerOf(again.report) !== layerOf(golden)) throw new Error(`a replay gives another layer: ${told(again)}`);
  const last = commands.ended - 1;
  const touched = seen.map((touch) => (touch.command < 0 ? { ...touch, command: last } : touch));
  const places = placesOf(touched, (folder, path) => commands.changed.get(folder)?.has(path) === true);
  // After the planting command, real commands run.
  const durationMs = Math.max(recorded.durationMs, again.durationMs);
  return { type: 'recorded', places, durationMs, touches: seen.length, commands: commands.ended };
}

function put(path: string, bytes: string | Buffer): void {
  mkdirSync(dirname(join(at('app'), path)), { recursive: true });
  writeFileSync(join(at('app'), path), bytes, { mode: path.startsWith('bin/') ? 0o755 : 0o644 });
}

const cacheOfKind = (): string => `${request.cacheDir}/apps/${request.node}/${request.kind}`;
/** Uses a program, because removing 9,000 nested folders overflows Node's stack. */
const forgetCache = (): void => void execFileSync('rm', ['-rf', cacheOfKind()]);
const told = ({ report, refusal, events }: Built): string =>
  [
    JSON.stringify(report?.failure ?? refusal),
    ...events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : [])).slice(-20),
  ].join('\n');

async function run(attack: Attack): Promise<Attacked> {
  const { place, form, isThorough, code = {} } = attack;
  const problems: string[] = [];
  alarms = [];
  isWatching = form !== 'deep-tree';
  forgetCache();
  makeVictim(at('victim'), join(commands.folderOf(place.command), place.folder, place.path));
  for (const [path, text] of Object.entries(code)) put(path, text);
  const before = digestOf(outside());
  const whole = isThorough ? {} : { only: [request.node] };
  const attacked = await build(modeOf(attack), whole);
  const outcome = outcomeOf(attacked, problems);
  if (digestOf(outside()) !== before) problems.push('something outside changed');
  problems.push(...new Set(alarms), ...leftovers());
  if (leaks(attacked)) problems.push('content of the victim came in');
  if (isThorough || place.folder === 'cache') await buildAfter(attack, problems, before);
  problems.push(...leftovers());
  return { type: 'attacked', outcome, durationMs: attacked.durationMs, problems };
}

function modeOf({ place, form, code }: Attack): Mode {
  if (code !== undefined) return { type: 'watch' };
  const root = MOUNTS[place.folder];
  const planting = { path: `${root}/${place.path}`, root, form, victim: at('victim'), command: place.command };
  return { type: 'replay', isReal: request.isAppCode, planting };
}

/** The next build of the same app, without an attack, must give the usual result. */
async function buildAfter({ place, isThorough, code }: Attack, problems: string[], before: string): Promise<void> {
  for (const path of Object.keys(code ?? {})) put(path, request.files[path] ?? '');
  // Only real commands show what the cache really contains by then.
  const isReal = request.isAppCode || place.folder === 'cache';
  const mode: Mode = code === undefined ? { type: 'replay', isReal } : { type: 'watch' };
  const next = await build(mode, isThorough ? {} : { only: [request.node] });
  const isSame = !isReal || request.isAppCode;
  if (next.report?.status !== 'succeeded') problems.push(`the next build failed: ${told(next)}`);
  else if (isSame && layerOf(next.report) !== layerOf(golden)) problems.push('the next build gives another layer');
  else if (isSame && isThorough && content() !== goldenContent) problems.push('the next build gives another slug');
  if (code === undefined && digestOf(outside()) !== before) problems.push('the next build changed something outside');
}

function outcomeOf(built: Built, problems: string[]): string {
  const printed = built.events.flatMap((event) => (event.type === 'node-printed' ? event.text.split('\n') : []));
  const notPlanted = printed.find((line) => line.startsWith(NOT_PLANTED));
  if (notPlanted !== undefined) return notPlanted;
  const { report } = built;
  if (report === undefined) {
    problems.push(`refused: ${built.refusal}`);
    return 'refused';
  }
  if (report.exitCode === 0) return 'built';
  if (report.exitCode !== 1 || report.failure?.blame !== 'app')
    problems.push(`exit ${report.exitCode}: ${told(built)}`);
  return report.failure?.code ?? 'failed';
}

function leftovers(): readonly string[] {
  const found: string[] = [];
  for (const parent of [`${request.cacheDir}/tmp`, '/dev/shm']) {
    for (const name of existsSync(parent) ? readdirSync(parent) : []) {
      if (name.startsWith('pyflow-run-') && isOurs(`${parent}/${name}/owner`)) found.push(`left: ${parent}/${name}`);
    }
  }
  return found;
}

function isOurs(claim: string): boolean {
  try {
    return (JSON.parse(readFileSync(claim, 'utf8')) as { pid: number }).pid === process.pid;
  } catch {
    return false;
  }
}

/** Paths of the cache that have been searched -> their size then. Packs only grow. */
const searched = new Map<string, number>();

/** Searches the output, the report and everything stored. The results of hooks are not stored, but their blobs are. */
function leaks({ report, events }: Built): boolean {
  if (JSON.stringify([report, events]).includes(CANARY)) return true;
  return ['cas', 'packs', 'ac'].some((name) => {
    const folder = join(request.cacheDir, name);
    const entries = existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : [];
    return entries.some((entry) => entry.isFile() && holdsCanary(join(entry.parentPath, entry.name)));
  });
}

function holdsCanary(path: string): boolean {
  const { size } = lstatSync(path);
  if (searched.get(path) === size) return false;
  const isThere = readFileSync(path).includes(CANARY);
  if (!isThere) searched.set(path, size);
  return isThere;
}

process.on('message', (message: Attack | 'record') => {
  const work = message === 'record' ? record() : run(message);
  work.then(
    (answer) => process.send!(answer),
    (error: unknown) => process.send!({ type: 'broken', text: (error as Error).stack ?? String(error) }),
  );
});
process.once('disconnect', () => process.exit());
