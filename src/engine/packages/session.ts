// What the gateway knows about one node: its indexes and their logins, the files that they offer, and what passed.

import { randomBytes } from 'node:crypto';
import type { Failure } from '../failure.js';
import { decoded, openCredentials, type Login } from './logins.js';
import type { PageFile, ProjectPage } from './page.js';
import type { PackageRecord, RecordedFile, RecordedPage } from './records.js';

/** What a node says about its packages before it starts the tool. */
export interface PackagePlan {
  /** Indexes and pages of links that the tool may use, with user and password if they have any. */
  readonly indexes: readonly PlannedIndex[];
  /** Files that the tool may fetch without looking at a page: those of a lock, and requirements that are URLs. */
  readonly files: readonly PlannedFile[];
}
export interface PlannedIndex {
  readonly url: string;
  /** `simple`: `URL/PROJECT/` is the page of a project. `links`: the URL itself is a page of links. */
  readonly form: 'simple' | 'links';
}
export interface PlannedFile {
  readonly url: string;
  /** By algorithm, in lower-case hex. Empty if the lock has none. */
  readonly hashes: Readonly<Record<string, string>>;
}

export interface KnownFile {
  readonly file: PageFile;
  /** The base URL of the index whose page lists it, without login. Undefined if only the plan names it. */
  readonly index: string | undefined;
  readonly project: string;
}

/** Why the gateway refused or could not answer a request. */
export type PackageProblem =
  | { readonly type: 'wrong-bytes'; readonly url: string; readonly expected: string; readonly found: string }
  | { readonly type: 'bad-page'; readonly url: string; readonly why: string }
  | { readonly type: 'unreachable'; readonly host: string; readonly why: string }
  | { readonly type: 'closed'; readonly address: string }
  | { readonly type: 'not-recorded'; readonly url: string }
  | { readonly type: 'cannot-store'; readonly why: string }
  | { readonly type: 'refused'; readonly failure: Failure }
  /** Uploaded after the time that the build sees. */
  | { readonly type: 'later'; readonly project: string; readonly file: string; readonly text: string };

const MOST_PROBLEMS = 100;

export class Session {
  /** Authorizes a command to use the gateway. */
  readonly token = randomBytes(24).toString('base64url');
  readonly indexes: readonly { readonly base: URL; readonly form: PlannedIndex['form'] }[];
  readonly problems: PackageProblem[] = [];
  /** What the session may have, if it may have nothing else. */
  readonly replayed:
    | { readonly pages: ReadonlyMap<string, RecordedPage>; readonly files: ReadonlyMap<string, RecordedFile> }
    | undefined;
  /** By URL, as `recordedUrl` spells it. */
  readonly passedFiles = new Map<string, RecordedFile>();
  readonly passedPages = new Map<string, RecordedPage>();
  /** Aborts when the session ends. */
  readonly ending = new AbortController();
  /** The failure of a package manager, or what the gatekeeper of the session knows to be its cause. */
  explain: (failure: Failure) => Failure = (failure) => failure;
  readonly #files = new Map<string, KnownFile>();
  #bySpelling: ReadonlyMap<string, KnownFile> = new Map();
  /** Number of files in it, several of which can have one spelling. */
  #spelled = 0;
  readonly #origins = new Set<string>();
  readonly #hosts = new Set<string>();
  readonly #logins: readonly Login[];

