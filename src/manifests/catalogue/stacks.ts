// The platform's base images (stacks). The operator names the stack; nothing here looks at the machine.

import data from './data/stacks.json' with { type: 'json' };

interface StackStatus {
  readonly support: 'accepted' | 'end-of-life' | 'unknown';
  /** ID and VERSION_ID as in os-release; absent for unknown stacks and for `host`, which can be any machine. */
  readonly distro?: string;
  readonly release?: string;
  /** X.Y of its C library; absent for stacks that no build is for. */
  readonly glibc?: string;
  /** Debian names. */
  readonly arch: readonly string[];
  /** YYYY or YYYY-MM in which the platform ends it; absent if unknown. */
  readonly end?: string;
}

interface Stack {
  readonly name: string;
  readonly status: string;
  readonly distro?: string;
  readonly release?: string;
  readonly glibc?: string;
  readonly arch: readonly string[];
  readonly end?: string;
}
const stacks: readonly Stack[] = data.stacks;

export function stackStatus(name: string): StackStatus {
  const stack = stacks.find(({ name: known }) =>
    known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known,
  );
  if (stack === undefined) return { support: 'unknown', arch: [] };
  const { distro, release, glibc, arch, end } = stack;
  return {
    support: stack.status === 'accepted' ? 'accepted' : 'end-of-life',
    arch,
    ...(distro === undefined ? {} : { distro }),
    ...(release === undefined ? {} : { release }),
    ...(glibc === undefined ? {} : { glibc }),
    ...(end === undefined ? {} : { end }),
  };
}

/** Names of the accepted stacks, in the order of the data. */
export const acceptedStacks = (): readonly string[] =>
  stacks.filter(({ status }) => status === 'accepted').map(({ name }) => name);

/** Stands for the machine that builds. */
export const HOST_STACK = 'host';
