// The policy at the gate of one node: hides what it refuses from pages, refuses files that a lockfile or a URL names, and turns the
// failure of an installer that missed them into one that says so.

import { meetsSpecifiers } from '../../manifests/app/package-version.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import type { Failure } from '../failure.js';
import { because } from './failures.js';
import { fileNameParts } from './file-name.js';
import { filterPage, refusalText, refusedPackage, type HiddenFile } from './filter-page.js';
import type { PageFile, ProjectPage } from './page.js';
import { judgeFile, typoOfPrivate, type Policy, type PolicyFinding, type Verdict } from './policy.js';

/** A file as the gateway knows it. */
export interface AskedFile {
  readonly file: PageFile;
  /** Address of the index whose page lists it. Undefined if only a lockfile or a requirement names it. */
  readonly index: string | undefined;
  /** Empty if unknown. */
  readonly project: string;
}

export interface IndexPage {
  readonly page: ProjectPage;
  readonly index: string;
}

export interface PolicyGateOptions {
  readonly policy: Policy;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** What the indexes of the node say of a project. */
  readonly pagesOf: (project: string) => Promise<readonly IndexPage[]>;
  readonly onWarning: (code: string, text: string) => void;
}

/** What the pages of a project have. */
interface Seen {
  readonly hidden: Map<string, HiddenFile & { readonly file: PageFile }>;
  readonly allowed: Map<string, PageFile>;
  readonly all: Map<string, { readonly file: PageFile; readonly index: string }>;
}

const METADATA = '.metadata';

export class PolicyGate {
  readonly #seen = new Map<string, Seen>();
  readonly #looked = new Map<string, Promise<unknown>>();
  readonly #refused: Failure[] = [];
  readonly #warned = new Set<string>();

  constructor(private readonly options: PolicyGateOptions) {}