  constructor(
    plan: PackagePlan,
    /** Whether commands reach other addresses directly. */
    readonly isOpen: boolean,
    record?: PackageRecord,
  ) {
    this.replayed = record && {
      pages: new Map(record.pages.map((page) => [page.url, page])),
      files: new Map(record.files.map((file) => [file.url, file])),
    };
    // Locks name files that no page of this session has offered.
    for (const { url } of record?.files ?? []) if (isWebUrl(url)) this.#origins.add(new URL(url).origin);
    const indexes = plan.indexes.filter(({ url }) => isWebUrl(url));
    this.#logins = indexes.flatMap(({ url }) => openCredentials(url));
    this.indexes = indexes.map(({ url, form }) => ({ base: bareUrl(url, form === 'simple'), form }));
    for (const { base } of this.indexes) this.#origins.add(base.origin);
    for (const { url, hashes } of plan.files.filter((file) => isWebUrl(file.url))) {
      const bare = bareUrl(url, false);
      const filename = decoded(bare.pathname.split('/').at(-1) ?? '');
      const sha256 = hashes['sha256'];
      const file: PageFile = {
        filename,
        url: bare.href,
        hashes,
        ...(sha256 !== undefined && { sha256 }),
        yanked: false,
        metadata: false,
      };
      this.#offer({ file, index: undefined, project: '' });
    }
  }

  /** Whether the gateway answers for this origin, such as `https://pypi.org`. */
  answersFor(origin: string): boolean {
    return this.#origins.has(origin);
  }

  /** The project whose page the URL is; an empty text for a page of links. Undefined if it is no page. */
  pageAt(url: URL): { readonly index: string; readonly project: string } | undefined {
    for (const { base, form } of this.indexes) {
      if (url.origin !== base.origin) continue;
      if (form === 'links') {
        if (keyOf(url) === keyOf(base)) return { index: base.href, project: '' };
      } else if (url.pathname.startsWith(base.pathname)) {
        const name = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\/?$/.exec(
          url.pathname.slice(base.pathname.length),
        )?.[1];
        if (name !== undefined) return { index: base.href, project: name.toLowerCase().replace(/[-_.]+/g, '-') };
      }
    }
    return undefined;
  }

  /** Files that a page offers may be fetched from now on. */
  offer(page: ProjectPage, index: string): void {
    for (const file of page.files) this.#offer({ file, index, project: page.project });
  }

  #offer(known: KnownFile): void {
    const { url } = known.file;
    const before = this.#files.get(url);
    // What a lock says about the bytes stays in force beside the page.
    const hashes = { ...known.file.hashes, ...before?.file.hashes };
    this.#files.set(url, before === undefined ? known : { ...known, file: { ...known.file, hashes } });
    // Pages have thousands of files on few hosts, and reading a URL takes longer than all the rest.
    const end = url.indexOf('/', url.indexOf('//') + 2);
    const host = end === -1 ? url : url.slice(0, end);
    if (this.#hosts.has(host)) return;
    this.#hosts.add(host);
    this.#origins.add(new URL(url).origin);
  }

  fileAt(url: URL): KnownFile | undefined {
    const found = this.#files.get(url.href);
    if (found !== undefined) return found;
    // Made only for tools that escape paths in another way, and for locks that do.
    if (this.#spelled !== this.#files.size) {
      this.#bySpelling = new Map([...this.#files.values()].map((known) => [keyOf(new URL(known.file.url)), known]));
      this.#spelled = this.#files.size;
    }
    return this.#bySpelling.get(keyOf(url));
  }

  /** The value of `authorization` for a URL: that of the index with the longest matching path, else any of the same origin. */
  loginFor(url: URL): string | undefined {
    const here = this.#logins.filter(({ origin }) => origin === url.origin);
    const matching = here.filter(({ path }) => url.pathname.startsWith(path));
    return (matching.sort((one, other) => other.path.length - one.path.length)[0] ?? here[0])?.header;
  }

  tell(problem: PackageProblem): void {
    if (this.problems.length < MOST_PROBLEMS) this.problems.push(problem);
  }

  close(): void {
    this.ending.abort();
  }
}

/** Tools escape some characters in paths differently. */
function keyOf(url: URL): string {
  return `${url.origin}${decoded(url.pathname)}${url.search}`;
}

const isWebUrl = (url: string): boolean => /^https?:\/\//i.test(url) && URL.canParse(url);

function bareUrl(text: string, isFolder: boolean): URL {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  url.hash = '';
  if (isFolder && !url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
