// The licences of what an installer put into the app, judged by the policy.

import { parseCoreMetadata } from '../../manifests/app/core-metadata.js';
import type { Failure } from '../failure.js';
import type { Folder } from '../files/folder.js';
import { judgeLicences, type LicensedPackage, type LicenceFinding } from './licences.js';
import type { Policy } from './policy.js';

const MOST_METADATA = 4 * 1024 * 1024;
/** `.scalingo/python/lib/python3.13/site-packages` */
const DEEPEST = 6;
const MOST_SHOWN = 10;

/** Undefined if nothing is refused. `now`: milliseconds since the epoch. */
export function judgeInstalled(
  app: Folder,
  {
    policy,
    now,
    onWarning,
  }: { readonly policy: Policy; readonly now: number; readonly onWarning: (text: string) => void },
): Failure | undefined {
  const { warn = [], refuse = [] } = policy.file.licences ?? {};
  if (warn.length + refuse.length === 0) return undefined;
  const findings = judgeLicences(policy, licencedPackages(app), now);
  for (const { level, project, version, reason } of findings)
    if (level === 'warn') onWarning(`${project} ${version}: ${reason} The package policy warns about it.`);
  const refused = findings.filter(({ level }) => level === 'refuse');
  return refused.length === 0 ? undefined : licenceRefused(refused, policy.file.contact);
}

function licencedPackages(app: Folder): readonly LicensedPackage[] {
  return sitePackages(app, '', 0).flatMap((site) =>
    app.list(site).flatMap(({ name: folder, kind }) => {
      if (kind !== 'directory' || !folder.endsWith('.dist-info')) return [];
      const path = `${site}/${folder}/METADATA`;
      if (!app.isFile(path)) return [];
      const { name, version = '', ...metadata } = parseCoreMetadata(app.readText(path, MOST_METADATA) ?? '');
      const { licenseExpression, license, licenseClassifiers } = metadata;
      const licence =
        licenseExpression ?? license ?? licenseClassifiers.filter((one) => one !== 'OSI Approved').join(' OR ');
      return name === undefined ? [] : [{ name, version, ...(licence !== '' && { licence }) }];
    }),
  );
}

function sitePackages(app: Folder, folder: string, depth: number): readonly string[] {
  if (depth > DEEPEST) return [];
  return app.list(folder === '' ? '.' : folder).flatMap(({ name, kind }) => {
    if (kind !== 'directory' || name === 'node_modules' || name === '.git') return [];
    const path = folder === '' ? name : `${folder}/${name}`;
    return name === 'site-packages' ? [path] : sitePackages(app, path, depth + 1);
  });
}

function licenceRefused(refused: readonly LicenceFinding[], contact: string | undefined): Failure {
  const lines = refused.slice(0, MOST_SHOWN).map(({ project, version, reason }) => `${project} ${version}: ${reason}`);
  const more = refused.length - lines.length;
  return {
    code: 'packages::refused',
    blame: 'app',
    title: `The package policy refuses the licence of ${refused.length === 1 ? refused[0]!.project : `${refused.length} packages`}`,
    detail: [...lines, ...(more > 0 ? [`... and ${more} more.`] : []), 'The rule is `licences`.'].join('\n'),
    remedy: `Use another package, or ask ${contact ?? 'the operator of the builder'} for a waiver.`,
  };
}
