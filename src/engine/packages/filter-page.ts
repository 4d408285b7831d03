// Leaves out of a page what the policy refuses, and says why.

import { readVersion, versionKey, versionOrder, newestVersion } from '../../manifests/app/package-version.js';
import type { PolicyRule } from '../../manifests/packages/policy.js';
import type { Failure } from '../failure.js';
import { fileNameParts } from './file-name.js';
import type { PageFile, ProjectPage } from './page.js';
import type { PolicyFinding, Verdict } from './policy.js';

/** A file that the policy refuses. */
export interface HiddenFile {
  readonly file: Pick<PageFile, 'filename'>;
  readonly rule: PolicyRule;
  readonly reason: string;
  readonly waivedBy?: string;
}

export interface FilteredPage {
  readonly page: ProjectPage;
  /** In the order of the page. */
  readonly hidden: readonly HiddenFile[];
  /** Of the files that stay. */
  readonly warnings: readonly { readonly file: PageFile; readonly finding: PolicyFinding }[];
}

/** A version whose files are all hidden is not on the page either. */
export function filterPage(page: ProjectPage, judge: (file: PageFile) => Verdict): FilteredPage {
  const files: PageFile[] = [];
  const hidden: HiddenFile[] = [];
  const warnings: FilteredPage['warnings'][number][] = [];
  for (const file of page.files) {
    const verdict = judge(file);
    if (verdict.allowed) {
      files.push(file);
      for (const finding of verdict.warnings) warnings.push({ file, finding });
    } else {
      const { rule, reason, waivedBy } = verdict;
      hidden.push({ file, rule, reason, ...(waivedBy !== undefined && { waivedBy }) });
    }
  }
  if (hidden.length === 0) return { page, hidden, warnings };
  const keysOf = (of: readonly Pick<PageFile, 'filename'>[]): ReadonlySet<string> =>
    new Set(of.map(({ filename }) => keyOf(versionOf(filename, page.project))));
  const [kept, gone] = [keysOf(files), keysOf(hidden.map(({ file }) => file))];
  const versions = page.versions?.filter((version) => kept.has(keyOf(version)) || !gone.has(keyOf(version)));
  return { page: { ...page, files, ...(versions !== undefined && { versions }) }, hidden, warnings };
}

const versionOf = (filename: string, project: string): string | undefined => fileNameParts(filename, project)?.version;

function keyOf(version: string | undefined): string {
  const read = version === undefined ? undefined : readVersion(version);
  return read === undefined ? (version ?? '') : versionKey(read);
}

/** What a user reads if the policy refuses what an installation needs. */
export type RefusalText = Pick<Failure, 'title' | 'detail' | 'remedy'>;

const MOST_SHOWN = 5;

/** `page`: what the policy leaves of the project's pages; undefined if no page is known. */
export function refusalText(
  project: string,
  hidden: readonly HiddenFile[],
  page: Pick<ProjectPage, 'files'> | undefined,
): RefusalText {
  const refusals = byVersion(project, hidden);
  const lines = refusals
    .slice(0, MOST_SHOWN)
    .map(({ subject, rule, reason }) => `${subject} (rule \`${rule}\`): ${reason}`);
  if (refusals.length > MOST_SHOWN) lines.push(`The policy refuses ${refusals.length - MOST_SHOWN} more versions.`);
  const versions = (page?.files ?? []).flatMap(({ filename }) => versionOf(filename, project) ?? []);
  const newest = newestVersion(versions);
  const who = hidden.find(({ waivedBy }) => waivedBy !== undefined)?.waivedBy;
  const [first] = refusals;
  return {
    title: `The package policy refuses ${refusals.length === 1 && first !== undefined ? first.subject : project}`,
    detail: [...lines, ...(page === undefined ? [] : [newestLine(project, newest)])].join('\n'),
    remedy: [
      newest === undefined
        ? `1. Use another package than ${project}.`
        : `1. Require a version that the policy allows, such as \`${project}==${newest}\`.`,
      `2. Or ask ${who ?? 'the operator of this builder'} to waive the rule \`${first?.rule ?? 'deny'}\` for ${project} in the policy file (\`waivers\`).`,
    ].join('\n'),
  };
}

const newestLine = (project: string, newest: string | undefined): string =>
  newest === undefined ? `The policy allows no version of ${project}.` : `The newest allowed version is ${newest}.`;

interface Refusal {
  /** `NAME VERSION`, or the name of the file. */
  readonly subject: string;
  readonly rule: PolicyRule;
  readonly reason: string;
}

/** One for each version and rule, newest version first. */
function byVersion(project: string, hidden: readonly HiddenFile[]): readonly Refusal[] {
  const found = new Map<string, Refusal & { readonly version: string | undefined }>();
  for (const { file, rule, reason } of hidden) {
    const version = versionOf(file.filename, project);
    const subject = version === undefined ? file.filename : `${project} ${version}`;
    const identity = `${subject}\n${rule}`;
    if (!found.has(identity)) found.set(identity, { subject, rule, reason, version });
  }
  const read = [...found.values()].map((refusal) => ({ refusal, version: readVersion(refusal.version ?? '') }));
  read.sort((a, b) => {
    if (a.version === undefined || b.version === undefined)
      return Number(a.version === undefined) - Number(b.version === undefined);
    return versionOrder(b.version, a.version);
  });
  return read.map(({ refusal }) => refusal);
}

/** The code of every refusal, for counting. The subject is the package. */
export const refusedPackage = (project: string, text: RefusalText): Failure => ({
  code: 'packages::refused',
  blame: 'app',
  ...text,
  subject: project,
});
