// How much of the machine a node's commands may use, and the failure when they use more.

import { availableParallelism, totalmem } from 'node:os';
import type { NodeLimits } from '../../../manifests/pipeline/manifest.js';
import { parseSize } from '../../../manifests/pipeline/sizes.js';
import { fail, succeed, type ActedOnCode, type Failure, type Result } from '../../failure.js';

/** A limit that was exceeded, and how much was used. */
export interface Excess {
  readonly what: keyof NodeLimits;
  readonly limit: number;
  readonly used: number;
}

/** Far more than builds need, and too few to bring a machine down. */
const TASKS_PER_PROCESSOR = 256;
const LEAST_TASKS = 4096;
/** Of the memory of the machine, or of the container. */
const SHARE_OF_MEMORY = 0.9;

/** `PYFLOW_LIMITS`: `memory=2g,processes=512,disk=4g`, each of them optional. */
export function parseLimits(text: string | undefined): Result<NodeLimits, Failure> {
  const limits: { -readonly [K in keyof NodeLimits]: NodeLimits[K] } = {};
  for (const part of (text ?? '').split(',').map((word) => word.trim())) {
    if (part === '') continue;
    const [name = '', value = ''] = part.split('=', 2).map((word) => word.trim());
    const amount = name === 'processes' ? countOf(value) : parseSize(value);
    if ((name !== 'memory' && name !== 'processes' && name !== 'disk') || amount === undefined)
      return fail(wrongLimits(part));
    limits[name] = amount;
  }
  return succeed(limits);
}

const countOf = (text: string): number | undefined => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined);

/** The default limits keep the machine usable if nobody sets any. */
export const withDefaults = (limits: NodeLimits): NodeLimits & Defaults => ({
  ...(defaults ??= defaultLimits()),
  ...limits,
});

type Defaults = { readonly memory: number; readonly processes: number };
let defaults: Defaults | undefined;

/** Called once, since Node reads several files to find the memory of a container. */
function defaultLimits(): Defaults {
  const contained = (process as { constrainedMemory?: () => number | undefined }).constrainedMemory?.() ?? 0;
  const total = contained > 0 && contained < totalmem() ? contained : totalmem();
  return {
    memory: Math.floor(total * SHARE_OF_MEMORY),
    processes: Math.max(LEAST_TASKS, TASKS_PER_PROCESSOR * availableParallelism()),
  };
}

const wrongLimits = (part: string): Failure => ({
  code: 'settings::wrong-limits',
  blame: 'environment',
  title: 'PYFLOW_LIMITS is invalid',
  detail: `"${part}" is not one of memory=SIZE, processes=COUNT and disk=SIZE.`,
  remedy: 'Set it like PYFLOW_LIMITS=memory=2g,processes=512,disk=4g, or unset it.',
});

const WORDS: Readonly<Record<keyof NodeLimits, readonly [used: string, advice: string]>> = {
  memory: ['memory', 'Make its commands use less memory (fewer parallel jobs help)'],
  processes: ['processes and threads', 'Make its commands start fewer processes'],
  disk: ['disk space', 'Make its commands write less'],
};

export function limitExceeded(node: string, { what, limit, used: amount }: Excess): Failure {
  const [used, advice] = WORDS[what];
  const show = (value: number): string => (what === 'processes' ? String(value) : showSize(value));
  return {
    code: 'node::limit' satisfies ActedOnCode,
    blame: 'app',
    title: `Node ${node} used more ${used} than allowed`,
    detail: `It used ${show(amount)}; the limit is ${show(limit)}. pyflow stopped all its processes.`,
    remedy: `${advice}, or raise \`limits.${what}\` of the node (PYFLOW_LIMITS sets it for all nodes).`,
  };
}

function showSize(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  let value = bytes;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}
