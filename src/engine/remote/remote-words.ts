// What a run says about its remote cache. Errors of calls have no headers and no credentials in them.

import type { Failure } from '../failure.js';
import type { RemoteError } from './transport.js';

export const goesOn = (url: string, { message }: RemoteError): string =>
  `pyflow can't use the remote cache ${url} and continues without it (${message}).`;

export const uploadsNoMore = (url: string, { message }: RemoteError): string =>
  `The remote cache ${url} takes no uploads, so pyflow only reads from it (${message}).`;

export const runsHere = (url: string, { message }: RemoteError): string =>
  `pyflow can't run nodes on the workers of ${url} and runs them on this machine (${message}).`;

export const ranHere = (url: string, node: string, why: string): string =>
  `pyflow ran node ${node} on this machine and not on a worker of ${url}: ${why}. It reports this once.`;

/** The settings say `require: true`. */
export const notExecuted = (url: string, node: string, why: string): Failure => ({
  code: 'remote::not-executed',
  blame: 'environment',
  title: `No worker of ${url} ran node ${node}, and the settings require the server`,
  detail: why,
  remedy: 'Check the workers and their pyflow-node, then run pyflow again; or remove `require: true`.',
  retryable: true,
});

export const notUploaded = (url: string, left: number): string =>
  `pyflow did not upload ${left} ${left === 1 ? 'result' : 'results'} to the remote cache ${url}: there was too little time, or the server refused them.`;

export const notTrusted = (url: string, detail: string): string =>
  `pyflow ignores a result of the remote cache ${url}, because ${detail}. It reports this once, and ignores all such results.`;

export const notValid = (url: string, detail: string): string =>
  `pyflow ignores a result of the remote cache ${url}, because ${detail}. It reports this once, and ignores all such results.`;

/** The settings say `require: true`. */
export const unavailable = (url: string, { message }: RemoteError): Failure => ({
  code: 'remote::unavailable',
  blame: 'environment',
  title: `The remote cache ${url} is unavailable, and the settings require it`,
  detail: message,
  remedy: 'Check the server with `pyflow cache remote status`, then run pyflow again; or remove `require: true`.',
  retryable: true,
});

/** Of `pyflow cache remote status`. */
export const unreachable = (url: string, detail: string): Failure => ({
  code: 'remote::unreachable',
  blame: 'environment',
  title: `The remote cache ${url} can't be used`,
  detail,
  remedy: 'Check the address, the headers and the certificates, and whether the server runs.',
  retryable: true,
});
