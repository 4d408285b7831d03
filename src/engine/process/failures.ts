// Failures of starting commands and of the sandbox around them.

import { existsSync } from 'node:fs';
import type { ActedOnCode, Failure } from '../failure.js';
import { scarcityFailure } from '../files/system-failures.js';

/** Arguments may be long or private, so messages show only the program's name. */
const programOf = (argv: readonly string[]): string => argv[0] ?? '(nothing)';

export const commandNotFound = (argv: readonly string[], searchPath: string | undefined): Failure => ({
  code: 'command::not-found' satisfies ActedOnCode,
  blame: 'app',
  title: `The command ${programOf(argv)} was not found`,
  detail: programOf(argv).includes('/')
    ? `The file ${programOf(argv)} doesn't exist, or the interpreter named in its first line is missing.`
    : `No folder in PATH contains a program ${programOf(argv)}. PATH is ${searchPath ?? 'empty'}.`,
  remedy: 'Check the spelling, or install the program in an earlier node.',
});

export const commandNotExecutable = (argv: readonly string[], why: string): Failure => ({
  code: 'command::not-executable' satisfies ActedOnCode,
  blame: 'app',
  title: `${programOf(argv)} can't be run as a program`,
  detail: why,
  remedy: 'Make the file executable (chmod +x), or start it with its interpreter: [sh, FILE] or [python, FILE].',
});

export const commandCannotStart = (argv: readonly string[], why: string): Failure => ({
  code: 'command::cannot-start',
  blame: 'environment',
  title: `The command ${programOf(argv)} could not be started`,
  detail: why,
  remedy:
    'Check that the file is an executable program for this machine and that you have permission to enter its folder.',
});

/** Blames the app, since plugins make their commands from its files; a caller that knows better changes that. */
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
      `The command has ${bytesOf(argv)} bytes of arguments and ${bytesOf(variables)} bytes of environment${ofLargest}. ` +
      'Linux allows 128 KiB for one argument or variable and about 2 MiB for all of them.',
    remedy: 'Write long values to a file and pass its name to the command.',
  };
}

export const commandTimedOut = (argv: readonly string[], timeoutMs: number): Failure => ({
  code: 'command::timed-out',
  blame: 'environment',
  title: `The command ${programOf(argv)} timed out`,
  detail: `pyflow stopped it after ${timeoutMs} ms.`,
  remedy: 'Try again. If it times out again, run the command yourself to see what it waits for.',
  retryable: true,
});

/** Work that an abort of the run, or the timeout of its node, cut off. */
export const aborted = (title: string): Failure => ({
  code: 'run::aborted' satisfies ActedOnCode,
  blame: 'environment',
  title,
  detail: 'The run was stopped or timed out before this was done.',
  remedy: 'Run it again. pyflow keeps what was already finished.',
});
export const commandAborted = (argv: readonly string[]): Failure =>
  aborted(`The command ${programOf(argv)} was aborted`);

export const sandboxUnavailable = (why: string): Failure => ({
  code: 'sandbox::unavailable',
  blame: 'environment',
  title: 'No sandbox is available on this machine',
  detail: `pyflow tried to start a sandbox made of namespaces: ${why}`,
  remedy:
    'Install bubblewrap and allow user namespaces, or use --sandbox auto or --sandbox none. Do not use none for apps that must not trust each other.',
});

/** `error`: what Node threw or emitted instead of a process. */
export function startFailure(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  error: unknown,
): Failure {
  const { code, message } = error as NodeJS.ErrnoException;
  // A missing working folder gives ENOENT too; then the command is not the cause.
  if (code === 'ENOENT' && existsSync(options.cwd)) return commandNotFound(argv, options.env['PATH']);
  if (code === 'ENOENT') return commandCannotStart(argv, `Its working folder ${options.cwd} doesn't exist.`);
  if (code === 'E2BIG') return argumentsTooLarge(argv, options.env);
  const scarcity = scarcityFailure(error);
  if (scarcity !== undefined) return { ...scarcity, retryable: true };
  if (code === 'EACCES')
    return commandNotExecutable(argv, 'It is not executable, or you have no permission to enter its working folder.');
  if (code === 'ENOTDIR')
    return commandNotExecutable(argv, 'Part of its path or of its working folder is not a folder.');
  return commandCannotStart(argv, `The system reports: ${message}`);
}
