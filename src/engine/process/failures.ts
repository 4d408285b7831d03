// Failures of starting commands and of the sandbox around them. Unaware of what the commands were for.

import { existsSync } from 'node:fs';
import type { ActedOnCode, Failure } from '../failure.js';
import { scarcityFailure } from '../files/system-failures.js';

/** Arguments may be long and may hold what people do not want to read again: the program's name is enough. */
const programOf = (argv: readonly string[]): string => argv[0] ?? '(nothing)';

export const commandNotFound = (argv: readonly string[], searchPath: string | undefined): Failure => ({
  code: NOT_FOUND,
  blame: 'app',
  title: `The command ${programOf(argv)} was not found`,
  detail: programOf(argv).includes('/')
    ? `There is no file ${programOf(argv)}, or the interpreter named in its first line is missing.`
    : `No folder of the search path has a program ${programOf(argv)}. The search path is ${searchPath ?? 'empty'}.`,
  remedy: 'Check the spelling, or have an earlier node provide the program.',
});

export const commandNotExecutable = (argv: readonly string[], why: string): Failure => ({
  code: NOT_EXECUTABLE,
  blame: 'app',
  title: `${programOf(argv)} is not a program that can be started`,
  detail: why,
  remedy: 'Make the file executable (chmod +x), or start it by its interpreter: [sh, FILE] or [python, FILE].',
});
export const NOT_FOUND = 'command::not-found';
const NOT_EXECUTABLE = 'command::not-executable';

export const commandCannotStart = (argv: readonly string[], why: string): Failure => ({
  code: 'command::cannot-start',
  blame: 'environment',
  title: `The command ${programOf(argv)} could not be started`,
  detail: why,
  remedy: 'Check that the file is an executable program for this machine and that its folder can be entered.',
});

/** The caller knows who gave them: by default the app, from whose files plugins make their commands. */
export function argumentsTooLarge(argv: readonly string[], env: Readonly<Record<string, string>>): Failure {
  const bytesOf = (texts: readonly string[]): number =>
    texts.reduce((total, text) => total + Buffer.byteLength(text) + 1, 0);
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const largest = variables.toSorted((a, b) => b.length - a.length)[0];
  const ofLargest =
    largest === undefined ? '' : `; its largest variable is ${largest.split('=')[0]} with ${bytesOf([largest])} bytes`;
  return {
    code: 'command::arguments-too-large' satisfies ActedOnCode,
    blame: 'app',
    title: `The arguments or the environment of ${programOf(argv)} are too large`,
    detail:
      `It has ${bytesOf(argv)} bytes of arguments and ${bytesOf(variables)} bytes of environment${ofLargest}. ` +
      'Linux takes 128 KiB for one argument or variable, and about 2 MiB for all.',
    remedy: 'Put long values into a file and give the command its name.',
  };
}

export const commandTimedOut = (argv: readonly string[], timeoutMs: number): Failure => ({
  code: 'command::timed-out',
  blame: 'environment',
  title: `The command ${programOf(argv)} gave no answer in time`,
  detail: `It was ended after ${timeoutMs} ms.`,
  remedy: 'Try again; if it happens again, run the command by hand and see what it waits for.',
  retryable: true,
});

export const commandAborted = (argv: readonly string[]): Failure => ({
  code: 'run::aborted',
  blame: 'environment',
  title: `The command ${programOf(argv)} was aborted`,
  detail: 'The run was told to stop, or its time was up, before this was complete.',
  remedy: 'Run it again; what was finished before is kept.',
});

export const sandboxUnavailable = (why: string): Failure => ({
  code: 'sandbox::unavailable',
  blame: 'environment',
  title: 'This machine offers no sandbox',
  detail: `A sandbox of namespaces was tried once and did not start: ${why}`,
  remedy:
    'Install bubblewrap and allow user namespaces, or choose --sandbox auto or none; the latter is not for apps that do not trust each other.',
});

/** `error`: what Node threw or emitted instead of a process. */
export function startFailure(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  error: unknown,
): Failure {
  const { code, message } = error as NodeJS.ErrnoException;
  // A missing working folder gives ENOENT too, and then the command is not to blame.
  if (code === 'ENOENT' && existsSync(options.cwd)) return commandNotFound(argv, options.env['PATH']);
  if (code === 'ENOENT') return commandCannotStart(argv, `Its working folder ${options.cwd} does not exist.`);
  if (code === 'E2BIG') return argumentsTooLarge(argv, options.env);
  const scarcity = scarcityFailure(error);
  if (scarcity !== undefined) return { ...scarcity, retryable: true };
  if (code === 'EACCES')
    return commandNotExecutable(argv, 'It is not executable, or its working folder may not be entered.');
  if (code === 'ENOTDIR')
    return commandNotExecutable(argv, 'A part of its path, or of its working folder, is not a folder.');
  return commandCannotStart(argv, `The system says: ${message}`);
}
