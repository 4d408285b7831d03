// Decides by the operator's policy whether a build may install a file of an index. Pure: whoever asks brings the time.

import type { PolicyFile, PolicyLevel, PolicyRule } from '../../manifests/packages/policy.js';
import { ageOf, lastMoment } from '../../manifests/packages/policy.js';
import { coversVersion, PackageTable, parsePackageSpec, shownSpec } from '../../manifests/packages/package-spec.js';
import { editDistance } from '../../manifests/closest.js';
import { normalizeName } from '../../manifests/app/requirements.js';
import { cleanText } from '../files/clean-text.js';
import { sha256Hex } from '../files/digest.js';
import { isMalicious, type Advisories, type Advisory } from './advisories.js';
import { fileNameParts } from './file-name.js';
import { AddressSet, shownAddress } from './index-address.js';
import type { PageFile } from './page.js';

/** What a rule says of a file. */
export interface PolicyFinding {
  readonly rule: PolicyRule;
  readonly level: PolicyLevel;
  /** One or two sentences. */
  readonly reason: string;
}

export type Verdict =
  | { readonly allowed: true; readonly warnings: readonly PolicyFinding[] }
  | {
      readonly allowed: false;
      readonly rule: PolicyRule;
      readonly reason: string;
      /** Who may waive the rule, if the policy says so. */
      readonly waivedBy?: string;
    };

