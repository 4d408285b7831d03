// Runs programs with a clean environment, measures their time, and makes figures of the samples.

import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const bench = (name) => join(root, 'bench', name);
const CLI = join(root, 'dist/cli.js');

/** Only what a program needs; extra CA certificates alone would double the start of Node. */
const cleanEnv = pick(['PATH', 'HOME', 'LANG', 'TMPDIR', ...namesLike(/^PYFLOW_/)]);
/** For builds with downloads: the settings of the network too. */
export const networkEnv = {
  ...cleanEnv,
  ...pick(namesLike(/^(https?|no|all)_proxy$/i)),
  ...pick(['NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'PIP_CERT', 'PIP_INDEX_URL']),
};

function namesLike(pattern) {
  return Object.keys(process.env).filter((name) => pattern.test(name));
}

function pick(names) {
  return Object.fromEntries(
    names.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

const folders = [];
process.on('exit', () => remove(...folders));

/** An empty folder, removed when the bench ends. */
export function makeFolder() {
  const folder = mkdtempSync(join(process.env.BENCH_DIR ?? tmpdir(), 'pyflow-bench-'));
  folders.push(folder);
  return folder;
}

/**
 * Moves folders away within the folder of a group instead of removing them: ext4 is slow to create files where many have just
 * been removed, so that waits until everything is measured.
 */
export function setAside(...paths) {
  for (const path of paths) {
    if (existsSync(path)) renameSync(path, mkdtempSync(`${path}.aside-`));
  }
}

export const remove = (...paths) => paths.forEach((path) => rmSync(path, { recursive: true, force: true }));

/** Blocks, because nothing else may run in the meantime. */
export const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Milliseconds that a program took; throws with its output if it failed. */
export const time = (argv, options) => timeAndOutput(argv, options).ms;

function timeAndOutput(argv, { env = cleanEnv, cwd = root } = {}) {
  const [program, ...args] = argv;
  const logFolder = mkdtempSync(join(tmpdir(), 'pyflow-bench-log-'));
  const log = openSync(join(logFolder, 'log'), 'w');
  try {
    const start = process.hrtime.bigint();
    const { status, error } = spawnSync(program, args, { env, cwd, stdio: ['ignore', log, log] });
    const elapsed = Number(process.hrtime.bigint() - start) / 1e6;
    if (error !== undefined) throw error;
    const output = readFileSync(join(logFolder, 'log'), 'utf8');
    if (status !== 0)
      throw new Error(`${argv.join(' ').slice(0, 300)}\nended with status ${status}:\n${output.slice(-3000)}`);
    return { ms: elapsed, output };
  } finally {
    closeSync(log);
    rmSync(logFolder, { recursive: true });
  }
}

export const nodeTime = (args, options) => time([process.execPath, ...args], options);
export const pyflowTime = (args, options) => nodeTime([CLI, ...args], options);
/** `{ ms, output }`. */
export const pyflowTimeAndOutput = (args, options) => timeAndOutput([process.execPath, CLI, ...args], options);

/** Peak resident memory of pyflow itself, in bytes. */
export const pyflowPeak = (args, options) => pyflowPeakAndTime(args, options).bytes;

export function pyflowPeakAndTime(args, { env = cleanEnv, cwd = root } = {}) {
  const file = join(makeFolder(), 'peak');
  const ms = nodeTime(['--import', bench('peak.mjs'), CLI, ...args], { env: { ...env, PEAK_FILE: file }, cwd });
  return { bytes: Number(readFileSync(file, 'utf8')), ms };
}

/** Median, quartiles and range of samples. */
export function summarize(samples) {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, quartiles: [at(0.25), at(0.75)], range: [sorted[0], sorted.at(-1)], samples: sorted.length };
}

/**
 * Runs the steps of each round, every step for floor and pyflow in turn, and swaps their order from round to round, so that other
 * load of the machine affects both. A step is `{ name, floor, pyflow, before }`: functions of the round that return
 * milliseconds, and `before`, which isn't timed; `floor` and `before` are optional. Returns the samples by step.
 */
export function interleave(rounds, steps) {
  const samples = Object.fromEntries(steps.map(({ name }) => [name, { floor: [], pyflow: [] }]));
  for (let round = 0; round < rounds; round += 1) {
    for (const step of steps) {
      step.before?.(round);
      const sides = round % 2 === 0 ? ['floor', 'pyflow'] : ['pyflow', 'floor'];
      for (const side of sides) if (step[side] !== undefined) samples[step.name][side].push(step[side](round));
    }
  }
  return samples;
}

/** A figure that compares pyflow with its floor in the same rounds. */
export function ratioFigure(name, { floor, pyflow }, target) {
  const [under, over] = [summarize(floor), summarize(pyflow)];
  return { name, unit: 'ms', floor: under, pyflow: over, ratio: over.median / under.median, target };
}

/** A figure with a fixed bound. */
export const boundFigure = (name, unit, value, bound) => ({ name, unit, value, bound });
export const skippedFigure = (name, reason) => ({ name, skipped: reason });
/** A group that failed; counts as a missed target. */
export const brokenFigure = (name, error) => ({ name, broken: error.message });
