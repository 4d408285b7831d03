// Failures of downloads and archives. Unaware of who wanted the file.

import type { Failure } from '../failure.js';

/** What a person may read of a URL: neither its user part nor its query, for both may be a secret. */
function displayUrl(url: URL | string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return String(url)
      .replace(/\/\/[^/@]*@/, '//')
      .replace(/[?#].*$/s, '');
  }
  // For file URLs `origin` is the word null.
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

export const invalidUrl = (url: string, why: string): Failure => ({
  code: 'download::invalid-url',
  blame: 'pipeline',
  title: `${displayUrl(url)} is no address to download from`,
  detail: why,
  remedy: 'Use an http, https or file URL, also for a mirror.',
});

export const downloadAborted = (url: string): Failure => ({
  code: 'run::aborted',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} was aborted`,
  detail: 'The run was told to stop, or its time was up, before this was complete.',
  remedy: 'Run it again; what was finished before is kept.',
});

export const hostUnreachable = (url: string, host: string, why: string): Failure => ({
  code: 'download::host-unreachable',
  blame: 'environment',
  title: `No connection to ${host}`,
  detail: `${why} Wanted: ${displayUrl(url)}`,
  remedy: 'Check the network, the proxy variables and the name, or set a mirror that can be reached.',
});

export const notFound = (url: string, why: string): Failure => ({
  code: 'download::not-found',
  blame: 'environment',
  title: `There is no ${displayUrl(url)}`,
  detail: why,
  remedy: 'Check the address; a mirror may lack this file.',
});

export const refused = (url: string, why: string): Failure => ({
  code: 'download::refused',
  blame: 'environment',
  title: `${displayUrl(url)} may not be downloaded`,
  detail: why,
  remedy: 'Check the credentials and permissions for this address.',
});

export const badRedirect = (url: string, why: string): Failure => ({
  code: 'download::bad-redirect',
  blame: 'environment',
  title: `${displayUrl(url)} leads nowhere safe`,
  detail: why,
  remedy: 'Use the address that it should lead to.',
});

export const serverError = (url: string, status: number, tries: number): Failure => ({
  code: 'download::server-error',
  blame: 'environment',
  title: `The server of ${displayUrl(url)} is in trouble`,
  detail: `It answered with status ${status}; tried ${times(tries)}.`,
  remedy: 'Try again later.',
  retryable: true,
});

export const cutOff = (url: string, received: number, expected: number | undefined, tries: number): Failure => ({
  code: 'download::cut-off',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} broke off`,
  detail: `The connection ended after ${received} bytes${expected === undefined ? '' : ` of ${expected}`}; tried ${times(tries)}.`,
  remedy: 'Try again later.',
  retryable: true,
});

export const stalled = (url: string, received: number, stallTimeoutMs: number, tries: number): Failure => ({
  code: 'download::stalled',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} came to a halt`,
  detail: `Nothing came for ${stallTimeoutMs} ms after ${received} bytes; tried ${times(tries)}.`,
  remedy: 'Try again later.',
  retryable: true,
});

export const tooSlow = (url: string, received: number, why: string, tries: number): Failure => ({
  code: 'download::too-slow',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} is too slow`,
  detail: `${why} ${received} bytes were there; tried ${times(tries)}.`,
  remedy:
    'Try again later, or set a mirror that is nearer. PYFLOW_DOWNLOAD_MIN_RATE and PYFLOW_DOWNLOAD_TIMEOUT change the limits.',
  retryable: true,
});

export const wrongDigest = (url: string, expected: string, actual: string): Failure => ({
  code: 'download::wrong-digest',
  blame: 'environment',
  title: `${displayUrl(url)} is not the file it should be`,
  detail: `Its SHA-256 should be ${expected}\nbut it is            ${actual}`,
  remedy: 'Do not use this file. Find out whether the mirror or a proxy changes files, or the pinned digest is wrong.',
});

