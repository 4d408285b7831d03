// What `pyflow check` says of each file that it checks.

import type { Failure } from '../engine/failure.js';
import { countOf } from '../engine/render/messages.js';
import type { Patch } from '../manifests/app/patches/patch.js';
import type { Diagnostic } from '../manifests/pipeline/diagnostic.js';

/** What `--json` prints for each file. */
export interface CheckDocument {
  readonly file: string;
  readonly diagnostics: readonly Diagnostic[];
  readonly warnings: readonly Diagnostic[];
  /** What a policy file means, one sentence each. */
  readonly meaning?: readonly string[];
  /** Of an app: the changes that `pyflow fix` offers. `file` is its folder then. */
  readonly patches?: readonly Patch[];
  /** Why the file could not be checked at all. */
  readonly failure?: Failure;
}

export const tellCounts = (errors: number, warnings: number): string =>
  (errors === 0 ? 'no problems' : countOf(errors, 'problem')) +
  (warnings === 0 ? '' : `, ${countOf(warnings, 'warning')}`);
