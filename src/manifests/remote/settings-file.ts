// Reads a settings file of the remote cache: YAML or JSON with the fields of schemas/remote.schema.json. Looks at shapes only.

import type { SchemaError } from '../plugin-manifest.js';
import { diagnose } from '../pipeline/diagnose.js';
import { parsePipeline } from '../pipeline/load.js';
import { Suggester, type Problem } from '../pipeline/problem.js';
import { explainSchemaErrors } from '../pipeline/schema-messages.js';
import { validateRemote } from './validate-remote.generated.js';

/** The content of a valid file. Fields are described in schemas/remote.schema.json. */
export interface RemoteFile {
  readonly url?: string;
  readonly instance?: string;
  readonly write?: boolean;
  readonly require?: boolean;
  readonly insecure?: boolean;
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly headers?: Readonly<Record<string, string>>;
  readonly trust?: readonly string[];
  readonly sign?: string;
  readonly scope?: string;
  readonly reads?: readonly string[];
  readonly instances?: Readonly<Record<string, string>>;
  readonly execute?: boolean;
  readonly platform?: Readonly<Record<string, string>>;
}

export type ParsedRemoteFile =
  | { readonly ok: true; readonly value: RemoteFile }
  /** One problem per entry, with its place. None shows the value of a header. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** `file` is only used in problems. */
export async function parseRemoteFile(file: string, text: string): Promise<ParsedRemoteFile> {
  if (text.trim() === '') return { ok: false, problems: ['The file is empty. Begin with `url: grpcs://HOST:PORT`.'] };
  const loaded = await parsePipeline(file, text);
  if (!loaded.ok) return { ok: false, problems: loaded.failure.diagnostics.map(lineOf) };
  const problems: Problem[] = [...loaded.value.problems];
  const { data } = loaded.value;
  if (!validateRemote(data)) problems.push(...(await explain(validateRemote.errors ?? [], data)));
  const found = diagnose(loaded.value, problems).filter(({ severity }) => severity === 'error');
  if (found.length > 0) return { ok: false, problems: found.map(lineOf) };
  return { ok: true, value: data as RemoteFile };
}

interface Line {
  readonly start: { readonly line: number };
  readonly message: string;
  readonly reason?: string;
  readonly remedy: string;
}

const lineOf = ({ start, message, reason, remedy }: Line): string =>
  [`Line ${start.line}: ${message}`, reason, remedy].filter((part) => part !== undefined).join(' ');

async function explain(errors: readonly SchemaError[], data: unknown): Promise<readonly Problem[]> {
  const { remoteSchema } = await import('./remote-schema.generated.js');
  const problems: Problem[] = [];
  const others = errors.filter((error) => {
    const header = /^\/headers\/([^/]+)$/.exec(error.instancePath)?.[1];
    if (header !== undefined) problems.push(wrongHeader(header, error.keyword));
    return header === undefined;
  });
  explainSchemaErrors(
    { errors: others, data, schema: remoteSchema, at: [], subject: 'the file' },
    (problem) => problems.push({ severity: 'error', ...problem }),
    new Suggester(),
  );
  return problems;
}

/** The usual messages quote the value. */
const wrongHeader = (name: string, keyword: string): Problem => ({
  code: 'remote::settings-invalid',
  severity: 'error',
  path: ['headers', name],
  message: `The header \`${name}\` ${keyword === 'type' ? 'is not a string' : 'is too long'}.`,
  remedy: keyword === 'type' ? 'Put quotes around its value.' : 'Use at most 16,000 characters.',
});