  /** The page that tools get. */
  filter(page: ProjectPage, index: string): ProjectPage {
    const filtered = filterPage(page, (file) => this.#judge(file, index, page.project));
    const hidden = new Map(filtered.hidden.map((one) => [one.file, one]));
    for (const file of page.files) {
      const seen = this.#of(page.project === '' ? projectOf(file, '') : page.project);
      const key = addressKey(file.url);
      seen.all.set(key, { file, index });
      const refusal = hidden.get(file);
      if (refusal === undefined) seen.allowed.set(key, file);
      else seen.hidden.set(key, { ...refusal, file });
    }
    return filtered.page;
  }

  /** Why a file must not pass; undefined if it may. */
  async refusal(asked: AskedFile): Promise<Failure | undefined> {
    const file = withoutMetadata(asked.file);
    const project = projectOf(file, asked.project);
    const { verdict, isListed } = await this.#verdictOf(file, asked.index, project);
    if (verdict.allowed) {
      for (const finding of verdict.warnings) this.#warn(project, file, finding);
      const typo = typoOfPrivate(this.options.policy, project);
      if (typo !== undefined) this.#warn(project, file, typo);
      return undefined;
    }
    // For the newest allowed version.
    if (!isListed) await this.#lookUp(project);
    const { rule, reason, waivedBy } = verdict;
    const hidden = [{ file, rule, reason, ...(waivedBy !== undefined && { waivedBy }) }];
    const failure = refusedPackage(project, refusalText(project, hidden, this.#allowedPage(project)));
    if (!this.#refused.some(({ title }) => title === failure.title)) this.#refused.push(failure);
    return failure;
  }

  /** The failure to show for one of an installer: the refusal that explains it, else the same. */
  explain(failure: Failure): Failure {
    const [refused] = this.#refused;
    if (refused !== undefined) return because(refused, failure);
    const text = `${failure.title}\n${failure.detail}`;
    for (const project of projectsIn(text)) {
      const seen = this.#seen.get(project);
      if (seen === undefined || seen.hidden.size === 0) continue;
      const wanted = specifiersOf(text, project);
      const isMissed = (files: Iterable<Pick<PageFile, 'filename'>>): boolean =>
        [...files].some(({ filename }) => meetsSpecifiers(fileNameParts(filename, project)?.version ?? '', wanted));
      const hidden = [...seen.hidden.values()];
      if (wanted !== '' && (!isMissed(hidden.map(({ file }) => file)) || isMissed(seen.allowed.values()))) continue;
      const fitting = hidden.filter(({ file }) => wanted === '' || isMissed([file]));
      return because(refusedPackage(project, refusalText(project, fitting, this.#allowedPage(project))), failure);
    }
    return failure;
  }

  async #verdictOf(
    file: PageFile,
    index: string | undefined,
    project: string,
  ): Promise<{ readonly verdict: Verdict; readonly isListed: boolean }> {
    if (index !== undefined) return { verdict: this.#judge(file, index, project), isListed: true };
    const alone = this.#judge(file, file.url, project);
    if (alone.allowed && !dependsOnPages(this.options.policy)) return { verdict: alone, isListed: false };
    await this.#lookUp(project);
    const listed = this.#seen.get(project)?.all.get(addressKey(file.url));
    if (listed === undefined) return { verdict: alone, isListed: true };
    return { verdict: this.#judge(listed.file, listed.index, project), isListed: true };
  }

  /** Reads the pages of a project, once. */
  async #lookUp(project: string): Promise<void> {
    let looking = this.#looked.get(project);
    if (looking === undefined) {
      looking = this.options.pagesOf(project).then((pages) => {
        for (const { page, index } of pages) this.filter(page, index);
      });
      this.#looked.set(project, looking);
    }
    await looking;
  }

  #judge(file: PageFile, index: string, project: string): Verdict {
    const { policy, now } = this.options;
    return judgeFile(policy, { index, project: projectOf(file, project), file, now });
  }

  #of(project: string): Seen {
    let seen = this.#seen.get(project);
    if (seen === undefined) {
      seen = { hidden: new Map(), allowed: new Map(), all: new Map() };
      this.#seen.set(project, seen);
    }
    return seen;
  }

  #allowedPage(project: string): { readonly files: readonly PageFile[] } | undefined {
    const seen = this.#seen.get(project);
    return seen && { files: [...seen.allowed.values()] };
  }

  #warn(project: string, { filename }: PageFile, { rule, reason }: PolicyFinding): void {
    const version = fileNameParts(filename, project)?.version;
    const text = `${version === undefined ? filename : `${project} ${version}`} (rule \`${rule}\`): ${reason}`;
    if (this.#warned.has(text)) return;
    this.#warned.add(text);
    this.options.onWarning('packages::warned', text);
  }
}

/** Whether a decision can need more than the name of a file and its address. */
const dependsOnPages = ({ file, defaultAge }: Policy): boolean =>
  defaultAge !== undefined || file.indexes !== undefined || (file.yanked ?? 'allow') !== 'allow';

function withoutMetadata(file: PageFile): PageFile {
  if (!file.filename.endsWith(METADATA)) return file;
  const url = file.url.endsWith(METADATA) ? file.url.slice(0, -METADATA.length) : file.url;
  return { ...file, filename: file.filename.slice(0, -METADATA.length), url };
}

const projectOf = ({ filename }: Pick<PageFile, 'filename'>, known: string): string =>
  known === '' ? (fileNameParts(filename)?.project ?? normalizeName(filename)) : normalizeName(known);

/** Tools escape some characters in paths differently. */
function addressKey(address: string): string {
  const url = new URL(address);
  try {
    return `${url.origin}${decodeURIComponent(url.pathname)}${url.search}`;
  } catch {
    return url.href;
  }
}

const MOST_TEXT = 100_000;

/** Normalized names of what could be packages in the words of an installer, in their order. */
function projectsIn(text: string): ReadonlySet<string> {
  const words = text.slice(0, MOST_TEXT).match(/[A-Za-z0-9][A-Za-z0-9._-]*/g) ?? [];
  return new Set(words.map((word) => normalizeName(word.replace(/[._-]+$/, ''))));
}

/** Bounded, so that no long word takes quadratic time. */
const OPERATOR = String.raw`(?:===?|!=|~=|>=|<=|>|<)\s?[^\s,;)'"\x60]{1,100}`;
const WANTED = new RegExp(
  String.raw`([A-Za-z0-9][A-Za-z0-9._-]{0,200})(?:\[[^\]]{0,200}\])?\s?\(?\s?(${OPERATOR}(?:,\s?${OPERATOR}){0,20})`,
  'g',
);

/** The specifiers that an installer names for a package, such as `==1.0`; empty if it names none. */
function specifiersOf(text: string, project: string): string {
  for (const [, name = '', specifiers = ''] of text.slice(0, MOST_TEXT).matchAll(WANTED))
    if (normalizeName(name) === project) return specifiers.replace(/[.:]+$/, '');
  return '';
}
