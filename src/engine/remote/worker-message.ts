// What pyflow-node says besides its result: one line of JSON on stderr, with an exit status that is not 0. Servers cache no such
// result.

import type { Blame, Failure } from '../failure.js';
import { isTable, isText } from '../files/untrusted-json.js';

export type WorkerMessage =
  /** The worker can't run the action: it is another release, lacks the kind, or is another builder. */
  | { readonly type: 'refused'; readonly failure: Failure }
  /** The executor has not laid out all inputs. Some do that only when a file is read. */
  | { readonly type: 'lost-input'; readonly reason: string }
  /** The node failed. `status` is the exit status of its last command. */
  | { readonly type: 'failed'; readonly failure: Failure; readonly status: number }
  /** The outputs are complete, but no server may keep them under the action's key. `uncacheable`: nor may any store. */
  | { readonly type: 'kept-back'; readonly uncacheable?: string }
  /** The node succeeded, but its result can't be told to another machine. */
  | { readonly type: 'untellable'; readonly reason: string };

/** Stands for the id of the node, which is in no key. The client puts the id there. */
export const UNNAMED = '{pyflow-node}';

/** Exit statuses besides those of failures. */
export const REFUSED_STATUS = 78;
export const KEPT_BACK_STATUS = 79;

/** Variables that a worker makes itself, or that only its own program gets. A node that sets one of them runs here. */
export const isWorkersOwn = (name: string): boolean => WORKERS_OWN.has(name) || name.startsWith('PYFLOW_');
const WORKERS_OWN: ReadonlySet<string> = new Set(['HOME', 'TMPDIR', 'PWD', 'OLDPWD', 'SHLVL', '_']);

const MOST_TEXT = 256 * 1024;
const BLAMES: readonly unknown[] = ['app', 'pipeline', 'internal', 'environment'] satisfies Blame[];
const CODE = /^[a-z0-9-]{1,60}::[a-z0-9-]{1,60}$/;

export const encodeWorkerMessage = (message: WorkerMessage): string => `${JSON.stringify(message)}\n`;

/** The message in the last line of what a worker printed on stderr; undefined if there is none. */
export function parseWorkerMessage(stderr: string): WorkerMessage | undefined {
  const line =
    stderr
      .slice(-4 * MOST_TEXT)
      .trimEnd()
      .split('\n')
      .at(-1) ?? '';
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isTable(value) ? messageOf(value) : undefined;
}

function messageOf(value: Readonly<Record<string, unknown>>): WorkerMessage | undefined {
  const { type, failure, status, uncacheable, reason } = value;
  if (type === 'refused' && isFailure(failure)) return { type, failure: failureOf(failure) };
  if (type === 'failed' && isFailure(failure) && Number.isSafeInteger(status))
    return { type, failure: failureOf(failure), status: status as number };
  if (type === 'kept-back' && (uncacheable === undefined || isShort(uncacheable)))
    return { type, ...(uncacheable === undefined ? {} : { uncacheable }) };
  return (type === 'untellable' || type === 'lost-input') && isShort(reason) ? { type, reason } : undefined;
}

const isShort = (value: unknown): value is string => isText(value) && value.length <= MOST_TEXT;

function isFailure(value: unknown): value is Failure {
  if (!isTable(value)) return false;
  const { code, blame, title, detail, remedy, subject, retryable } = value;
  return (
    isShort(code) &&
    CODE.test(code) &&
    BLAMES.includes(blame) &&
    [title, detail, remedy].every(isShort) &&
    (subject === undefined || isShort(subject)) &&
    (retryable === undefined || retryable === true)
  );
}

/** Without fields that nobody checked. */
const failureOf = ({ code, blame, title, detail, remedy, subject, retryable }: Failure): Failure => ({
  code,
  blame,
  title: title.replaceAll(/\s*\n\s*/g, ' '),
  detail,
  remedy,
  ...(subject === undefined ? {} : { subject }),
  ...(retryable === undefined ? {} : { retryable }),
});
