// A Pipfile and its lock, as Pipenv would write them for a loopback index.

import { createHash } from 'node:crypto';
import { canonicalJSON, type JSONObject } from '../../src/manifests/json-schema.js';
import { versionOf, type Wheel } from './wheels.js';

export interface Locked {
  /** Name -> entry in the lock. */
  readonly default?: Readonly<Record<string, JSONObject>>;
  readonly develop?: Readonly<Record<string, JSONObject>>;
  readonly source?: string;
}

/** The entry of a package from an index. */
export const lockedWheel = (wheel: Wheel): JSONObject => ({
  hashes: [`sha256:${wheel.sha256}`],
  index: 'pypi',
  version: `==${versionOf(wheel)}`,
});

/** The Pipfile accepts any version, so only the lock decides. */
export function makePipfile({ default: locked = {}, develop = {}, source = 'https://pypi.org/simple' }: Locked): {
  readonly Pipfile: string;
  readonly 'Pipfile.lock': string;
} {
  const wanted = (entries: Readonly<Record<string, JSONObject>>): JSONObject =>
    Object.fromEntries(
      Object.entries(entries).map(([name, { path, editable }]) => [
        name,
        path === undefined ? '*' : { path, ...(editable !== undefined && { editable }) },
      ]),
    );
  const sources = [{ name: 'pypi', url: source, verify_ssl: true }];
  const asked = { default: wanted(locked), develop: wanted(develop) };
  const table = (entries: JSONObject): string =>
    Object.entries(entries)
      .map(([name, value]) => {
        if (typeof value === 'string') return `${name} = ${JSON.stringify(value)}\n`;
        const fields = Object.entries(value as JSONObject).map(([key, field]) => `${key} = ${JSON.stringify(field)}`);
        return `${name} = { ${fields.join(', ')} }\n`;
      })
      .join('');
  const hash = createHash('sha256')
    .update(canonicalJSON({ _meta: { sources, requires: {} }, ...asked }))
    .digest('hex');
  return {
    Pipfile: `[[source]]\nurl = "${source}"\nverify_ssl = true\nname = "pypi"\n\n[packages]\n${table(asked.default)}\n[dev-packages]\n${table(asked.develop)}`,
    'Pipfile.lock': `${JSON.stringify(
      { _meta: { hash: { sha256: hash }, 'pipfile-spec': 6, requires: {}, sources }, default: locked, develop },
      undefined,
      4,
    )}\n`,
  };
}
