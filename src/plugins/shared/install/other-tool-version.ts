// Suggests another version of a tool that the pipeline can fetch, if the project does not allow the version of this build.

import { meetsSpecifiers } from '../../../manifests/app/package-version.js';
import { knownVersions, type ToolName } from '../../../manifests/catalogue/tools.js';

/** The end of a sentence. Empty if no known version fits. */
export function fetchInstead(tool: ToolName, version: string, wanted: string): string {
  const other = knownVersions(tool).find((known) => known !== version && meetsSpecifiers(known, withOperator(wanted)));
  return other === undefined ? '' : `, or install ${other} (set \`version: ${other}\` in the \`fetch-tool\` node)`;
}

/** A bare version means exactly that version. */
const withOperator = (wanted: string): string => (/^\s*v?\d/.test(wanted) ? `==${wanted.trim()}` : wanted);
