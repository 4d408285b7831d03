// Whether the `retries` of a node can ever do something. Unaware of runs.

import type { RetryCause } from './manifest.js';
import type { Draft } from './nodes.js';
import { isRecord, type Path, type Report } from './problem.js';

/** What a plain number covers. */
export const defaultRetryCauses = (usesNetwork: boolean): readonly RetryCause[] =>
  usesNetwork ? ['environment', 'timeout'] : ['environment'];

/** Warns of retries that no outcome of the node can use. */
export function checkRetries(draft: Draft, report: Report): void {
  const { kind, raw, retries, retryOn, timeoutMs } = draft;
  if (kind === undefined || retries === 0) return;
  const { manifest } = kind;
  const path: Path = [...draft.path, 'retries'];
  const warn = (reason: string, remedy: string, at: Path = path): void =>
    report({
      code: 'pipeline::useless-retries',
      severity: 'warning',
      path: at,
      atKey: true,
      message: `The \`retries\` of \`${draft.id}\` ${at === path ? 'do nothing' : 'do nothing after a timeout'}.`,
      reason,
      remedy,
    });
  const isOutside = kind.codeDigest !== undefined;
  if (manifest.pure === true) {
    if (isOutside) return;
    return warn(
      `The kind \`${manifest.kind}\` only looks at files; a second look finds the same.`,
      'Remove the field.',
    );
  }
  if (manifest.sideEffects === true && retryOn === undefined)
    return warn(
      `The kind \`${manifest.kind}\` has side effects, and those are not tried twice without a word.`,
      `If it may run twice, name what may follow: \`retries: { times: ${retries}, on: [environment, timeout, exit] }\`.`,
    );
  if (retryOn?.includes('timeout') === true && timeoutMs === undefined && retryOn.length > 1)
    return warn('The node has no `timeout`.', 'Give it one, or remove `timeout` from `on`.', [...path, 'on']);
  // Kinds of ours without a network of their own fail by the status of a command, or by what they find.
  if (isOutside || manifest.network === true) {
    if (retryOn?.join() === 'timeout' && timeoutMs === undefined)
      warn('They cover timeouts only, and the node has no `timeout`.', 'Give it one, or change `on`.');
    return;
  }
  const usesNetwork = raw['network'] === true;
  const covered = retryOn ?? defaultRetryCauses(usesNetwork);
  if (covered.includes('exit') || (covered.includes('timeout') && timeoutMs !== undefined)) return;
  const names = isRecord(raw['retries']) ? 'They cover' : 'A number covers';
  warn(
    `${names} ${covered.includes('timeout') ? 'timeouts and ' : ''}failures of the environment, and this node fails by the status of its command.`,
    `Write \`retries: { times: ${retries}, on: [exit] }\` to try again after such a status${usesNetwork ? ', or give the node a `timeout`' : ''}.`,
  );
}
