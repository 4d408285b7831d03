// Checks whether the `retries` of a node can have any effect.

import type { RetryCause } from './manifest.js';
import type { Draft } from './nodes.js';
import { isRecord, type Path, type Report } from './problem.js';

/** The causes that a plain number covers. */
export const defaultRetryCauses = (usesNetwork: boolean): readonly RetryCause[] =>
  usesNetwork ? ['environment', 'timeout'] : ['environment'];

/** Warns about retries that no outcome of the node can trigger. */
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
      message: `The \`retries\` of \`${draft.id}\` have no effect${at === path ? '' : ' after a timeout'}.`,
      reason,
      remedy,
    });
  const isOutside = kind.codeDigest !== undefined;
  if (manifest.pure === true) {
    if (isOutside) return;
    return warn(
      `The kind \`${manifest.kind}\` only reads files, so a second attempt gives the same result.`,
      'Remove `retries`.',
    );
  }
  if (manifest.sideEffects === true && retryOn === undefined)
    return warn(
      `The kind \`${manifest.kind}\` has side effects, so pyflow retries it only after the causes that you name.`,
      `If it is safe to run twice, write \`retries: { times: ${retries}, on: [environment, timeout, exit] }\`.`,
    );
  if (retryOn?.includes('timeout') === true && timeoutMs === undefined && retryOn.length > 1)
    return warn('The node has no `timeout`.', 'Add a timeout such as `timeout: 10m`, or remove `timeout` from `on`.', [
      ...path,
      'on',
    ]);
  // Shipped kinds without network access fail through the exit status of a command, or because of the app's files.
  if (isOutside || manifest.network === true) {
    if (retryOn?.join() === 'timeout' && timeoutMs === undefined)
      warn(
        'They apply only after a timeout, and the node has no `timeout`.',
        'Add a timeout such as `timeout: 10m`, or change `on`.',
      );
    return;
  }
  const usesNetwork = raw['network'] === true;
  const covered = retryOn ?? defaultRetryCauses(usesNetwork);
  if (covered.includes('exit') || (covered.includes('timeout') && timeoutMs !== undefined)) return;
  const names = isRecord(raw['retries']) ? 'They apply' : 'A plain number applies';
  warn(
    `${names} only after ${covered.includes('timeout') ? 'timeouts and ' : ''}failures of the environment, but this node fails through the exit status of its command.`,
    `To retry after a failed command, write \`retries: { times: ${retries}, on: [exit] }\`${usesNetwork ? ', or add a `timeout`' : ''}.`,
  );
}
