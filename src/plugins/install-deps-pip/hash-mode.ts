// If one requirement has digests, pip and uv require them for all. Finds the lines without digests and quotes them.

import type { Failure } from '../../engine/sdk.js';
import { decodeRequirements } from '../../manifests/app/requirements-encoding.js';
import { normalizeName, type Requirement } from '../../manifests/app/requirements.js';
import { withoutUserinfo } from '../shared/install/index-url.js';

/** A requirement with the text of its line. */
export type WrittenRequirement = Pick<Requirement, 'name' | 'kind' | 'hashed' | 'marker' | 'file' | 'line'> & {
  readonly text: string;
};

const HASH_MODE =
  /cannot be installed when requiring hashes|^ERROR: Can't verify hashes for these |^ERROR: Hashes are required in --require-hashes mode|[`]?--require-hashes[`]? mode, all requirements must/;
const MISMATCH = /DO NOT MATCH THE HASHES|Hash mismatch for /;
/** `six==1.17.0 from https://...`, `Hash mismatch for `six==1.17.0`` */
const MISMATCHED = /^(?:.*Hash mismatch for `)?([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*(?:==|@)/;

const MOST_LINES = 10;
const LONGEST_LINE = 200;

/** Line ends by the rules of pip. */
const LINE_END = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/;

export function lineOf(bytes: Uint8Array | undefined, line: number): string {
  const text = bytes === undefined ? '' : (decodeRequirements(bytes).split(LINE_END)[line - 1] ?? '');
  const written = withoutUserinfo(text.replace(/\s*\\$/, '').trim());
  return written.length > LONGEST_LINE ? `${written.slice(0, LONGEST_LINE)}...` : written;
}

/** `failure`: made from the log of the tool. Returns undefined if it is not about digests. */
export function explainHashMode(
  failure: Failure,
  lines: readonly string[],
  requirements: readonly WrittenRequirement[],
): Failure | undefined {
  const said = lines.map((line) => line.trim());
  if (failure.blame !== 'app') return undefined;
  if (said.some((line) => MISMATCH.test(line)))
    return { ...failure, detail: prepend(failure.detail, mismatched(said, requirements)) };
  if (!said.some((line) => HASH_MODE.test(line))) return undefined;
  const without = requirements.filter(({ hashed, kind }) => !hashed || kind === 'local');
  // Requirements with a marker may not apply here, so they are shown only if there are no others.
  const counting = without.filter(({ marker }) => marker === undefined);
  const inTheWay = counting.length > 0 ? counting : without;
  return {
    ...failure,
    title: 'Some requirements have digests, so all must have them',
    detail: prepend(failure.detail, inTheWay),
    remedy: remedyFor(inTheWay),
  };
}

function mismatched(
  said: readonly string[],
  requirements: readonly WrittenRequirement[],
): readonly WrittenRequirement[] {
  const names = new Set(said.flatMap((line) => MISMATCHED.exec(line)?.[1] ?? []).map(normalizeName));
  return requirements.filter(({ name, hashed }) => hashed && name !== undefined && names.has(name));
}

function prepend(detail: string, requirements: readonly WrittenRequirement[]): string {
  const shown = requirements.slice(0, MOST_LINES).map(({ file, line, text }) => `${file}, line ${line}: ${text}`);
  const more = requirements.length - shown.length;
  return [...shown, ...(more > 0 ? [`... and ${more} more lines`] : []), detail].join('\n');
}

function remedyFor(requirements: readonly WrittenRequirement[]): string {
  const steps: string[] = [];
  const has = (...kinds: readonly Requirement['kind'][]): boolean =>
    requirements.some(({ kind }) => kinds.includes(kind));
  if (has('local')) {
    steps.push(
      'Remove local projects from the file, because they have no digest (`uv export --no-emit-project` leaves out the project)',
    );
  }
  if (has('vcs')) steps.push('Replace each repository with a release, or with the URL of an archive and its `--hash`');
  if (has('index', 'url')) {
    steps.push(
      'Add `--hash=sha256:...` to the lines without a digest (`uv pip compile --generate-hashes` or `pip-compile --generate-hashes` writes them)',
    );
  }
  if (requirements.length === 0) {
    steps.push(
      'List every package, including dependencies, with an exact version and its digests (`uv pip compile --generate-hashes` or `pip-compile --generate-hashes` writes such a file)',
    );
  }
  const dropAll = 'Or remove the digests from all lines.';
  if (steps.length === 1) return `${steps[0]}. ${dropAll}`;
  return [...steps.map((step, index) => `${index + 1}. ${step}.`), dropAll].join('\n');
}