/** A file as an index offers it. */
export interface Offer {
  /** Address of the index; that of the file itself if no page lists it. */
  readonly index: string;
  /** In any spelling. */
  readonly project: string;
  readonly file: Pick<PageFile, 'filename' | 'yanked' | 'uploadTime'>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** A policy that is ready to judge. */
export interface Policy {
  readonly file: PolicyFile;
  readonly contact?: string;
  readonly advisories: Advisories | undefined;
  readonly allow: PackageTable<undefined> | undefined;
  readonly deny: PackageTable<undefined>;
  readonly privateNames: PackageTable<AddressSet>;
  readonly allowedIndexes: AddressSet | undefined;
  readonly deniedIndexes: AddressSet;
  readonly ages: PackageTable<AgeOfIndex>;
  readonly defaultAge: number | undefined;
  readonly wheelsOnly: (project: string) => boolean;
  readonly waivers: PackageTable<{ readonly rule: PolicyRule; readonly end: number }>;
}
interface AgeOfIndex {
  /** Undefined for every index. */
  readonly index: AddressSet | undefined;
  readonly age: number;
}

/** `file` was checked by `parsePolicyFile`. */
export function makePolicy(file: PolicyFile, advisories: Advisories | undefined): Policy {
  const { minimumAge, allow, indexes, waivers = [] } = file;
  const given = typeof minimumAge === 'string' ? { age: minimumAge } : minimumAge;
  return {
    file,
    ...(file.contact !== undefined && { contact: cleanText(file.contact) }),
    advisories,
    allow:
      allow === undefined
        ? undefined
        : tableOf(
            allow,
            (text) => text,
            () => undefined,
          ),
    deny: tableOf(
      file.deny ?? [],
      (text) => text,
      () => undefined,
    ),
    privateNames: tableOf(
      (indexes?.private ?? []).flatMap(({ packages, from }) => {
        const own = new AddressSet(from);
        return packages.map((name) => ({ name, own }));
      }),
      ({ name }) => name,
      ({ own }) => own,
    ),
    allowedIndexes: indexes?.allow && new AddressSet(indexes.allow),
    deniedIndexes: new AddressSet(indexes?.deny ?? []),
    ages: tableOf(
      given?.except ?? [],
      (exception) => exception.package ?? '*',
      ({ index, age }) => ({
        index: index === undefined ? undefined : new AddressSet([index]),
        age: age === undefined ? 0 : ageOf(age),
      }),
    ),
    defaultAge: given === undefined ? undefined : ageOf(given.age),
    wheelsOnly: wheelsOnlyOf(file.wheelsOnly ?? false),
    waivers: tableOf(
      waivers,
      (waiver) => waiver.package,
      ({ rule, until }) => ({ rule, end: lastMoment(until) ?? 0 }),
    ),
  };
}

function tableOf<T, V>(items: readonly T[], nameOf: (item: T) => string, valueOf: (item: T) => V): PackageTable<V> {
  return new PackageTable(
    items.flatMap((item) => {
      const spec = parsePackageSpec(nameOf(item));
      return typeof spec === 'string' ? [] : [{ spec, value: valueOf(item) }];
    }),
  );
}

function wheelsOnlyOf(wheelsOnly: NonNullable<PolicyFile['wheelsOnly']>): (project: string) => boolean {
  if (typeof wheelsOnly === 'boolean') return () => wheelsOnly;
  const isExcept = 'except' in wheelsOnly;
  const names = tableOf(
    isExcept ? wheelsOnly.except : wheelsOnly,
    (name) => name,
    () => undefined,
  );
  return (project) => names.named(project).length > 0 !== isExcept;
}

/** Over everything in a policy that can change a decision, so that a changed policy judges anew. */
export function policyDigest({ file, advisories }: Policy, now: number): string {
  const { contact: _contact, waivers = [], ...rules } = file;
  const active = waivers
    .filter(({ until }) => (lastMoment(until) ?? 0) >= now)
    .map(({ package: named, rule }) => [named, rule]);
  return sha256Hex(JSON.stringify([rules, active, advisories?.digest]));
}

/** The first rule that refuses the file decides. */
export function judgeFile(policy: Policy, offer: Offer): Verdict {
  const project = normalizeName(offer.project);
  const parts = fileNameParts(offer.file.filename, project);
  const question = { ...offer, project, version: parts?.version, isWheel: parts?.kind === 'wheel' };
  const warnings: PolicyFinding[] = [];
  for (const rule of RULES) {
    const finding = rule(policy, question);
    if (finding === undefined || isWaived(policy, question, finding.rule)) continue;
    const { level, reason } = finding;
    if (level === 'warn') warnings.push(finding);
    else {
      const { contact } = policy;
      return { allowed: false, rule: finding.rule, reason, ...(contact !== undefined && { waivedBy: contact }) };
    }
  }
  return { allowed: true, warnings };
}

interface Question extends Offer {
  /** Undefined if the name of the file doesn't tell it. */
  readonly version: string | undefined;
  readonly isWheel: boolean;
}

function isWaived({ waivers }: Policy, { project, version, now }: Question, rule: PolicyRule): boolean {
  return waivers
    .named(project)
    .some((entry) => entry.value.rule === rule && entry.value.end >= now && coversVersion(entry.spec, version, false));
}

type Rule = (policy: Policy, question: Question) => PolicyFinding | undefined;

/** The gravest first: a refusal names one rule. */
const RULES: readonly Rule[] = [
  malicious,
  privateName,
  index,
  denied,
  notAllowed,
  advised,
  yanked,
  tooYoung,
  sourceArchive,
];

function findingOf({ file }: Policy, rule: PolicyRule, reason: string): PolicyFinding {
  return { rule, level: file.levels?.[rule] ?? (rule === 'advisories' ? 'warn' : 'refuse'), reason };
}

function malicious(policy: Policy, { project, version }: Question): PolicyFinding | undefined {
  const found = policy.advisories?.about(project, version).find(isMalicious);
  return found && findingOf(policy, 'malicious', `${shown(found)} The advisory says that it is malicious.`);
}

function advised(policy: Policy, { project, version }: Question): PolicyFinding | undefined {
  const found = policy.advisories?.about(project, version).filter((advisory) => !isMalicious(advisory)) ?? [];
  const [first] = found;
  if (first === undefined) return undefined;
  const more = found.length === 1 ? '' : ` and ${found.length - 1} more`;
  return findingOf(policy, 'advisories', `It has a known vulnerability: ${shown(first, more)}`);
}

const shown = ({ id, summary }: Advisory, more = ''): string =>
  summary === '' ? `${id}${more}.` : `${id}${more}: ${summary.replace(/[.\s]+$/, '')}.`;

function privateName(policy: Policy, { project, index: from }: Question): PolicyFinding | undefined {
  const entries = policy.privateNames.named(project);
  if (entries.length === 0 || entries.some(({ value }) => value.has(from))) {
    return undefined;
  }
  const own = (entries[0]?.value.addresses ?? []).map(shownAddress).join(', ');
  const reason = `The name is private: only ${own} may serve it, and it comes from ${shownAddress(from)}.`;
  return findingOf(policy, 'private', reason);
}

function index(policy: Policy, { index: from }: Question): PolicyFinding | undefined {
  if (!policy.deniedIndexes.has(from) && policy.allowedIndexes?.has(from) !== false) return undefined;
  return findingOf(policy, 'indexes', `The policy does not allow the index ${shownAddress(from)}.`);
}

function denied(policy: Policy, { project, version }: Question): PolicyFinding | undefined {
  const entry = policy.deny.find(project, version, true);
  return entry && findingOf(policy, 'deny', `The policy denies \`${shownSpec(entry.spec)}\`.`);
}

function notAllowed(policy: Policy, { project, version }: Question): PolicyFinding | undefined {
  if (policy.allow === undefined || policy.allow.find(project, version, false) !== undefined) return undefined;
  const own = policy.allow.named(project).map(({ spec }) => `\`${shownSpec(spec)}\``);
  const reason =
    own.length === 0
      ? 'The policy does not list the package as allowed.'
      : `The policy allows only ${own.slice(0, 5).join(', ')}.`;
  return findingOf(policy, 'allow', reason);
}

function yanked(policy: Policy, { file }: Question): PolicyFinding | undefined {
  const level = policy.file.yanked ?? 'allow';
  if (file.yanked === false || level === 'allow') return undefined;
  const why = file.yanked.trim() === '' ? '' : `: ${file.yanked.trim().slice(0, 200)}`;
  return { rule: 'yanked', level, reason: `Its owner withdrew it${why}.` };
}

const HOUR = 3_600_000;

function tooYoung(policy: Policy, { project, version, index: from, file, now }: Question): PolicyFinding | undefined {
  const { ages, defaultAge } = policy;
  const exception = ages
    .named(project)
    .filter((entry) => coversVersion(entry.spec, version, false))
    .find(({ value }) => value.index?.has(from) !== false);
  const wanted = exception?.value.age ?? defaultAge ?? 0;
  if (wanted === 0 || (file.uploadTime !== undefined && now - file.uploadTime >= wanted)) return undefined;
  const { uploadTime } = file;
  const seen =
    uploadTime === undefined
      ? `${shownAddress(from)} does not say when it was uploaded`
      : `It was uploaded ${shownAge(Math.max(0, now - uploadTime))} ago (${new Date(uploadTime).toISOString().slice(0, 10)})`;
  return findingOf(policy, 'minimumAge', `${seen}; the policy wants an age of ${shownAge(wanted)}.`);
}

export function shownAge(ms: number): string {
  const hours = Math.floor(ms / HOUR);
  const [count, unit] = hours < 48 ? [hours, 'hour'] : [Math.floor(hours / 24), 'day'];
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

function sourceArchive(policy: Policy, { project, isWheel }: Question): PolicyFinding | undefined {
  if (isWheel || !policy.wheelsOnly(project)) return undefined;
  return findingOf(policy, 'wheelsOnly', 'It is not a wheel, so its code would run during the installation.');
}

/** A warning if a name is almost a private one: somebody may have mistyped it, or planted it for those who do. */
export function typoOfPrivate(policy: Policy, project: string): PolicyFinding | undefined {
  const name = normalizeName(project);
  if (policy.privateNames.named(name).length > 0) return undefined;
  for (const { packages } of policy.file.indexes?.private ?? []) {
    const near = packages.map(normalizeName).find((own) => isNear(name, own));
    if (near !== undefined)
      return { rule: 'private', level: 'warn', reason: `The name is almost the private name \`${near}\`.` };
  }
  return undefined;
}

/** Shorter names are near to too many. */
const SHORTEST = 4;

function isNear(name: string, own: string): boolean {
  const [start = '', ...rest] = own.split('*');
  if (start.length < SHORTEST || rest.some((part) => part !== '')) return false;
  if (rest.length === 0) return isOneOff(name, own) || bare(name) === bare(own);
  return [-1, 0, 1].some((more) => isOneOff(name.slice(0, start.length + more), start));
}

const isOneOff = (a: string, b: string): boolean => Math.abs(a.length - b.length) <= 1 && editDistance(a, b) === 1;
const bare = (name: string): string => name.replaceAll('-', '');
