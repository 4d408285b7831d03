// What the gateway answers to a request of a node: a page, a file, the metadata of a file, or a refusal.

import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Failure } from '../failure.js';
import type { FileOrigins } from './file-origins.js';
import type { FetchedPage, IndexPages } from './index-pages.js';
import { recordedUrl, type StandIns } from './logins.js';
import { strongestOf, WrongBytes, type Expected, type PackageFiles, type StoredFile } from './package-files.js';
import { renderProjectPage, type PageFile, type ProjectPage } from './page.js';
import type { KnownFile, PackageProblem, Session } from './session.js';
import type { Answer, Trouble, Upstream } from './upstream.js';

export interface Asked {
  readonly method: 'GET' | 'HEAD';
  /** As the command asked for it. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Changes what a session sees, e.g. by a date or a policy. */
export interface Gatekeeper {
  /** The page that commands get. */
  filter(
    page: ProjectPage,
    index: string,
  ): {
    readonly page: ProjectPage;
    readonly problems: readonly PackageProblem[];
    /** Files that the page lacks now. Who asks for one nevertheless learns why. */
    readonly hidden?: readonly PageFile[];
  };
  /** Why a file must not pass; undefined if it may. Also for files that no page listed. */
  refusal(known: KnownFile): Promise<PackageProblem | undefined>;
  /** The failure of a package manager, or what the gatekeeper knows to be its cause. */
  explain?(failure: Failure): Failure;
}

/** What the indexes of a session say of a project. */
export type PagesOf = (project: string) => Promise<readonly { readonly page: ProjectPage; readonly index: string }[]>;

export interface AnswerParts {
  readonly upstream: Upstream;
  readonly files: PackageFiles;
  readonly pages: IndexPages;
  readonly origins: FileOrigins;
  readonly standIns: StandIns;
}

/** Below this size in bytes a file is checked before its first byte is sent. */
const CHECKED_FIRST = 2 * 1024 * 1024;

export class Answers {
  readonly gatekeeper: Gatekeeper | undefined;

  constructor(
    private readonly parts: AnswerParts,
    private readonly session: Session,
    gatekeeperFor?: (session: Session, pagesOf: PagesOf) => Gatekeeper | undefined,
  ) {
    this.gatekeeper = gatekeeperFor?.(session, (project) => this.#pagesOf(project));
  }

  /** Leaves out indexes that have no page. */
  async #pagesOf(project: string): ReturnType<PagesOf> {
    const { session } = this;
    const indexes = session.indexes.filter(({ form }) => form === 'simple');
    const pages = indexes.map(async ({ base }) => {
      const url = new URL(`${project}/`, base);
      const fetched = await this.#fetchPage({ method: 'GET', url, headers: {} }, project);
      return fetched.type === 'page' ? [{ page: fetched.page, index: base.href }] : [];
    });
    return (await Promise.all(pages)).flat();
  }

  async #fetchPage(asked: Asked, project: string): Promise<FetchedPage> {
    const { session } = this;
    const { pages, standIns } = this.parts;
    const name = recordedUrl(asked.url);
    if (session.replayed !== undefined) {
      const page = session.replayed.pages.get(name);
      const { contentType = '', from: url = '' } = page ?? {};
      const recorded =
        page === undefined ? undefined : await pages.recorded(page.sha256, { contentType, url, project });
      return recorded ?? { type: 'status', status: 404, headers: {} };
    }
    const loginFor = this.#loginsOf(asked);
    const url = standIns.inUrl(asked.url);
    const fetched = await pages.fetch({ url, project, login: loginFor(url), loginFor, signal: session.ending.signal });
    if (fetched.type === 'page') {
      const { sha256, sizeBytes } = fetched.stored;
      const { contentType, url: from } = fetched;
      session.passedPages.set(name, { url: name, sha256, sizeBytes, contentType, from: standIns.inAnswer(from) });
    }
    return fetched;
  }

  async answer(asked: Asked, response: ServerResponse): Promise<void> {
    const { session } = this;
    if (session.replayed !== undefined) return this.#replay(asked, response);
    const at = session.pageAt(asked.url);
    if (at !== undefined) return this.#page(asked, at, response);
    const known = session.fileAt(asked.url);
    if (known !== undefined) return this.#file(asked, known, response);
    const owner = asked.url.pathname.endsWith('.metadata') ? session.fileAt(withoutMetadata(asked.url)) : undefined;
    if (owner !== undefined) return this.#metadata(asked, owner, response);
    if (session.isOpen) return this.#passOn(asked, response);
    session.tell({ type: 'closed', address: `${asked.url.origin}${asked.url.pathname}` });
    refuse(response, 403, 'The package gateway passes pages and files of known indexes only.');
  }

