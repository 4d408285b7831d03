// The files that make up each tool, by digest: pip installs these and nothing else. One entry per tool and version.

export interface ToolLock {
  /** Lines of a requirements file, each with its hashes. */
  readonly requirements: readonly string[];
}

const PIP: Readonly<Record<string, ToolLock>> = {
  '26.2.1': {
    requirements: ['pip==26.2.1 --hash=sha256:71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e'],
  },
};

const LOCKS: Readonly<Record<string, Readonly<Record<string, ToolLock>>>> = { pip: PIP };

export const lockOf = (tool: string, version: string): ToolLock | undefined => LOCKS[tool]?.[version];
export const lockedVersions = (tool: string): readonly string[] => Object.keys(LOCKS[tool] ?? {}).sort();
