// Reads a pip requirements file with everything it includes: local paths, options, variables, and how firmly it pins its
// requirements. Gets files from a function, so that it works on views and in tests.

import { posix } from 'node:path';
import { parsed, type Parsed, wrong } from './parsed.js';
import {
  type OptionLine,
  parseRequirementsLines,
  type RequirementLine,
  type RequirementsFileLine,
  type VariableUse,
  variableUses,
  type VariableValue,
} from './requirements-lines.js';

/** Returns undefined for a missing file. Paths are relative to the app. */
type ReadFile = (path: string) => Promise<Uint8Array | undefined>;

export interface Requirement {
  /** Normalized according to PEP 503; absent for paths and URLs without a name. */
  readonly name?: string;
  /** `==2.0`, `>=1,<2`, a URL, a path, or empty. As written. */
  readonly specifier: string;
  readonly extras: readonly string[];
  readonly marker?: string;
  readonly kind: 'index' | 'url' | 'vcs' | 'local';
  readonly editable: boolean;
  /**
   * The line alone determines what is installed: an exact version, a hash, a full commit, a wheel in the app. False for
   * local projects, whose build requirements are not listed anywhere.
   */
  readonly pinned: boolean;
  readonly hashed: boolean;
  readonly file: string;
  /** From 1; the first line of a continued one. */
  readonly line: number;
}

export interface RequirementsClosure {
  /** All requirements and constraints files, in the order they were first read. */
  readonly files: readonly string[];
  readonly requirements: readonly Requirement[];
  /** Lines of constraints files, which install nothing by themselves. */
  readonly constraints: readonly Requirement[];
  /** Index, find-links and other options, in order. Values as written, variables unexpanded. */
  readonly options: readonly RequirementsOption[];
  /** Projects, archives and find-links folders inside the app, sorted; `.` is the app itself. Some may not exist. */
  readonly localPaths: readonly string[];
  /** Requirements and constraints files that pip would fetch over the network. */
  readonly remoteFiles: readonly string[];
  /** Variables used as `${NAME}`, in the order they were first read. */
  readonly variables: readonly (VariableUse & { readonly file: string })[];
  /** Every listed requirement is pinned. Their dependencies may be unlisted, and then float. */
  readonly everyListedPinned: boolean;
  /** Every listed requirement has hashes, or the file has --require-hashes, so pip refuses anything unlisted. */
  readonly hashChecked: boolean;
}
interface RequirementsOption {
  /** Long name without dashes. */
  readonly name: string;
  readonly value?: string;
  readonly file: string;
  readonly line: number;
}

/** A problem with an included file or path; the path is as written. */
export interface RequirementsProblem {
  readonly type: 'missing-file' | 'outside-app' | 'loop' | 'too-deep' | 'too-many-files';
  /** The file that names `path`; absent when `path` is the one the caller asked for. */
  readonly file?: string;
  readonly line?: number;
  readonly path: string;
}

export interface ReadRequirementsOptions {
  /** Values of variables. Unknown and empty ones stay as written, like in pip. */
  readonly env?: VariableValue;
  /** Folder that pip starts in, relative to the app; local paths are relative to it. Default: '', the app itself. */
  readonly cwd?: string;
}

const MAX_DEPTH = 50;
const MAX_FILES = 500;
const MAX_PROBLEMS = 50;
/** Where the app is when pip runs. Absolute paths and file URLs may name it. */
const APP_ROOT = '/app';

/** Reports all problems, up to a limit. */
export async function readRequirements(
  path: string,
  read: ReadFile,
  { env = () => undefined, cwd = '' }: ReadRequirementsOptions = {},
): Promise<Parsed<RequirementsClosure, readonly RequirementsProblem[]>> {
  const reader = new ClosureReader(read, env, cwd);
  await reader.include({ type: 'missing-file', path }, insideApp(path, ''), 'requirement', []);
  return reader.problems.length > 0 ? wrong(reader.problems) : parsed(reader.closure());
}

type Role = 'requirement' | 'constraint';

class ClosureReader {
  readonly problems: RequirementsProblem[] = [];
  readonly #lines = new Map<string, readonly RequirementsFileLine[]>();
  readonly #seen = new Set<string>();
  readonly #requirements: Requirement[] = [];
  readonly #constraints: Requirement[] = [];
  readonly #options: RequirementsOption[] = [];
  readonly #localPaths = new Set<string>();
  readonly #remoteFiles = new Set<string>();
  readonly #variables: (VariableUse & { readonly file: string })[] = [];

