// The platform's base images and container sizes. Unaware of the machine at hand: a stack is what the operator claims.

import data from './data/stacks.json' with { type: 'json' };

export interface StackStatus {
  readonly support: 'accepted' | 'end-of-life' | 'unknown';
  /** ID and VERSION_ID as in os-release; absent for unknown stacks, and for `host`, which is any machine. */
  readonly distro?: string;
  readonly release?: string;
  /** Debian names. */
  readonly arch: readonly string[];
  /** YYYY or YYYY-MM when the platform ends it; absent when nobody said. */
  readonly end?: string;
}

interface Stack {
  readonly name: string;
  readonly status: string;
  readonly distro?: string;
  readonly release?: string;
  readonly arch: readonly string[];
  readonly end?: string;
}
const stacks: readonly Stack[] = data.stacks;

export function stackStatus(name: string): StackStatus {
  const stack = stacks.find(({ name: known }) =>
    known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known,
  );
  if (stack === undefined) return { support: 'unknown', arch: [] };
  const { distro, release, arch, end } = stack;
  return {
    support: stack.status === 'accepted' ? 'accepted' : 'end-of-life',
    arch,
    ...(distro === undefined ? {} : { distro }),
    ...(release === undefined ? {} : { release }),
    ...(end === undefined ? {} : { end }),
  };
}

/** Names of the stacks that build, in the order of the data. */
export const acceptedStacks = (): readonly string[] =>
  stacks.filter(({ status }) => status === 'accepted').map(({ name }) => name);

export const DEFAULT_STACK = data.default;
/** The machine that builds, whatever it is. */
export const HOST_STACK = 'host';

export interface ContainerSize {
  readonly size: string;
  readonly memoryMiB: number;
  readonly webConcurrency: number;
  /** Cores from which on the memory alone decides. */
  readonly coresForThat: number;
}
export const CONTAINER_SIZES: readonly ContainerSize[] = data.containerSizes;
export const DEFAULT_CONTAINER_SIZE = data.defaultContainerSize;