  async #page(
    asked: Asked,
    at: { readonly index: string; readonly project: string },
    response: ServerResponse,
  ): Promise<void> {
    const fetched = await this.#fetchPage(asked, at.project);
    if (fetched.type !== 'page') return this.#noPage(asked, fetched, response);
    this.#sendPage(asked, fetched.page, at.index, response);
  }

  #sendPage(asked: Asked, whole: ProjectPage, index: string, response: ServerResponse): void {
    const { session } = this;
    const filtered = this.gatekeeper?.filter(whole, index) ?? { page: whole, problems: [] };
    for (const problem of filtered.problems) session.tell(problem);
    const page = this.#shown(filtered.page);
    session.offer(page, index);
    if (filtered.hidden !== undefined) session.offer(this.#shown({ ...whole, files: filtered.hidden }), index);
    const form = /\bapplication\/vnd\.pypi\.simple\.(?:v1|latest)\+json\b/.test(asked.headers['accept'] ?? '')
      ? 'json'
      : 'html';
    const { body, contentType: type } = renderProjectPage(page, form);
    response.writeHead(200, {
      'content-type': form === 'html' && !/\+html/.test(asked.headers['accept'] ?? '') ? 'text/html' : type,
      'content-length': body.length,
      'cache-control': 'no-store',
    });
    response.end(asked.method === 'HEAD' ? undefined : body);
  }

  /** With stand-ins for logins in the addresses of files. */
  #shown(page: ProjectPage): ProjectPage {
    const { standIns } = this.parts;
    if (standIns.isEmpty) return page;
    return { ...page, files: page.files.map((file) => ({ ...file, url: standIns.inAnswer(file.url) })) };
  }

  #noPage(asked: Asked, fetched: Exclude<FetchedPage, { readonly type: 'page' }>, response: ServerResponse): void {
    if (fetched.type === 'trouble') return this.#troubled(asked, fetched.trouble, response);
    if (fetched.type === 'bad-page') {
      this.session.tell({ type: 'bad-page', url: asked.url.href, why: fetched.why });
      return refuse(response, 502, fetched.why);
    }
    const challenge = fetched.headers['www-authenticate'];
    response.writeHead(fetched.status, {
      ...(challenge !== undefined && { 'www-authenticate': challenge }),
      'content-length': 0,
    });
    response.end();
  }

  #troubled({ url }: Asked, { type, why }: Trouble, response: ServerResponse): void {
    if (type === 'forbidden') {
      this.session.tell({ type: 'closed', address: url.host });
      return refuse(response, 403, why);
    }
    this.session.tell({ type: 'unreachable', host: url.host, why });
    refuse(response, 502, why);
  }

  #metadata(asked: Asked, known: KnownFile, response: ServerResponse): Promise<void> {
    const { metadata, filename, url, yanked } = known.file;
    const sha256 = typeof metadata === 'object' ? metadata.sha256 : undefined;
    const file = {
      filename: `${filename}.metadata`,
      url: `${url}.metadata`,
      hashes: sha256 === undefined ? {} : { sha256 },
      yanked,
      metadata: false as const,
    };
    return this.#file(asked, { ...known, file }, response);
  }

  async #file(asked: Asked, known: KnownFile, response: ServerResponse): Promise<void> {
    const { session, gatekeeper } = this;
    const problem = await gatekeeper?.refusal(known);
    if (problem !== undefined) {
      session.tell(problem);
      return refuse(response, 403, textOf(problem));
    }
    const { files } = this.parts;
    const expected: Expected = {
      hashes: known.file.hashes,
      ...(known.file.size !== undefined && { sizeBytes: known.file.size }),
    };
    const sha256 = strongestOf(expected) === 'sha256' ? expected.hashes['sha256'] : undefined;
    const stored = sha256 === undefined ? undefined : await this.#mayReuse(asked, known, sha256);
    if (stored !== undefined) return this.#send(asked, stored, response);
    if (asked.method === 'HEAD' || asked.headers['range'] !== undefined) return this.#passOn(asked, response);
    const fetched = await files.once(sha256 ?? asked.url.href, () => this.#fetch(asked, expected, response));
    if (fetched !== undefined || response.headersSent) return;
    // Another request fetched it meanwhile, or failed.
    const now = sha256 === undefined ? undefined : await this.#mayReuse(asked, known, sha256);
    if (now !== undefined) return this.#send(asked, now, response);
    await this.#fetch(asked, expected, response);
  }

  /** A file that is here already, if this node could get it from the index as well. */
  async #mayReuse(asked: Asked, known: KnownFile, sha256: string): Promise<StoredFile | undefined> {
    const { files, origins, standIns } = this.parts;
    const stored = await files.find(sha256);
    if (stored === undefined || origins.isPublic(sha256)) return stored;
    const url = standIns.inUrl(asked.url);
    if (!origins.isFrom(sha256, url)) return undefined;
    // The page was fetched with the login of this node.
    if (known.index !== undefined) return stored;
    const answer = await this.parts.upstream.ask(url, {
      method: 'HEAD',
      headers: {},
      loginFor: this.#loginsOf(asked),
      signal: this.session.ending.signal,
    });
    if ('type' in answer) return undefined;
    answer.body.destroy();
    return answer.status === 200 ? stored : undefined;
  }

  /** Fetches, checks and stores a file, and sends it. */
  async #fetch(asked: Asked, expected: Expected, response: ServerResponse): Promise<StoredFile> {
    const { upstream, origins, standIns } = this.parts;
    const { session } = this;
    const url = standIns.inUrl(asked.url);
    const loginFor = this.#loginsOf(asked);
    const answer = await upstream.ask(url, {
      headers: { 'accept-encoding': 'identity' },
      loginFor,
      signal: session.ending.signal,
    });
    if ('type' in answer) {
      this.#troubled(asked, answer, response);
      throw new Error(answer.why);
    }
    if (answer.status !== 200) {
      answer.body.destroy();
      refuse(response, answer.status >= 400 ? answer.status : 502, `The index answered with status ${answer.status}.`);
      throw new Error(`status ${answer.status}`);
    }
    try {
      const stored = await this.#receive(answer, expected, response);
      // A secret in the address is a login, too.
      origins.note(stored.sha256, url, loginFor(url) === undefined && url.href === asked.url.href);
      this.#passed(asked, stored);
      if (!response.headersSent) await this.#send(asked, stored, response);
      return stored;
    } catch (error) {
      answer.body.destroy();
      if (error instanceof WrongBytes) {
        const { expected: wanted, found } = error;
        session.tell({ type: 'wrong-bytes', url: asked.url.href, expected: wanted, found });
        refuse(response, 403, `The file does not match its digest: expected ${wanted}, got ${found}.`);
      } else if (isOwnTrouble(error)) {
        session.tell({ type: 'cannot-store', why: `${(error as Error).message}.` });
        refuse(response, 502, 'The package gateway cannot store the file.');
      } else {
        if (!session.ending.signal.aborted && !response.destroyed)
          session.tell({ type: 'unreachable', host: url.host, why: `${url.host} stopped in the middle of a file.` });
        refuse(response, 502, 'The index stopped in the middle of the file.');
      }
      throw error;
    }
  }

  /** Sends while it receives, except the last bytes of a large file: they follow when the digest is right. */
  async #receive({ headers, body }: Answer, expected: Expected, response: ServerResponse): Promise<StoredFile> {
    const { files } = this.parts;
    const length = Number(headers['content-length'] ?? expected.sizeBytes ?? Number.NaN);
    if (!(length > CHECKED_FIRST) || Object.keys(expected.hashes).length === 0) return files.receive(body, expected);
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': length });
    let held: Buffer | undefined;
    const stored = await files.receive(body, expected, async (chunk) => {
      const before = held;
      held = chunk;
      if (before !== undefined && !response.destroyed && !response.write(before)) await drained(response);
    });
    response.end(held);
    return stored;
  }

  #passed(asked: Asked, { sha256, sizeBytes }: StoredFile): void {
    const url = recordedUrl(asked.url);
    this.session.passedFiles.set(url, { url, sha256, sizeBytes });
  }

  /** Answers from the record of an earlier build. */
  async #replay(asked: Asked, response: ServerResponse): Promise<void> {
    const { session } = this;
    const { files } = this.parts;
    const name = recordedUrl(asked.url);
    const at = session.pageAt(asked.url);
    const fetched = at === undefined ? undefined : await this.#fetchPage(asked, at.project);
    if (at !== undefined && fetched?.type === 'page') return this.#sendPage(asked, fetched.page, at.index, response);
    const file = session.replayed?.files.get(name);
    const stored = file === undefined ? undefined : await files.find(file.sha256);
    if (stored !== undefined) return this.#send(asked, stored, response);
    // Managers look for pages that no index has as well.
    const isKnown = at === undefined || session.replayed?.pages.has(name) === true;
    if (isKnown) session.tell({ type: 'not-recorded', url: asked.url.href });
    refuse(response, 404, 'The record of the last build does not have this.');
  }

  async #send(asked: Asked, stored: StoredFile, response: ServerResponse): Promise<void> {
    this.#passed(asked, stored);
    const range = rangeOf(asked.headers['range'], stored.sizeBytes);
    const start = range?.start ?? 0;
    const end = range?.end ?? stored.sizeBytes - 1;
    response.writeHead(range === undefined ? 200 : 206, {
      'content-type': 'application/octet-stream',
      'accept-ranges': 'bytes',
      'content-length': end - start + 1,
      ...(range !== undefined && { 'content-range': `bytes ${start}-${end}/${stored.sizeBytes}` }),
    });
    if (asked.method === 'HEAD' || stored.sizeBytes === 0) return void response.end();
    await pipeline(this.parts.files.open(stored, { start, end }), response).catch(() => response.destroy());
  }

  /** For what the gateway neither checks nor stores: parts of files, and other addresses of an index that is open. */
  async #passOn(asked: Asked, response: ServerResponse): Promise<void> {
    const names = ['accept', 'range', 'if-none-match', 'user-agent'];
    const headers = Object.fromEntries(
      names.flatMap((name) => (asked.headers[name] === undefined ? [] : [[name, asked.headers[name]]])),
    );
    const answer = await this.parts.upstream.ask(this.parts.standIns.inUrl(asked.url), {
      method: asked.method,
      headers: { 'accept-encoding': 'identity', ...headers },
      loginFor: this.#loginsOf(asked),
      signal: this.session.ending.signal,
    });
    if ('type' in answer) return this.#troubled(asked, answer, response);
    const passed = ['content-type', 'content-length', 'content-range', 'accept-ranges', 'etag', 'www-authenticate'];
    response.writeHead(
      answer.status,
      Object.fromEntries(
        passed.flatMap((name) => (answer.headers[name] === undefined ? [] : [[name, answer.headers[name]]])),
      ),
    );
    if (asked.method === 'HEAD') {
      answer.body.destroy();
      return void response.end();
    }
    await pipeline(answer.body, response).catch(() => response.destroy());
  }

  /** Logins that the node has not, then one that the command sent itself. Only for the origin that was asked. */
  #loginsOf({ url: asked, headers }: Asked): (url: URL) => string | undefined {
    const { session } = this;
    const { standIns } = this.parts;
    const given = standIns.inHeader(headers['authorization']);
    return (url) => standIns.inHeader(session.loginFor(url)) ?? (url.origin === asked.origin ? given : undefined);
  }
}

/** Resolves when more can be written, or nothing ever will. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}

function textOf(problem: PackageProblem): string {
  if (problem.type === 'refused') return problem.failure.title;
  return problem.type === 'later' ? problem.text : 'The package gateway refuses this file.';
}

/** Errors of the disk or the process, and not of the index. */
const isOwnTrouble = (error: unknown): boolean =>
  /^(?:ENOSPC|EDQUOT|EROFS|EACCES|EPERM|EIO|ENOENT|EMFILE|ENFILE|ENOMEM)$/.test(
    (error as NodeJS.ErrnoException).code ?? '',
  );

function withoutMetadata(url: URL): URL {
  const file = new URL(url);
  file.pathname = file.pathname.slice(0, -'.metadata'.length);
  return file;
}

function refuse(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  const body = Buffer.from(`${text}\n`);
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length });
  response.end(body);
}

/** One range of bytes. Undefined if none was asked for, or one that is not supported: then the whole file is right, too. */
function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  return start <= end && start < size ? { start, end } : undefined;
}
