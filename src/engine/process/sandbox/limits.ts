// What a node's commands may take of the machine, and what happens when they take more. Unaware of how use is measured.

import { availableParallelism, totalmem } from 'node:os';
import type { NodeLimits } from '../../../manifests/pipeline/manifest.js';
import { parseSize } from '../../../manifests/pipeline/sizes.js';
import { fail, succeed, type ActedOnCode, type Failure, type Result } from '../../failure.js';

/** A limit that was exceeded: which, what it was, and what was seen. */
export interface Excess {
  readonly what: keyof NodeLimits;
  readonly limit: number;
  readonly used: number;
}

/** Far more than builds take, and too few to bring a machine down. */
const TASKS_PER_PROCESSOR = 256;
const LEAST_TASKS = 4096;
/** Of the memory that the machine, or the container, has. */
const SHARE_OF_MEMORY = 0.9;

/** `PYFLOW_LIMITS`: `memory=2g,processes=512,disk=4g`, each of them at will. */
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

/** What keeps the machine usable whatever nobody thought of. */
export const withDefaults = (limits: NodeLimits): NodeLimits & Defaults => ({
  ...(defaults ??= defaultLimits()),
  ...limits,
});

type Defaults = { readonly memory: number; readonly processes: number };
let defaults: Defaults | undefined;

/** Asked for once: the memory of a container is read from several files. */
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
  title: 'PYFLOW_LIMITS cannot be read',
  detail: `"${part}" is not one of memory=SIZE, processes=COUNT and disk=SIZE.`,
  remedy: 'Write it like PYFLOW_LIMITS=memory=2g,processes=512,disk=4g, or unset it.',
});

const WORDS: Readonly<Record<keyof NodeLimits, readonly [took: string, advice: string]>> = {
  memory: ['memory', 'Make its commands take less memory (fewer parallel jobs help)'],
  processes: ['processes and threads', 'Make its commands start fewer processes'],
  disk: ['space for files', 'Make its commands write less'],
};

export function limitExceeded(node: string, { what, limit, used }: Excess): Failure {
  const [took, advice] = WORDS[what];
  const show = (amount: number): string => (what === 'processes' ? String(amount) : showSize(amount));
  return {
    code: 'node::limit' satisfies ActedOnCode,
    blame: 'app',
    title: `Node ${node} took more ${took} than it may`,
    detail: `Seen: ${show(used)}. The limit is ${show(limit)}. All of its processes were ended.`,
    remedy: `${advice}, or raise limits.${what} of the node (PYFLOW_LIMITS sets it for all nodes).`,
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
