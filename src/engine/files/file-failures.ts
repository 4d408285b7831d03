// Failures of digesting, capturing, materializing and storing files.

import type { Failure } from '../failure.js';
import { shownPath } from './shown-path.js';
import { scarcityFailure } from './system-failures.js';

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? '';
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export function unreadableFile(path: string, error: unknown): Failure {
  if (codeOf(error) === 'ENOENT') {
    return {
      code: 'app::file-vanished',
      blame: 'app',
      title: `A file disappeared while pyflow read it: ${shownPath(path)}`,
      detail: 'It existed a moment ago, so some program is still changing these files.',
      remedy: 'Make sure that background processes exit before the step ends, then run again.',
    };
  }
  const scarcity = scarcityFailure(error);
  if (scarcity !== undefined) return { ...scarcity, retryable: true };
  return {
    code: 'app::unreadable-file',
    blame: 'app',
    title: `A file can't be read: ${shownPath(path)}`,
    detail: textOf(error),
    remedy: 'Give its owner permission to read it (chmod u+r), or remove it.',
  };
}

export const folderGone = (): Failure => ({
  code: 'app::file-vanished',
  blame: 'app',
  title: 'The working folder of a step is gone',
  detail: 'The step removed or replaced the folder, so pyflow has nothing to keep.',
  remedy: 'Change the step so that it writes into its working folder but does not remove or replace the folder itself.',
});

export function fileTrouble(path: string, error: unknown): Failure {
  const scarcity = scarcityFailure(error);
  if (scarcity !== undefined) return { ...scarcity, retryable: true };
  return {
    code: 'environment::file-system',
    blame: 'environment',
    title: `The file system reported an error for ${shownPath(path)}`,
    detail: textOf(error),
    remedy: 'Free disk space, raise the limit on open files, or set another --cache-dir. Then run again.',
    retryable: true,
  };
}

export const unsupportedFile = (path: string, what: string): Failure => ({
  code: 'app::unsupported-file',
  blame: 'app',
  title: `pyflow can't store this kind of file: ${shownPath(path)}`,
  detail: `It is ${what}. pyflow stores only regular files, folders and symbolic links whose names are UTF-8.`,
  remedy: 'Remove it, rename it, or create it outside the app.',
});

export const fileTooLarge = (path: string, bytes: number): Failure => ({
  code: 'app::file-too-large',
  blame: 'app',
  title: `A file is larger than 4 GiB: ${shownPath(path)}`,
  detail: `It has ${bytes} bytes.`,
  remedy: 'Remove the file or split it.',
});

export const cacheUnusable = (directory: string, error: unknown): Failure => ({
  code: 'cache::unusable',
  blame: 'environment',
  title: `The cache folder can't be used: ${directory}`,
  detail: textOf(error),
  remedy: 'Set another with --cache-dir, or remove what is at that path.',
});

export const noRoomForBlobs = (error: unknown): Failure => ({
  code: 'cache::no-room',
  blame: 'environment',
  title: 'No space left for the files of this run',
  detail: `pyflow could write to neither the cache folder nor the temporary folder: ${textOf(error)}`,
  remedy: 'Free disk space or set another --cache-dir, then run again.',
  retryable: true,
});
