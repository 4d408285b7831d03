// The settings of the remote cache: merges the command line, the environment and the settings file, and checks all of it before
// anything is sent.

import type { KeyObject } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import type { RemoteFile } from '../../manifests/remote/settings-file.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { isBelow } from '../files/operator-file.js';
import type { RemoteRequest } from '../request.js';
import { checkAddress } from './address-rules.js';
import { filledHeaders } from './headers.js';
import { privateKeyOf, publicKeyOf, readOperatorFile, tlsOf, type TlsFiles } from './key-files.js';
import { invalidSettings, settingsInApp } from './settings-failures.js';

/** Checked: every file was read, every key is usable. */
export interface RemoteSettings {
  readonly url: string;
  /** `instance_name` of the results that this machine writes. */
  readonly instance: string;
  readonly write: boolean;
  readonly require: boolean;
  readonly execute: boolean;
  readonly tls: TlsFiles;
  /** Secret. Names are lowercase. */
  readonly headers: Readonly<Record<string, string>>;
  /** If not empty, only results count that one of these keys signed. */
  readonly trust: readonly KeyObject[];
  readonly sign?: KeyObject;
  /** The sets of results to look in, in this order. The first is written. */
  readonly scopes: readonly RemoteScope[];
  readonly platform: Readonly<Record<string, string>>;
}

/** A set of results: an instance of the server, or a part of one that only its salt keeps apart. */
export interface RemoteScope {
  readonly instance: string;
  /** Empty if the instance alone names the set. */
  readonly salt: string;
}

/** An app must not choose the server that its build trusts, so the file must not be inside `appDir`. */
export async function readRemoteSettings(
  request: RemoteRequest,
  { appDir }: { readonly appDir?: string },
): Promise<Result<RemoteSettings, Failure>> {
  const { settingsFile } = request;
  if (settingsFile !== undefined && appDir !== undefined && isBelow(settingsFile, appDir))
    return fail(settingsInApp(settingsFile));
  const file = await readSettingsFile(settingsFile);
  if (!file.ok) return file;
  return settingsOf(request, file.value, settingsFile);
}

async function readSettingsFile(path: string | undefined): Promise<Result<RemoteFile, Failure>> {
  if (path === undefined) return succeed({});
  const text = readOperatorFile(path, 'the remote settings');
  if (!text.ok) return text;
  const { parseRemoteFile } = await import('../../manifests/remote/settings-file.js');
  const parsed = await parseRemoteFile(path, text.value);
  return parsed.ok ? succeed(parsed.value) : fail(invalidSettings(path, parsed.problems));
}

function settingsOf(
  request: RemoteRequest,
  file: RemoteFile,
  settingsFile: string | undefined,
): Result<RemoteSettings, Failure> {
  const url = request.url ?? file.url;
  if (url === undefined) return fail(invalidSettings(settingsFile ?? '', ['The file names no server. Add `url`.']));
  const address = checkAddress(url, file.insecure === true);
  if (!address.ok) return address;
  const at = (path: string): string => (settingsFile === undefined ? path : resolve(dirname(settingsFile), path));
  const headers = filledHeaders(file.headers ?? {}, request.env);
  if (!headers.ok) return headers;
  const tls = tlsOf(file.tls ?? {}, at);
  if (!tls.ok) return tls;
  const keys = keysOf(file, { at, isWriting: request.write || file.write === true });
  if (!keys.ok) return keys;
  const scopes = scopesOf(file);
  return succeed({
    url,
    instance: scopes[0]!.instance,
    write: request.write || file.write === true,
    require: file.require === true,
    execute: request.execute || file.execute === true,
    tls: tls.value,
    headers: headers.value,
    ...keys.value,
    scopes,
    platform: file.platform ?? {},
  });
}

interface KeyOptions {
  readonly at: (path: string) => string;
  readonly isWriting: boolean;
}

/** A machine that only reads may lack the private key that the shared settings name. */
function keysOf(
  { trust = [], sign }: RemoteFile,
  { at, isWriting }: KeyOptions,
): Result<Pick<RemoteSettings, 'trust' | 'sign'>, Failure> {
  const trusted: KeyObject[] = [];
  for (const given of trust) {
    const key = publicKeyOf(given, at);
    if (!key.ok) return key;
    trusted.push(key.value);
  }
  if (sign === undefined || !isWriting) return succeed({ trust: trusted });
  const own = privateKeyOf(sign, at);
  return own.ok ? succeed({ trust: trusted, sign: own.value }) : own;
}

function scopesOf({ instance = '', instances = {}, scope = '', reads = [] }: RemoteFile): readonly RemoteScope[] {
  const found = [scope, ...reads].map((name): RemoteScope => {
    const own = Object.hasOwn(instances, name) ? instances[name] : undefined;
    return own === undefined ? { instance, salt: name } : { instance: own, salt: '' };
  });
  return found.filter(
    (one, index) => found.findIndex(({ instance, salt }) => instance === one.instance && salt === one.salt) === index,
  );
}
