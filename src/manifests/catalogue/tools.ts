// The pinned versions of the package-manager tools and the digests known for them. Unaware of how they are installed.

import data from './data/tools.json' with { type: 'json' };

export type ToolName = keyof typeof data.tools;

export const TOOL_NAMES = Object.keys(data.tools) as readonly ToolName[];

/** The version that is used unless a pipeline names another. */
export const toolVersion = (name: ToolName): string => data.tools[name].version;

/** All versions that a pipeline may name, the pinned one first. */
export function knownVersions(name: ToolName): readonly string[] {
  const tool: { readonly version: string; readonly also?: readonly string[] } = data.tools[name];
  return [tool.version, ...(tool.also ?? [])];
}

/** Whether the tool is for a minor of Python at all: setuptools is for those only whose venvs had it. */
export function isToolFor(name: ToolName, minor: string): boolean {
  const tool: { readonly version: string; readonly installedFor?: readonly string[] } = data.tools[name];
  return tool.installedFor?.includes(minor) ?? true;
}

/** The wheel of the pinned pip. */
export const PIP_WHEEL: { readonly file: string; readonly sha256: string; readonly sizeBytes: number } = data.pipWheel;

export interface ToolArchive {
  readonly url: string;
  /** What follows the base. */
  readonly path: string;
  readonly sha256: string;
  readonly topLevelDirectory: string;
}

/** The release archive of the pinned uv. `triple`: `x86_64-unknown-linux-gnu`. */
export function uvArchive(triple: string): ToolArchive | undefined {
  const { base, path, topLevelDirectory, sha256 } = data.uvArchive;
  const digest = Object.entries(sha256).find(([known]) => known === triple)?.[1];
  if (digest === undefined) return undefined;
  const filled = path.replace('{version}', data.tools.uv.version).replace('{triple}', triple);
  return {
    url: `${base}/${filled}`,
    path: filled,
    sha256: digest,
    topLevelDirectory: topLevelDirectory.replace('{triple}', triple),
  };
}