  constructor(
    private readonly read: ReadFile,
    private readonly env: VariableValue,
    private readonly cwd: string,
  ) {}

  /** `origin` becomes the problem, if there is one. `open`: the files being read, outermost first. */
  async include(
    origin: RequirementsProblem,
    path: string | undefined,
    role: Role,
    open: readonly string[],
  ): Promise<void> {
    if (path === undefined) return this.#complain(origin, 'outside-app');
    const visit = `${role} ${path}`;
    if (open.includes(visit)) return this.#complain(origin, 'loop');
    // Its lines have been added already, and reading files again could take exponential time.
    if (this.#seen.has(visit)) return;
    if (open.length >= MAX_DEPTH) return this.#complain(origin, 'too-deep');
    this.#seen.add(visit);

    const lines = await this.#load(path);
    if (lines === undefined) return this.#complain(origin, 'missing-file');
    if (lines === 'too-many') return this.#complain(origin, 'too-many-files');
    for (const line of lines) {
      if (line.type === 'requirement') this.#addRequirement(line, path, role);
      else await this.#addOption(line, path, [...open, visit]);
    }
  }

  #complain(origin: RequirementsProblem, type: RequirementsProblem['type']): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push({ ...origin, type });
  }

  async #load(path: string): Promise<readonly RequirementsFileLine[] | 'too-many' | undefined> {
    const known = this.#lines.get(path);
    if (known !== undefined) return known;
    if (this.#lines.size >= MAX_FILES) return 'too-many';
    const bytes = await this.read(path);
    if (bytes === undefined) return undefined;
    const lines = parseRequirementsLines(bytes, this.env);
    this.#lines.set(path, lines);
    for (const use of variableUses(bytes)) this.#variables.push({ ...use, file: path });
    return lines;
  }

