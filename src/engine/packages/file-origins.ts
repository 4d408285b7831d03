// Where a stored file came from, so that an app gets no file of an index that it has no login for. Digests are no secret.

import { readSealed, writeSealed } from '../files/sealed-json.js';
import { sha256Hex } from '../files/digest.js';

interface Origin {
  /** It was fetched without a login. */
  readonly isPublic: boolean;
  /** Digests of URLs that gave it to a login. */
  readonly urls: readonly string[];
}

const MOST_URLS = 20;

export class FileOrigins {
  readonly #read = new Map<string, Origin | undefined>();

  constructor(private readonly folder: string) {}

  isPublic(sha256: string): boolean {
    return this.#of(sha256)?.isPublic === true;
  }

  isFrom(sha256: string, url: URL): boolean {
    return this.#of(sha256)?.urls.includes(nameOf(url)) === true;
  }

  note(sha256: string, url: URL, isPublic: boolean): void {
    const before = this.#of(sha256);
    if (before?.isPublic === true) return;
    const urls = isPublic ? [] : [...new Set([...(before?.urls ?? []), nameOf(url)])].slice(-MOST_URLS);
    const origin: Origin = { isPublic, urls };
    this.#read.set(sha256, origin);
    writeSealed(`${this.folder}/${sha256}`, seal(sha256), origin);
  }

  #of(sha256: string): Origin | undefined {
    if (!this.#read.has(sha256)) this.#read.set(sha256, readSealed<Origin>(`${this.folder}/${sha256}`, seal(sha256)));
    return this.#read.get(sha256);
  }
}

const nameOf = (url: URL): string => sha256Hex(Buffer.from(`${url.origin}${url.pathname}${url.search}`));

const seal = (sha256: string) => ({ kind: 'package-origin', version: 1, of: sha256 });
