// Failures of `pyflow cache export` and `pyflow cache import`.

import type { Failure } from '../failure.js';

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const cannotExport = (file: string, error: unknown): Failure => ({
  code: 'cache::export-cannot-write',
  blame: 'environment',
  title: `Can't write the file ${file}`,
  detail: textOf(error),
  remedy: 'Choose a file in a folder that exists, that you can write to, and that has enough space.',
});

export const lostWhileExporting = (cacheDir: string, error: unknown): Failure => ({
  code: 'cache::export-lost',
  blame: 'environment',
  title: `The cache ${cacheDir} lost a blob while pyflow exported it`,
  detail: `${textOf(error)}. It was damaged, or another process cleaned the cache.`,
  remedy: 'Run the command again. If it happens again, run `pyflow cache verify`.',
  retryable: true,
});

export const cannotRead = (file: string, error: unknown): Failure => ({
  code: 'cache::import-unreadable',
  blame: 'pipeline',
  title: `Can't read the file ${file}`,
  detail: textOf(error),
  remedy: 'Name a file that `pyflow cache export` wrote, and that you can read.',
});

export const notAnExport = (file: string, detail: string): Failure => ({
  code: 'cache::import-not-an-export',
  blame: 'pipeline',
  title: `${file} is no file of \`pyflow cache export\``,
  detail,
  remedy: 'Name a file that `pyflow cache export` wrote. If it is compressed, decompress it first.',
});

export const otherVersion = (file: string): Failure => ({
  code: 'cache::import-other-version',
  blame: 'pipeline',
  title: `Another version of pyflow wrote ${file}`,
  detail: 'Its format, or the format of its keys, is not the one of this version, so no run could use its results.',
  remedy: 'Export the results with the same version of pyflow that imports them.',
});

/** `entry`: the name of the entry that was refused. */
export const refusedImport = (file: string, entry: string, problem: string): Failure => ({
  code: 'cache::import-refused',
  blame: 'environment',
  title: `pyflow refused ${file}, because it is damaged or was changed`,
  detail: `${entry}: ${problem}. The cache is valid: pyflow stored nothing from this entry on.`,
  remedy: 'Get the file again from where it was exported, and import only files from a source that you trust.',
});

export const cannotStoreImport = (cacheDir: string, detail: string): Failure => ({
  code: 'cache::import-not-stored',
  blame: 'environment',
  title: `pyflow could not store the results in the cache ${cacheDir}`,
  detail,
  remedy: 'Check the permissions of the folder and free some space, then import the file again.',
});

export const transferAborted = (what: 'export' | 'import', file: string): Failure => ({
  code: 'run::aborted',
  blame: 'environment',
  title: `The ${what} was interrupted`,
  detail: what === 'export' ? `pyflow wrote no ${file}.` : 'What pyflow had stored until then stays in the cache.',
  remedy: 'Run the command again.',
});
