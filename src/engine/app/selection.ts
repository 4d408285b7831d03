// Selects the paths of a node's view: those that its patterns match, and those that links among them lead to.

import { matcherOf } from '../files/pattern.js';
import { followLinks, type Followed, type LinkProblem } from './links.js';
import { escapeGlob, splitPattern, type RunFiles } from './run-files.js';

interface Selection {
  /** Files and symbolic links. */
  readonly paths: ReadonlySet<string>;
  /** Links that a pattern matched and that can't be followed; they stay unchanged. */
  readonly passed: readonly LinkProblem[];
  /** The first unusable link in a path that is named in full. */
  readonly problem: LinkProblem | undefined;
}

export function selectPaths(files: RunFiles, node: number, patterns: readonly string[]): Selection {
  const selector = new Selector(files, node);
  for (const pattern of patterns) selector.add(pattern);
  return selector.select();
}

class Selector implements Selection {
  readonly paths = new Set<string>();
  readonly passed: LinkProblem[] = [];
  problem: LinkProblem | undefined;
  /** Patterns to process; a link to a folder adds one. Without the set, a circle of folders would never end. */
  readonly #pending: string[] = [];
  readonly #known = new Set<string>();
  /** Folders selected with their whole content; '' is the app. Package managers make thousands of links into one. */
  readonly #whole = new Set<string>();

  constructor(
    private readonly files: RunFiles,
    private readonly node: number,
  ) {}

  add(pattern: string): void {
    if (this.#known.has(pattern)) return;
    this.#known.add(pattern);
    this.#pending.push(pattern);
  }

  select(): Selection {
    // The list grows during the loop.
    for (const pattern of this.#pending) this.#choose(pattern);
    return this;
  }

  #choose(pattern: string): void {
    const { base, rest } = splitPattern(pattern);
    const found = followLinks(this.files, this.node, base);
    if (found.problem !== undefined) this.problem ??= found.problem;
    if (rest === '') return this.#take(found);
    for (const link of found.links) this.paths.add(link);
    if (found.links.length > 0) {
      if (found.end?.winner.entry.type === 'directory') this.add(below(found.end.path, rest));
      return;
    }
    if (rest === '**') this.#whole.add(base);
    for (const path of this.files.match(this.node, pattern)) this.#matched(path, rest);
    this.#cross(base, rest);
  }

  #take({ links, end }: Followed): void {
    for (const link of links) this.paths.add(link);
    if (end === undefined) return;
    if (end.winner.entry.type !== 'directory') this.paths.add(end.path);
    else if (!this.#isWhole(end.path)) this.add(below(end.path, '**'));
  }

  #isWhole(folder: string): boolean {
    for (let path = folder; path !== ''; path = path.slice(0, Math.max(0, path.lastIndexOf('/')))) {
      if (this.#whole.has(path)) return true;
    }
    return this.#whole.has('');
  }

  #matched(path: string, rest: string): void {
    this.paths.add(path);
    if (this.files.winner(this.node, path)?.entry.type !== 'symlink') return;
    const found = followLinks(this.files, this.node, path);
    this.#take(found);
    // A pattern for a whole folder doesn't mean that each file in it is needed.
    if (found.problem !== undefined && !/(^|\/)\*\*$/.test(rest)) this.passed.push(found.problem);
  }

  /** Follows links to folders in the middle of a pattern, as in `apps/*` + `/settings.py`. `**` follows none. */
  #cross(base: string, rest: string): void {
    const segments = segmentsOf(rest);
    const end = segments.findIndex((segment) => segment.includes('**') || segment.includes('/'));
    const fixed = segments.slice(0, end < 0 ? segments.length - 1 : Math.min(end, segments.length - 1));
    if (fixed.length === 0) return;
    for (let depth = 1; depth <= fixed.length; depth++) {
      this.files.noteGlob(this.node, below(base, fixed.slice(0, depth).join('/')));
    }
    const matchers = fixed.map((_, depth) => matcherOf(below(base, fixed.slice(0, depth + 1).join('/'))));
    const above = base === '' ? 0 : base.split('/').length;
    for (const link of this.files.linkPaths()) {
      const depth = link.split('/').length - above;
      if (matchers[depth - 1]?.(link) !== true) continue;
      if (this.files.winner(this.node, link)?.entry.type !== 'symlink') continue;
      const { links, end: target } = followLinks(this.files, this.node, link);
      if (target?.winner.entry.type !== 'directory') continue;
      for (const step of links) this.paths.add(step);
      this.add(below(target.path, segments.slice(depth).join('/')));
    }
  }
}

const below = (folder: string, pattern: string): string =>
  folder === '' ? pattern : `${escapeGlob(folder)}/${pattern}`;

/** Splits at slashes outside of brackets. */
function segmentsOf(pattern: string): readonly string[] {
  const segments: string[] = [];
  let depth = 0;
  let start = 0;
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index]!;
    if (char === '\\') index++;
    else if ('{['.includes(char)) depth++;
    else if ('}]'.includes(char)) depth = Math.max(0, depth - 1);
    else if (char === '/' && depth === 0) {
      segments.push(pattern.slice(start, index));
      start = index + 1;
    }
  }
  return [...segments, pattern.slice(start)];
}
