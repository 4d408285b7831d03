// Failures of outside plugins. They blame the plugin for its mistakes, not the app.

import type { ActedOnCode, Failure } from '../failure.js';
import type { Method, Thrown } from './protocol.js';

export interface Culprit {
  readonly file: string;
  /** Absent while it is loaded. */
  readonly kind?: string;
  readonly method?: Method;
  /** `FILE:LINE` of the method. */
  readonly methodPlace?: string;
}

const titled = ({ file, kind, method }: Culprit, what: string): string => {
  if (kind === undefined) return `The plugin ${file} ${what} while pyflow loaded it`;
  return method === undefined ? `The plugin ${kind} ${what}` : `The plugin ${kind} ${what} in ${method}`;
};

/** Every message names a line of the plugin's file, or at least the file. */
const placed = ({ file, methodPlace }: Culprit, place?: string): string => `at ${place ?? methodPlace ?? file}`;

const lines = (...parts: readonly (string | undefined)[]): string =>
  parts.filter((part) => part !== undefined && part !== '').join('\n');

const toAuthor = 'If the plugin is not yours, report this to its author.';

export const threw = (by: Culprit, { text, place }: Thrown, printed?: string): Failure => ({
  code: 'plugin::threw',
  blame: 'internal',
  title: titled(by, 'threw an error'),
  detail: lines(text, placed(by, place), printed),
  subject: text,
  remedy: `Fix that line of the plugin, or return \`{ ok: false, failure }\` for problems that users can fix. ${toAuthor}`,
});

export const hung = (by: Culprit, afterMs: number, place?: string): Failure => ({
  code: 'plugin::timeout',
  blame: 'internal',
  title: titled(by, `did not return within ${afterMs / 1000} s`),
  detail: lines(placed(by, place), 'pyflow stopped its process.'),
  remedy: `Find the endless loop or the promise that never settles. ${toAuthor}`,
});

/** `run` reached the timeout of its node without waiting for a command or a download. */
export const hungInRun = (by: Culprit, timeout: Failure, place?: string): Failure => ({
  code: timeout.code,
  blame: 'internal',
  title: timeout.title,
  detail: lines(
    `The plugin ${by.kind ?? by.file} did not return from run, and the node was running no command or download.`,
    placed(by, place),
  ),
  remedy: `Find the endless loop or the promise that never settles, or raise the timeout of the node. ${toAuthor}`,
});

export const exited = (by: Culprit, how: string, place?: string, printed?: string): Failure => ({
  code: 'plugin::exited',
  blame: 'internal',
  title: titled(by, 'ended its process'),
  detail: lines(how, placed(by, place), printed),
  subject: how,
  remedy: `Return from the method instead of ending the process. ${toAuthor}`,
});

export const outOfMemory = (by: Culprit, megabytes: number): Failure => ({
  code: 'plugin::out-of-memory',
  blame: 'internal',
  title: titled(by, `needed more than ${megabytes} MB of memory`),
  detail: lines(placed(by), 'pyflow stopped its process.'),
  remedy: `Keep less in memory at a time, or raise the limit: set PYFLOW_PLUGIN_MEMORY to more than ${megabytes} (megabytes).`,
});

export const flooded = (by: Culprit, what: string): Failure => ({
  code: 'plugin::flood',
  blame: 'internal',
  title: titled(by, what),
  detail: lines(placed(by), 'pyflow stopped its process.'),
  remedy: `Wait for each request before the next one, and print only what people will read. ${toAuthor}`,
});

export const brokeProtocol = (by: Culprit, what: string): Failure => ({
  code: 'plugin::protocol',
  blame: 'internal',
  title: titled(by, 'wrote to a pipe that belongs to pyflow'),
  detail: lines(what, placed(by), 'pyflow stopped its process.'),
  remedy: `Do not write to file descriptors 3 and 4 of the process. ${toAuthor}`,
});

export const wrongAnswer = (by: Culprit, problems: readonly string[], said?: string): Failure => ({
  code: 'plugin::wrong-answer',
  blame: 'internal',
  title: titled(by, 'returned an invalid answer'),
  detail: lines(
    ...problems.slice(0, 10),
    placed(by),
    said === undefined ? undefined : `The plugin's own message: ${said}`,
  ),
  subject: problems[0] ?? '',
  remedy: `Fix what the plugin returns. docs/writing-plugins.md lists the fields. ${toAuthor}`,
});

export const unsendable = (by: Culprit, where: string, what: string): Failure =>
  wrongAnswer(by, [
    `${where === '' ? 'The returned value' : `\`${where}\` of the returned value`} is ${what}. Return only what JSON can express.`,
  ]);

export const badManifest = (by: Culprit, problems: readonly string[]): Failure => ({
  code: 'plugin::bad-manifest',
  blame: 'internal',
  title: `The manifest of the plugin ${by.file} is not valid`,
  detail: lines(...problems.slice(0, 10), placed(by)),
  subject: problems[0] ?? '',
  remedy: `Fix the export \`manifest\`. docs/writing-plugins.md lists the fields. ${toAuthor}`,
});

/** A missing file, a syntax error, a missing module or export. */
export const cannotLoad = (file: string, detail: string, place?: string): Failure => ({
  code: 'plugin::cannot-load',
  blame: 'pipeline',
  title: `The plugin can't be loaded: ${file}`,
  detail: lines(detail, `at ${place ?? file}`),
  remedy: 'Fix the file or its path under `plugins`. docs/writing-plugins.md lists what a plugin file exports.',
});

export const cannotStart = (file: string, detail: string): Failure => ({
  code: 'plugin::cannot-start',
  blame: 'environment',
  title: `The process of the plugin ${file} could not be started`,
  detail,
  remedy: 'Check the limits on processes and memory (`ulimit -a`), then run again.',
});

export const interrupted = (by: Culprit): Failure => ({
  code: 'plugin::interrupted' satisfies ActedOnCode,
  blame: 'internal',
  title: titled(by, 'was interrupted'),
  detail: lines('Its process ended while several nodes used it.', placed(by)),
  remedy: 'Run again.',
});

export const abandoned = (by: Culprit): Failure => ({
  code: 'run::aborted' satisfies ActedOnCode,
  blame: 'environment',
  title: 'The run was interrupted',
  detail: `pyflow stopped the plugin ${by.kind ?? by.file}.`,
  remedy: 'Run again. pyflow restores what had finished.',
});
