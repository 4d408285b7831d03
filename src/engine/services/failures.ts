// Failures of downloads and archives.

import type { ActedOnCode, Failure } from '../failure.js';
import { aborted } from '../process/failures.js';

/** A URL for messages: without its user part and query, since both may hold a secret. */
function displayUrl(url: URL | string): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    return String(url)
      .replace(/\/\/[^/@]*@/, '//')
      .replace(/[?#].*$/s, '');
  }
  // For file URLs `origin` is the word null, so it can't be used here.
  return `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}

export const invalidUrl = (url: string, why: string): Failure => ({
  code: 'download::invalid-url',
  blame: 'pipeline',
  title: `pyflow can't download from ${displayUrl(url)}`,
  detail: why,
  remedy: 'Use an http, https or file URL. This also applies to mirrors.',
});

export const downloadAborted = (url: string): Failure => aborted(`The download of ${displayUrl(url)} was aborted`);

export const hostUnreachable = (url: string, host: string, why: string): Failure => ({
  code: 'download::host-unreachable' satisfies ActedOnCode,
  blame: 'environment',
  title: `Can't connect to ${host}`,
  detail: `${why} The download was ${displayUrl(url)}.`,
  remedy: 'Check the network, the proxy variables and the host name, or set a mirror that is reachable.',
});

export const notFound = (url: string, why: string): Failure => ({
  code: 'download::not-found',
  blame: 'environment',
  title: `Not found: ${displayUrl(url)}`,
  detail: why,
  remedy: 'Check the URL. A mirror may not have this file.',
});

export const refused = (url: string, why: string): Failure => ({
  code: 'download::refused',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} was refused`,
  detail: why,
  remedy: 'Check the credentials and permissions for this URL.',
});

export const badRedirect = (url: string, why: string): Failure => ({
  code: 'download::bad-redirect',
  blame: 'environment',
  title: `${displayUrl(url)} redirects to an unsafe address`,
  detail: why,
  remedy: 'Use the URL that it should redirect to.',
});

export const serverError = (url: string, status: number, tries: number): Failure => ({
  code: 'download::server-error',
  blame: 'environment',
  title: `The server failed to send ${displayUrl(url)}`,
  detail: `It answered with status ${status}. pyflow tried ${times(tries)}.`,
  remedy: 'Try again later.',
  retryable: true,
});

export const cutOff = (url: string, received: number, expected: number | undefined, tries: number): Failure => ({
  code: 'download::cut-off',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} was cut off`,
  detail: `The connection ended after ${received} bytes${expected === undefined ? '' : ` of ${expected}`}. pyflow tried ${times(tries)}.`,
  remedy: 'Try again later.',
  retryable: true,
});

export const stalled = (url: string, received: number, stallTimeoutMs: number, tries: number): Failure => ({
  code: 'download::stalled',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} stalled`,
  detail: `After ${received} bytes, nothing arrived for ${stallTimeoutMs} ms. pyflow tried ${times(tries)}.`,
  remedy: 'Try again later.',
  retryable: true,
});

export const tooSlow = (url: string, received: number, why: string, tries: number): Failure => ({
  code: 'download::too-slow',
  blame: 'environment',
  title: `The download of ${displayUrl(url)} is too slow`,
  detail: `${why} ${received} bytes had arrived. pyflow tried ${times(tries)}.`,
  remedy:
    'Try again later, or set a nearer mirror. PYFLOW_DOWNLOAD_MIN_RATE and PYFLOW_DOWNLOAD_TIMEOUT change the limits.',
  retryable: true,
});

export const wrongDigest = (url: string, expected: string, actual: string): Failure => ({
  code: 'download::wrong-digest',
  blame: 'environment',
  title: `${displayUrl(url)} doesn't match its pinned digest`,
  detail: `Expected SHA-256: ${expected}\nActual SHA-256:   ${actual}`,
  remedy:
    'Do not use this file. Find out whether a mirror or proxy changes files, or whether the pinned digest is wrong.',
});