export const downloadTooLarge = (url: string, limit: number): Failure => ({
  code: 'download::too-large',
  blame: 'environment',
  title: `${displayUrl(url)} is larger than it may be`,
  detail: `The limit for it is ${limit} bytes; the rest was not fetched.`,
  remedy: 'Check the address, and the pinned size of the file.',
});

export const diskFull = (path: string): Failure => ({
  code: 'download::disk-full',
  blame: 'environment',
  title: 'There is no room for a download',
  detail: `The disk, or the quota on it, was full while writing to ${path}.`,
  remedy: 'Free some space, run `pyflow cache gc`, or choose another --cache-dir.',
});

export const cannotStore = (path: string, why: string): Failure => ({
  code: 'download::cannot-store',
  blame: 'environment',
  title: 'A download could not be written',
  detail: `${path}: ${why}`,
  remedy: 'Check that the cache folder exists and may be written, or choose another --cache-dir.',
});

const times = (tries: number): string => (tries === 1 ? 'once' : `${tries} times`);

export const unsafePath = (archive: string, entry: string, why: string): Failure => ({
  code: 'archive::unsafe-path',
  blame: 'environment',
  title: `The archive ${archive} wants to write where it may not`,
  detail: `Entry ${JSON.stringify(entry)}: ${why}`,
  remedy: 'Do not use this archive; nothing of it was kept.',
});

export const unsafeLink = (archive: string, entry: string, target: string, why: string): Failure => ({
  code: 'archive::unsafe-link',
  blame: 'environment',
  title: `The archive ${archive} holds a link that leads where it may not`,
  detail: `Entry ${JSON.stringify(entry)} links to ${JSON.stringify(target)}: ${why}`,
  remedy: 'Do not use this archive; nothing of it was kept.',
});

export const unsupportedEntry = (archive: string, entry: string, why: string): Failure => ({
  code: 'archive::unsupported-entry',
  blame: 'environment',
  title: `The archive ${archive} holds something other than files, folders and links`,
  detail: `Entry ${JSON.stringify(entry)}: ${why}`,
  remedy: 'Pack the archive again without this entry.',
});

export const corruptArchive = (archive: string, why: string): Failure => ({
  code: 'archive::corrupt',
  blame: 'environment',
  title: `The archive ${archive} is damaged`,
  detail: why,
  remedy: 'Fetch it again; if the digest is right, the archive was made wrongly.',
});

export const archiveTooLarge = (archive: string, why: string): Failure => ({
  code: 'archive::too-large',
  blame: 'environment',
  title: `The archive ${archive} unpacks to more than it may`,
  detail: why,
  remedy: 'Check that this is the archive you mean; nothing of it was kept.',
});

export const unsupportedFormat = (archive: string, format: string, why: string): Failure => ({
  code: 'archive::unsupported-format',
  blame: 'environment',
  title: `The archive ${archive} cannot be unpacked here`,
  detail: `Its format is ${format}. ${why}`,
  remedy: 'Use an archive in the format tar.gz.',
});

/** A format that this machine could read with one program more. */
export const noZstd = (archive: string): Failure => ({
  ...unsupportedFormat(
    archive,
    'tar.zst',
    `Node ${process.versions.node} cannot read Zstandard, and there is no program \`zstd\` in PATH.`,
  ),
  remedy: 'Install the program `zstd` (the package of most distributions has that name), or use Node 22.15 or later.',
});

export const cannotUnpack = (archive: string, into: string, why: string): Failure => ({
  code: 'archive::cannot-write',
  blame: 'environment',
  title: `The archive ${archive} could not be unpacked`,
  detail: `Unpacking into ${into}: ${why}`,
  remedy: 'Check the free space and the permissions there.',
});

export const unpackAborted = (archive: string): Failure => ({
  code: 'run::aborted',
  blame: 'environment',
  title: `Unpacking ${archive} was aborted`,
  detail: 'The run was told to stop, or its time was up, before this was complete.',
  remedy: 'Run it again; what was finished before is kept.',
});