  async #addOption(option: OptionLine, file: string, open: readonly string[]): Promise<void> {
    const { name, value, line, variables } = option;
    const written = value === undefined ? undefined : this.#asWritten(value, variables);
    if (value !== undefined && (name === 'requirement' || name === 'constraint')) {
      if (/^https?:\/\//i.test(value)) {
        this.#remoteFiles.add(written ?? value);
        return;
      }
      const origin = { type: 'missing-file', file, line, path: written ?? value } as const;
      await this.include(origin, insideApp(withoutFileScheme(value), posix.dirname(file)), name, open);
      return;
    }
    this.#options.push({ name, file, line, ...(written === undefined ? {} : { value: written }) });
    if (name === 'find-links' && value !== undefined) this.#addFindLinks(value, written ?? value, file, line);
  }

  #addFindLinks(target: string, value: string, file: string, line: number): void {
    if (/^(?!file:)[a-z][a-z0-9+.-]*:\/\//i.test(target)) return;
    // pip looks next to the file first, then in the folder it started in.
    const paths = [posix.dirname(file), this.cwd].flatMap((base) => insideApp(withoutFileScheme(target), base) ?? []);
    if (paths.length === 0) this.#complain({ type: 'outside-app', file, line, path: value }, 'outside-app');
    for (const path of paths) this.#localPaths.add(path === '' ? '.' : path);
  }

  #addRequirement(written: RequirementLine, file: string, role: Role): void {
    const { line, editable, hashes, marker, variables } = written;
    const { name, extras, kind, pinned, ...found } = classify(written.target);
    const specifier = this.#asWritten(found.specifier, variables);
    if (kind === 'local') {
      const target = found.specifier.replace(/#.*$/s, '');
      const path = insideApp(withoutFileScheme(target), this.cwd);
      if (path === undefined) {
        this.#complain({ type: 'outside-app', file, line, path: specifier }, 'outside-app');
        return;
      }
      this.#localPaths.add(path === '' ? '.' : path);
    }
    const hashed =
      hashes.length > 0 || (kind === 'url' && /[#&]sha(?:224|256|384|512)=[0-9a-f]/i.test(found.specifier));
    const list = role === 'constraint' ? this.#constraints : this.#requirements;
    list.push({
      ...(name === undefined ? {} : { name }),
      specifier,
      extras,
      ...(marker === undefined ? {} : { marker }),
      kind,
      editable,
      pinned: pinned || (hashed && kind !== 'local'),
      hashed,
      file,
      line,
    });
  }

  /** Puts the names of variables back, because their values may be secret and the result is stored and shown. */
  #asWritten(text: string, variables: readonly string[] = []): string {
    let written = text;
    for (const name of variables) {
      const value = this.env(name);
      if (value !== undefined && value !== '') written = written.replaceAll(value, () => `\${${name}}`);
    }
    return written;
  }

  closure(): RequirementsClosure {
    const requiresHashes = this.#options.some(({ name }) => name === 'require-hashes');
    const listsAny = this.#requirements.length > 0;
    const isWhole = this.#remoteFiles.size === 0;
    return {
      files: [...this.#lines.keys()],
      requirements: this.#requirements,
      constraints: this.#constraints,
      options: this.#options,
      localPaths: [...this.#localPaths].sort(),
      remoteFiles: [...this.#remoteFiles].sort(),
      variables: this.#variables,
      everyListedPinned: isWhole && this.#requirements.every(({ pinned }) => pinned),
      hashChecked: isWhole && (requiresHashes || (listsAny && this.#requirements.every(({ hashed }) => hashed))),
    };
  }
}

type Classified = Pick<Requirement, 'specifier' | 'extras' | 'kind' | 'pinned'> & { readonly name?: string };

const NAME = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*/;
const VCS = /^(?:git|hg|svn|bzr)\+/i;
const URL = /^(?:https?|ftp|file):/i;
const ARCHIVE = /\.(?:whl|zip|tar|tar\.gz|tgz|tar\.bz2|tbz|tar\.xz|txz)$/i;

function classify(target: string): Classified {
  const [start = '', written, extrasText = ''] = NAME.exec(target) ?? [];
  const rest = target.slice(start.length);
  if (written !== undefined && rest.startsWith('@')) {
    const url = rest.slice(1).trim();
    return { name: normalizeName(written), specifier: url, extras: extrasOf(extrasText), ...placeOf(url) };
  }
  if (VCS.test(target) || URL.test(target) || looksLikePath(target)) {
    const [specifier, extras] = splitExtras(target);
    const egg = /[#&]egg=([A-Za-z0-9._-]+)/.exec(target)?.[1];
    return { specifier, extras, ...(egg === undefined ? {} : { name: normalizeName(egg) }), ...placeOf(target) };
  }
  const specifier = rest.replace(/^\((.*)\)$/s, '$1').trim();
  return {
    ...(written === undefined ? {} : { name: normalizeName(written) }),
    specifier,
    extras: extrasOf(extrasText),
    kind: 'index',
    pinned: specifier.split(',').some(isExact),
  };
}

/** `==1.2` or `===1.2`; `==1.*` is a range. */
const isExact = (clause: string): boolean => /^\s*={2,3}\s*[^\s*=]+\s*$/.test(clause);

function placeOf(url: string): { readonly kind: Requirement['kind']; readonly pinned: boolean } {
  // A tag or branch can move, a full commit can't.
  if (VCS.test(url)) return { kind: 'vcs', pinned: /@[0-9a-f]{40}(?:[#?].*)?$/i.test(url) && !/^svn|^bzr/i.test(url) };
  if (/^(?:https?|ftp):/i.test(url)) return { kind: 'url', pinned: false };
  return { kind: 'local', pinned: /\.whl(?:[#?]|$)/i.test(url) };
}

const looksLikePath = (text: string): boolean => text.startsWith('.') || text.includes('/') || ARCHIVE.test(text);

/** `./project[extra]` */
function splitExtras(text: string): readonly [string, readonly string[]] {
  const [, path, extras] = /^([^[\]]+)\[([^[\]]*)\]$/s.exec(text) ?? [];
  return path === undefined ? [text, []] : [path, extrasOf(extras ?? '')];
}
const extrasOf = (text: string): readonly string[] =>
  text
    .split(',')
    .map((extra) => extra.trim())
    .filter((extra) => extra !== '');

/** PEP 503 */
export const normalizeName = (name: string): string => name.replaceAll(/[-_.]+/g, '-').toLowerCase();

/** Turns all spellings of `file:` URLs into a path, with percent escapes decoded. */
function withoutFileScheme(text: string): string {
  const [, path] = /^file:(?:\/\/(?:localhost)?(?=\/|$))?(.*)$/is.exec(text) ?? [];
  if (path === undefined) return text;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Relative to the app and normalized. Undefined when it is outside the app. */
function insideApp(path: string, base: string): string | undefined {
  const absolute = posix.resolve(APP_ROOT, base, path.replaceAll('\0', '\uFFFD'));
  if (absolute === APP_ROOT) return '';
  return absolute.startsWith(`${APP_ROOT}/`) ? absolute.slice(APP_ROOT.length + 1) : undefined;
}