export const downloadTooLarge = (url: string, limit: number): Failure => ({
  code: 'download::too-large',
  blame: 'environment',
  title: `${displayUrl(url)} is too large`,
  detail: `The limit is ${limit} bytes. pyflow did not fetch the rest.`,
  remedy: 'Check the URL and the pinned size of the file.',
});

export const diskFull = (path: string): Failure => ({
  code: 'download::disk-full',
  blame: 'environment',
  title: 'No space left for a download',
  detail: `The disk or your quota was full while pyflow wrote to ${path}.`,
  remedy: 'Free some space, run `pyflow cache gc`, or set another --cache-dir.',
});

export const cannotStore = (path: string, why: string): Failure => ({
  code: 'download::cannot-store',
  blame: 'environment',
  title: 'A download could not be saved',
  detail: `${path}: ${why}`,
  remedy: 'Check that the cache folder exists and that you can write to it, or set another --cache-dir.',
});

const times = (tries: number): string => (tries === 1 ? 'once' : `${tries} times`);

export const unsafePath = (archive: string, entry: string, why: string): Failure => ({
  code: 'archive::unsafe-path',
  blame: 'environment',
  title: `The archive ${archive} contains an unsafe path`,
  detail: `Entry ${JSON.stringify(entry)}: ${why}`,
  remedy: 'Do not use this archive. pyflow kept nothing of it.',
});

export const unsafeLink = (archive: string, entry: string, target: string, why: string): Failure => ({
  code: 'archive::unsafe-link',
  blame: 'environment',
  title: `The archive ${archive} contains an unsafe link`,
  detail: `Entry ${JSON.stringify(entry)} links to ${JSON.stringify(target)}: ${why}`,
  remedy: 'Do not use this archive. pyflow kept nothing of it.',
});

export const unsupportedEntry = (archive: string, entry: string, why: string): Failure => ({
  code: 'archive::unsupported-entry',
  blame: 'environment',
  title: `The archive ${archive} contains an entry that pyflow can't unpack`,
  detail: `Entry ${JSON.stringify(entry)}: ${why}`,
  remedy: 'Rebuild the archive without this entry.',
});

export const corruptArchive = (archive: string, why: string): Failure => ({
  code: 'archive::corrupt',
  blame: 'environment',
  title: `The archive ${archive} is damaged`,
  detail: why,
  remedy: 'Download it again. If its digest is right, the archive itself is broken.',
});

export const archiveTooLarge = (archive: string, why: string): Failure => ({
  code: 'archive::too-large',
  blame: 'environment',
  title: `The archive ${archive} is too large when unpacked`,
  detail: why,
  remedy: 'Check that this is the right archive. pyflow kept nothing of it.',
});

export const unsupportedFormat = (archive: string, format: string, why: string): Failure => ({
  code: 'archive::unsupported-format',
  blame: 'environment',
  title: `pyflow can't unpack the archive ${archive}`,
  detail: `Its format is ${format}. ${why}`,
  remedy: 'Use a tar.gz archive.',
});

/** A format that this machine can read once a program is installed. */
export const noZstd = (archive: string): Failure => ({
  ...unsupportedFormat(
    archive,
    'tar.zst',
    `Node ${process.versions.node} can't read Zstandard, and PATH has no program \`zstd\`.`,
  ),
  remedy: 'Install the program `zstd` (most distributions have a package of that name), or use Node 22.15 or later.',
});

export const cannotUnpack = (archive: string, into: string, why: string): Failure => ({
  code: 'archive::cannot-write',
  blame: 'environment',
  title: `The archive ${archive} could not be unpacked`,
  detail: `Unpacking into ${into}: ${why}`,
  remedy: 'Check the free space and the permissions of that folder.',
});

export const unpackAborted = (archive: string): Failure => aborted(`Unpacking ${archive} was aborted`);
