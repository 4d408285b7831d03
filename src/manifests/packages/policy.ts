// Reads a policy file: YAML or JSON with the fields of schemas/policy.schema.json. Looks at shapes only, and decides nothing.

import type { Diagnostic } from '../pipeline/diagnostic.js';
import { diagnose } from '../pipeline/diagnose.js';
import { parsePipeline } from '../pipeline/load.js';
import { Suggester, type Path, type Problem } from '../pipeline/problem.js';
import { explainSchemaErrors } from '../pipeline/schema-messages.js';
import { parsePackageSpec } from './package-spec.js';
import { validatePolicy } from './validate-policy.generated.js';

/** The names of the rules, as in the file. */
export type PolicyRule =
  | 'minimumAge'
  | 'allow'
  | 'deny'
  | 'indexes'
  | 'private'
  | 'malicious'
  | 'advisories'
  | 'licences'
  | 'wheelsOnly'
  | 'yanked';
export type PolicyLevel = 'warn' | 'refuse';

export interface AgeException {
  readonly package?: string;
  readonly index?: string;
  readonly age?: string;
}

export interface Waiver {
  readonly package: string;
  readonly rule: PolicyRule;
  /** The last day: YYYY-MM-DD, UTC. */
  readonly until: string;
  readonly by: string;
  readonly reason?: string;
}

/** The content of a valid file. Fields are described in schemas/policy.schema.json. */
export interface PolicyFile {
  readonly contact?: string;
  readonly minimumAge?: string | { readonly age: string; readonly except?: readonly AgeException[] };
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly indexes?: {
    readonly allow?: readonly string[];
    readonly deny?: readonly string[];
    readonly private?: readonly { readonly packages: readonly string[]; readonly from: readonly string[] }[];
  };
  readonly advisories?: string;
  readonly licences?: { readonly warn?: readonly string[]; readonly refuse?: readonly string[] };
  readonly wheelsOnly?: boolean | readonly string[] | { readonly except: readonly string[] };
  readonly yanked?: 'allow' | PolicyLevel;
  readonly levels?: Readonly<Partial<Record<PolicyRule, PolicyLevel>>>;
  readonly waivers?: readonly Waiver[];
}

export type ParsedPolicy =
  | { readonly ok: true; readonly value: { readonly policy: PolicyFile; readonly warnings: readonly Diagnostic[] } }
  | { readonly ok: false; readonly failure: { readonly diagnostics: readonly Diagnostic[]; readonly text: string } };

/** `file` is only used in problems. `now`: milliseconds since 1970, to find waivers that have ended. */
export async function parsePolicyFile(file: string, text: string, now: number): Promise<ParsedPolicy> {
  const loaded = await parsePipeline(file, text);
  if (!loaded.ok) return refused(loaded.failure.diagnostics, text);
  const problems: Problem[] = [...loaded.value.problems];
  const { data } = loaded.value;
  if (validatePolicy(data)) problems.push(...problemsOf(data as PolicyFile, now));
  else problems.push(...(await explain(data)));
  const found = diagnose(loaded.value, problems);
  if (found.some(({ severity }) => severity === 'error')) return refused(found, text);
  return { ok: true, value: { policy: data as PolicyFile, warnings: found.map(asOfPolicy) } };
}

const refused = (diagnostics: readonly Diagnostic[], text: string): ParsedPolicy => ({
  ok: false,
  failure: { diagnostics: diagnostics.map(asOfPolicy), text },
});

