// Another version of a tool that a pipeline could fetch, where the project does not allow the one that this build has.

import { meetsSpecifiers } from '../../../manifests/app/package-version.js';
import { knownVersions, type ToolName } from '../../../manifests/catalogue/tools.js';

/** The end of a sentence; empty when there is none. */
export function fetchInstead(tool: ToolName, version: string, wanted: string): string {
  const other = knownVersions(tool).find((known) => known !== version && meetsSpecifiers(known, withOperator(wanted)));
  return other === undefined ? '' : `, or install ${other} (set \`version: ${other}\` in the \`fetch-tool\` node)`;
}

/** A bare version stands for exactly that one. */
const withOperator = (wanted: string): string => (/^\s*v?\d/.test(wanted) ? `==${wanted.trim()}` : wanted);
