// How the policy names packages: `NAME`, `NAME >=1.2,<2`, with `*` in the name for any characters. Names count in their
// normalized spelling, so that no other spelling slips past a rule.

import { isVersion, meetsSpecifiers } from '../app/package-version.js';
import { normalizeName } from '../app/requirements.js';

export interface PackageSpec {
  /** Normalized; may have `*`. */
  readonly pattern: string;
  /** `>=1.2,<2`; empty for every version. */
  readonly specifiers: string;
}

const SPEC = /^\s*([a-z0-9*](?:[a-z0-9._*-]*[a-z0-9*])?)\s*((?:[=<>!~].*)?)$/i;
const CLAUSE = /^(?:===|==|!=|~=|>=|<=|>|<)\s*([^\s,*]+?)(\.\*)?$/;

/** A string says what is wrong. */
export function parsePackageSpec(text: string): PackageSpec | string {
  const [, name, specifiers = ''] = SPEC.exec(text) ?? [];
  if (name === undefined) return 'It is not the name of a package.';
  const clauses = specifiers.split(',').map((clause) => clause.trim());
  if (specifiers !== '') {
    const wrong = clauses.find((clause) => !isVersion(CLAUSE.exec(clause)?.[1] ?? ''));
    if (wrong !== undefined)
      return wrong === '' ? 'A comma follows no specifier.' : `\`${wrong}\` is no version specifier.`;
  }
  return { pattern: normalizeName(name), specifiers: specifiers === '' ? '' : clauses.join(',') };
}

/** Matches normalized names against a pattern with `*`, in time bounded by name times pattern. */
export function nameMatcher(pattern: string): (name: string) => boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return (name) => name === pattern;
  return (name) => {
    if (name.length < first.length + last.length || !name.startsWith(first) || !name.endsWith(last)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = name.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return at <= name.length - last.length;
  };
}

export interface PackageEntry<T> {
  readonly spec: PackageSpec;
  readonly value: T;
}

/** Finds the entry for a package quickly, however long the list is. */
export class PackageTable<T> {
  readonly #exact = new Map<string, PackageEntry<T>[]>();
  readonly #patterns: (PackageEntry<T> & { readonly fits: (name: string) => boolean })[] = [];

  #last: { readonly project: string; readonly entries: readonly PackageEntry<T>[] } | undefined;

  constructor(entries: readonly PackageEntry<T>[]) {
    for (const entry of entries) {
      const { pattern } = entry.spec;
      if (pattern.includes('*')) this.#patterns.push({ ...entry, fits: nameMatcher(pattern) });
      else {
        const known = this.#exact.get(pattern);
        if (known === undefined) this.#exact.set(pattern, [entry]);
        else known.push(entry);
      }
    }
  }

  /** The entries for a package, whatever its version. Usually asked for all files of a page in turn. */
  named(project: string): readonly PackageEntry<T>[] {
    if (this.#last?.project !== project) {
      const entries = [...(this.#exact.get(project) ?? []), ...this.#patterns.filter(({ fits }) => fits(project))];
      this.#last = { project, entries };
    }
    return this.#last.entries;
  }

  /** `orUnknown`: whether an entry with specifiers is for a file whose version is unknown. */
  find(project: string, version: string | undefined, orUnknown: boolean): PackageEntry<T> | undefined {
    return this.named(project).find(({ spec }) => coversVersion(spec, version, orUnknown));
  }
}

export const coversVersion = ({ specifiers }: PackageSpec, version: string | undefined, orUnknown: boolean): boolean =>
  specifiers === '' || (version === undefined ? orUnknown : meetsSpecifiers(version, specifiers));

export const shownSpec = ({ pattern, specifiers }: PackageSpec): string =>
  specifiers === '' ? pattern : `${pattern} ${specifiers}`;