/** What reads pipeline files speaks of them. */
const asOfPolicy = (diagnostic: Diagnostic): Diagnostic => {
  const of = (words: string): string =>
    words
      .replaceAll(/\bpipeline file\b/g, 'policy file')
      .replace('Begin with `pyflow: 1`, followed by `nodes`.', 'Begin with a rule, such as `minimumAge: 7d`.')
      .replace('The kind describes', 'The schema describes')
      .replace(/^Run `pyflow plugins show .*$/, 'schemas/policy.schema.json describes the field.');
  return {
    ...diagnostic,
    code: 'policy::invalid',
    message: of(diagnostic.message),
    ...(diagnostic.reason !== undefined && { reason: of(diagnostic.reason) }),
    remedy: of(diagnostic.remedy),
  };
};

async function explain(data: unknown): Promise<readonly Problem[]> {
  const { policySchema } = await import('./policy-schema.generated.js');
  const problems: Problem[] = [];
  explainSchemaErrors(
    { errors: validatePolicy.errors ?? [], data, schema: policySchema, at: [], subject: 'the file' },
    (problem) => problems.push({ severity: 'error', ...problem }),
    new Suggester(),
  );
  return problems;
}

type Words = Pick<Problem, 'message' | 'reason' | 'remedy'>;

const problem = (path: Path, words: Words): Problem => ({ code: 'policy::invalid', severity: 'error', path, ...words });

/** What the schema can't say. */
function problemsOf(policy: PolicyFile, now: number): readonly Problem[] {
  return [
    ...namesIn(policy).flatMap(({ path, text, isName }) => specProblem(path, text, isName)),
    ...addressesIn(policy).flatMap(({ path, url }) => addressProblem(path, url)),
    ...(policy.waivers ?? []).flatMap((waiver, index) => waiverProblem(waiver, index, now)),
  ];
}

interface Named {
  readonly path: Path;
  readonly text: string;
  /** Without versions. */
  readonly isName: boolean;
}

function namesIn({ allow, deny, indexes, minimumAge, wheelsOnly, waivers }: PolicyFile): readonly Named[] {
  const list = (at: Path, texts: readonly string[] | undefined, isName: boolean): readonly Named[] =>
    (texts ?? []).map((text, index) => ({ path: [...at, index], text, isName }));
  const exceptions = typeof minimumAge === 'object' ? (minimumAge.except ?? []) : [];
  const wheels = typeof wheelsOnly === 'object' ? wheelsOnly : [];
  return [
    ...list(['allow'], allow, false),
    ...list(['deny'], deny, false),
    ...(indexes?.private ?? []).flatMap(({ packages }, index) =>
      list(['indexes', 'private', index, 'packages'], packages, true),
    ),
    ...exceptions.flatMap(({ package: text }, index) =>
      text === undefined ? [] : [{ path: ['minimumAge', 'except', index, 'package'], text, isName: false }],
    ),
    ...('except' in wheels ? list(['wheelsOnly', 'except'], wheels.except, true) : list(['wheelsOnly'], wheels, true)),
    ...(waivers ?? []).map(({ package: text }, index) => ({
      path: ['waivers', index, 'package'],
      text,
      isName: false,
    })),
  ];
}

function specProblem(path: Path, text: string, isName: boolean): readonly Problem[] {
  const spec = parsePackageSpec(text);
  const message = `\`${text}\` names no package.`;
  if (typeof spec === 'string') {
    const remedy = `Write ${isName ? '`NAME`' : '`NAME` or `NAME >=1.2,<2`'}, with \`*\` in the name for any characters.`;
    return [problem(path, { message, reason: spec, remedy })];
  }
  if (!isName || spec.specifiers === '') return [];
  return [problem(path, { message, reason: 'A version is not possible here.', remedy: `Write \`${spec.pattern}\`.` })];
}

function addressesIn({ indexes, minimumAge }: PolicyFile): readonly { readonly path: Path; readonly url: string }[] {
  const list = (at: Path, urls: readonly string[] | undefined) =>
    (urls ?? []).map((url, index) => ({ path: [...at, index], url }));
  const exceptions = typeof minimumAge === 'object' ? (minimumAge.except ?? []) : [];
  return [
    ...list(['indexes', 'allow'], indexes?.allow),
    ...list(['indexes', 'deny'], indexes?.deny),
    ...(indexes?.private ?? []).flatMap(({ from }, index) => list(['indexes', 'private', index, 'from'], from)),
    ...exceptions.flatMap(({ index: url }, index) =>
      url === undefined ? [] : [{ path: ['minimumAge', 'except', index, 'index'], url }],
    ),
  ];
}

function addressProblem(path: Path, url: string): readonly Problem[] {
  if (!URL.canParse(url)) {
    const words = { message: 'The address is not valid.', remedy: 'Write one such as `https://pypi.org/simple`.' };
    return [problem(path, words)];
  }
  const { username, password } = new URL(url);
  if (username === '' && password === '') return [];
  const reason = 'The policy compares addresses without logins.';
  return [problem(path, { message: 'The address has a login.', reason, remedy: 'Remove the login.' })];
}

function waiverProblem({ until, package: named, by }: Waiver, index: number, now: number): readonly Problem[] {
  const path = ['waivers', index, 'until'];
  const end = lastMoment(until);
  if (end === undefined) {
    return [problem(path, { message: `\`${until}\` is not a day.`, remedy: 'Write a day such as `2027-01-31`.' })];
  }
  if (end >= now) return [];
  const message = `The waiver for \`${named}\` by ${by} has ended.`;
  return [{ ...problem(path, { message, remedy: 'Remove it, or extend it.' }), severity: 'warning' }];
}

/** The end of a day in UTC, in milliseconds since 1970. */
export function lastMoment(day: string): number | undefined {
  const start = Date.parse(`${day}T00:00:00.000Z`);
  if (Number.isNaN(start) || new Date(start).toISOString().slice(0, 10) !== day) return undefined;
  return start + DAY - 1;
}

const DAY = 86_400_000;
const UNITS: Readonly<Record<string, number>> = { h: DAY / 24, d: DAY, w: 7 * DAY };

/** `7d` in milliseconds. The schema knows only valid texts. */
export const ageOf = (text: string): number => Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? DAY);
