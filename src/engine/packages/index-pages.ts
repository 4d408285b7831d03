// Pages of indexes: fetched once a run, kept with their ETag between runs, and read into the model.

import { createHmac } from 'node:crypto';
import { createGunzip } from 'node:zlib';
import type { Readable } from 'node:stream';
import { sha256Hex } from '../files/digest.js';
import { readSealed, writeSealed, type Seal } from '../files/sealed-json.js';
import type { PackageFiles, StoredFile } from './package-files.js';
import { MOST_PAGE_BYTES, parseProjectPage, type ProjectPage } from './page.js';
import type { Answer, Trouble, Upstream } from './upstream.js';

export type FetchedPage =
  | {
      readonly type: 'page';
      readonly page: ProjectPage;
      readonly stored: StoredFile;
      readonly contentType: string;
      readonly url: string;
    }
  /** The index answered with another status than 200. */
  | { readonly type: 'status'; readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly type: 'bad-page'; readonly why: string }
  | { readonly type: 'trouble'; readonly trouble: Trouble };

export interface PageRequest {
  readonly url: URL;
  readonly project: string;
  readonly login: string | undefined;
  readonly loginFor: (url: URL) => string | undefined;
  readonly signal: AbortSignal;
}

interface KeptPage {
  readonly etag?: string;
  readonly lastModified?: string;
  readonly sha256: string;
  readonly contentType: string;
  /** After redirects. */
  readonly url: string;
}

const ACCEPT = 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1';
const SEAL = { kind: 'index-page', version: 1 } as const;
/** Of all sessions of the run. Pages are large, so old ones are read again. */
const MOST_READ = 500;

export class IndexPages {
  readonly #read = new Map<string, Promise<FetchedPage>>();

  constructor(
    private readonly upstream: Upstream,
    private readonly files: PackageFiles,
    private readonly folder: string,
  ) {}

  /** The answers of one URL for one login are the same for all sessions of the run, unless they failed. */
  fetch(request: PageRequest): Promise<FetchedPage> {
    const key = keyOf(request);
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    if (this.#read.size >= MOST_READ) this.#read.clear();
    const fetching = this.#fetch(request, key).catch((error: unknown) => {
      this.#read.delete(key);
      throw error;
    });
    this.#read.set(key, fetching);
    void fetching.then(
      ({ type }) => {
        if (type !== 'page') this.#read.delete(key);
      },
      () => {},
    );
    return fetching;
  }

  async #fetch({ url, project, login, loginFor, signal }: PageRequest, key: string): Promise<FetchedPage> {
    const path = `${this.folder}/${key}`;
    const seal: Seal = { ...SEAL, of: key };
    const kept = readSealed<KeptPage>(path, seal);
    const before = kept === undefined ? undefined : await this.files.find(kept.sha256);
    const answer = await this.upstream.ask(url, {
      headers: { accept: ACCEPT, 'accept-encoding': 'gzip', ...(before !== undefined && conditions(kept)) },
      loginFor: (asked) => loginFor(asked) ?? (asked.origin === url.origin ? login : undefined),
      signal,
    });
    if ('type' in answer) return { type: 'trouble', trouble: answer };
    if (answer.status === 304 && kept !== undefined && before !== undefined) {
      answer.body.destroy();
      return this.#pageOf(this.files.read(before), before, kept, project);
    }
    if (answer.status !== 200) {
      answer.body.destroy();
      return { type: 'status', status: answer.status, headers: answer.headers };
    }
    const body = await bodyOf(answer);
    if (typeof body === 'string') return { type: 'bad-page', why: body };
    const stored = await this.files.keep(body);
    const { etag, 'last-modified': lastModified, 'content-type': contentType = '' } = answer.headers;
    const page = { sha256: stored.sha256, contentType, url: answer.url.href };
    if (etag !== undefined || lastModified !== undefined)
      writeSealed(path, seal, {
        ...page,
        ...(etag !== undefined && { etag }),
        ...(lastModified !== undefined && { lastModified }),
      });
    return this.#pageOf(body, stored, page, project);
  }

  /** A page as it was stored earlier. */
  async recorded(
    sha256: string,
    { contentType, url, project }: { readonly contentType: string; readonly url: string; readonly project: string },
  ) {
    const stored = await this.files.find(sha256);
    return stored === undefined
      ? undefined
      : this.#pageOf(this.files.read(stored), stored, { contentType, url }, project);
  }

  #pageOf(
    body: Buffer,
    stored: StoredFile,
    { contentType, url }: Pick<KeptPage, 'contentType' | 'url'>,
    project: string,
  ): FetchedPage {
    const page = parseProjectPage({ body, contentType, url, project });
    return page.ok
      ? { type: 'page', page: page.value, stored, contentType, url }
      : { type: 'bad-page', why: page.failure.detail };
  }
}

/** Another login may get another page. The login itself must not be guessable from the name of a file. */
function keyOf({ url, login }: PageRequest): string {
  const text = `${url.href}\n${login === undefined ? '' : createHmac('sha256', login).update(url.origin).digest('hex')}`;
  return sha256Hex(Buffer.from(text));
}

const conditions = (kept: KeptPage | undefined) => ({
  ...(kept?.etag !== undefined && { 'if-none-match': kept.etag }),
  ...(kept?.lastModified !== undefined && kept.etag === undefined && { 'if-modified-since': kept.lastModified }),
});

/** The decoded body, or why it can't be read. */
async function bodyOf({ body, headers }: Answer): Promise<Buffer | string> {
  const encoding = headers['content-encoding'] ?? 'identity';
  let stream: Readable = body;
  if (encoding === 'gzip') {
    stream = body.pipe(createGunzip());
    body.on('error', (error) => stream.destroy(error));
  } else if (encoding !== 'identity') {
    body.destroy();
    return 'The page has an encoding that was not asked for.';
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      bytes += (chunk as Buffer).length;
      if (bytes > MOST_PAGE_BYTES) return `The page has more than ${MOST_PAGE_BYTES >> 20} MiB.`;
      chunks.push(chunk as Buffer);
    }
  } catch {
    return 'The page was cut off.';
  } finally {
    body.destroy();
  }
  return Buffer.concat(chunks);
}
