// Failures of digesting, capturing, materializing and storing files, in words for people. Unaware of when they are raised.

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
      title: `A file vanished while it was read: ${shownPath(path)}`,
      detail: 'It was listed a moment ago and is gone now, so something still changes these files.',
      remedy: 'Let every program that writes there end before the step is over, then run again.',
    };
  }
  const scarcity = scarcityFailure(error);
  if (scarcity !== undefined) return { ...scarcity, retryable: true };
  return {
    code: 'app::unreadable-file',
    blame: 'app',
    title: `A file cannot be read: ${shownPath(path)}`,
    detail: textOf(error),
    remedy: 'Give its owner permission to read it (chmod u+r), or remove it.',
  };
}

export const folderGone = (): Failure => ({
  code: 'app::file-vanished',
  blame: 'app',
  title: 'The folder that a step worked in is gone',
  detail: 'The step removed it, or put something else in its place, so there is nothing to keep of it.',
  remedy: 'Let the step write into its working folder and leave that folder itself alone.',
});

export function fileTrouble(path: string, error: unknown): Failure {
  const scarcity = scarcityFailure(error);
  if (scarcity !== undefined) return { ...scarcity, retryable: true };
  return {
    code: 'environment::file-system',
    blame: 'environment',
    title: `The file system refused to work on ${shownPath(path)}`,
    detail: textOf(error),
    remedy: 'Free disk space, raise the limit on open files, or choose another --cache-dir; then run again.',
    retryable: true,
  };
}

export const unsupportedFile = (path: string, what: string): Failure => ({
  code: 'app::unsupported-file',
  blame: 'app',
  title: `A file of this kind cannot be kept: ${shownPath(path)}`,
  detail: `It is ${what}. Only regular files, directories and symbolic links whose names are UTF-8 can be kept.`,
  remedy: 'Remove it, rename it, or make it outside the app.',
});

export const fileTooLarge = (path: string, bytes: number): Failure => ({
  code: 'app::file-too-large',
  blame: 'app',
  title: `A file is larger than 4 GiB: ${shownPath(path)}`,
  detail: `It has ${bytes} bytes.`,
  remedy: 'Remove it or split it; a file of this size has no place in an app.',
});

export const cacheUnusable = (directory: string, error: unknown): Failure => ({
  code: 'cache::unusable',
  blame: 'environment',
  title: `The cache directory cannot be used: ${directory}`,
  detail: textOf(error),
  remedy: 'Choose another with --cache-dir, or remove what lies at that path.',
});

export const noRoomForBlobs = (error: unknown): Failure => ({
  code: 'cache::no-room',
  blame: 'environment',
  title: 'There is no room left to keep the files of this run',
  detail: `Neither the cache directory nor the temporary directory takes them: ${textOf(error)}`,
  remedy: 'Free disk space or choose another --cache-dir, then run again.',
  retryable: true,
});
