// The patch for a version of Python that does not fit the packages of the app.

import { isMisfit } from '../versions/choose.js';
import { misfit, newestThatFits } from '../versions/fit.js';
import type { VersionTrace } from '../versions/trace.js';
import { parsePythonRequest } from '../python-version.js';
import { textOf } from './encoding.js';
import { changeFile, inFolder, type FixContext, type Patch } from './patch.js';

/** Undefined if the version fits, if no other does, or if it is not set in a `.python-version`. */
export function versionFitPatch({ root, app }: FixContext, trace: VersionTrace): Patch | undefined {
  const file = inFolder(root, '.python-version');
  const best = newestThatFits(trace);
  const bytes = app.read(file);
  if (bytes === undefined || trace.from !== file || !isMisfit(trace) || best === undefined || misfit(best) !== 0)
    return undefined;
  const before = textOf(bytes) ?? '';
  const line = before
    .split('\n')
    .find((each) => parsePythonRequest(each.trim()) !== undefined)
    ?.trim();
  if (line === undefined) return undefined;
  return {
    code: 'python-version::misfit',
    title: `Set Python ${best.minor} in ${file}, the newest version that fits the packages`,
    edits: [changeFile(file, before, before.replace(line, best.minor))],
  };
}
