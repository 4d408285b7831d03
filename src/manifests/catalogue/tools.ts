// The pinned versions of the package managers.

import data from './data/tools.json' with { type: 'json' };

export type ToolName = keyof typeof data.tools;

export const TOOL_NAMES = Object.keys(data.tools) as readonly ToolName[];

/** The version to use unless the pipeline names another. */
export const toolVersion = (name: ToolName): string => data.tools[name].version;

/** All versions that a pipeline can name, the pinned one first. */
export function knownVersions(name: ToolName): readonly string[] {
  const tool: { readonly version: string; readonly also?: readonly string[] } = data.tools[name];
  return [tool.version, ...(tool.also ?? [])];
}

/** Whether the tool is used with a Python minor: setuptools only with those whose venvs had it. */
export function isToolFor(name: ToolName, minor: string): boolean {
  const tool: { readonly version: string; readonly installedFor?: readonly string[] } = data.tools[name];
  return tool.installedFor?.includes(minor) ?? true;
}
