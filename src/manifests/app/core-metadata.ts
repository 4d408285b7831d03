// Reads the metadata of an installed package (core metadata, METADATA or PKG-INFO): name, version, licence and what it requires.

import { normalizeName } from './requirements.js';

export interface CoreMetadata {
  /** As written. */
  readonly name?: string;
  readonly version?: string;
  /** An SPDX expression (PEP 639). */
  readonly licenseExpression?: string;
  /** Free text of the field `License`, its first line only. */
  readonly license?: string;
  /** The last parts of the classifiers `License :: ...`. */
  readonly licenseClassifiers: readonly string[];
  readonly summary?: string;
  readonly homePage?: string;
  /** Lines of `Requires-Dist`, as written. */
  readonly requires: readonly string[];
}

/** A requirement of PEP 508. */
export interface PackageRequirement {
  /** Normalized. */
  readonly name: string;
  readonly extras: readonly string[];
  /** `>=1,<2`, or empty. */
  readonly specifier: string;
  readonly url?: string;
  readonly marker: string;
}

/** More of one kind than any package has. */
const MOST_LINES = 20_000;
const LONGEST_FIELD = 4_000;

/** Reads the header up to the first empty line. Never fails: what is unreadable is left out. */
export function parseCoreMetadata(text: string): CoreMetadata {
  const fields = headerFields(text);
  const first = (name: string): string | undefined => {
    const value = fields.get(name)?.[0]?.split('\n', 1)[0]?.trim().slice(0, LONGEST_FIELD);
    // Old versions of setuptools wrote UNKNOWN for what was not set.
    return value === undefined || value === '' || value === 'UNKNOWN' ? undefined : value;
  };
  const classifiers = (fields.get('classifier') ?? []).flatMap((classifier) => {
    const parts = classifier.split('::').map((part) => part.trim());
    return parts[0] === 'License' && parts.length > 1 ? [(parts.at(-1) ?? '').slice(0, LONGEST_FIELD)] : [];
  });
  return {
    ...defined({
      name: first('name'),
      version: first('version'),
      licenseExpression: first('license-expression'),
      license: first('license'),
      summary: first('summary'),
      homePage: first('home-page'),
    }),
    licenseClassifiers: classifiers,
    requires: (fields.get('requires-dist') ?? []).map((line) => line.replaceAll('\n', ' ').slice(0, LONGEST_FIELD)),
  };
}

const defined = <T extends object>(fields: T): { [Field in keyof T]?: Exclude<T[Field], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Field in keyof T]?: Exclude<T[Field], undefined>;
  };

/** Lower-case name -> values in order. Continued lines are joined with line feeds. */
function headerFields(text: string): ReadonlyMap<string, readonly string[]> {
  const fields = new Map<string, string[]>();
  let current: string[] | undefined;
  for (const line of text.replace(/^\ufeff/, '').split(/\r\n|\r|\n/, MOST_LINES)) {
    if (line === '') break;
    if (/^[ \t]/.test(line)) {
      if (current !== undefined) current.push(`${current.pop() ?? ''}\n${line.trim()}`);
      continue;
    }
    const cut = line.indexOf(':');
    if (cut <= 0) continue;
    const name = line.slice(0, cut).trim().toLowerCase();
    current = fields.get(name) ?? [];
    current.push(line.slice(cut + 1).trim());
    fields.set(name, current);
  }
  return fields;
}

const NAME = /^\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*/;

/** Undefined if the line is not a requirement. */
export function parsePackageRequirement(line: string): PackageRequirement | undefined {
  const [head, name, extras = ''] = NAME.exec(line) ?? [];
  if (head === undefined || name === undefined) return undefined;
  const rest = line.slice(head.length);
  // In a URL, a semicolon starts a marker only after a blank.
  const isUrl = rest.startsWith('@');
  const cut = isUrl ? rest.search(/\s;/) : rest.indexOf(';');
  const target = (cut < 0 ? rest : rest.slice(0, cut)).trim();
  const marker = cut < 0 ? '' : rest.slice(rest.indexOf(';', cut) + 1).trim();
  const specifier = isUrl ? '' : target.replace(/^\((.*)\)$/, '$1').trim();
  return {
    name: normalizeName(name),
    extras: extras
      .split(',')
      .map((extra) => normalizeName(extra.trim()))
      .filter((extra) => extra !== ''),
    specifier,
    ...(isUrl && { url: target.slice(1).trim() }),
    marker,
  };
}
