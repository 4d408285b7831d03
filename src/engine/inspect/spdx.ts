// Writes an inventory as SPDX 2.3 in JSON. The same inventory gives the same bytes.

import { SPDX } from './cyclonedx-library.js';
import type { Inventory, InventoryPackage } from './inventory.js';
import { licenseText } from './license-name.js';
import { debianUrl, genericUrl, pypiUrl } from './package-url.js';
import { spdxExpression } from './spdx-expression.js';
import { sha256Hex } from '../files/digest.js';
import { uuidOf } from './uuid.js';

interface SpdxPackage {
  readonly SPDXID: string;
  readonly name: string;
  readonly versionInfo?: string;
  readonly downloadLocation: string;
  readonly filesAnalyzed: false;
  readonly primaryPackagePurpose: 'APPLICATION' | 'LIBRARY' | 'FRAMEWORK';
  readonly licenseConcluded: 'NOASSERTION';
  readonly licenseDeclared: string;
  readonly copyrightText: 'NOASSERTION';
  readonly checksums?: readonly { readonly algorithm: 'SHA256'; readonly checksumValue: string }[];
  readonly externalRefs?: readonly object[];
  readonly comment?: string;
}

interface Relationship {
  readonly spdxElementId: string;
  readonly relatedSpdxElement: string;
  readonly relationshipType: 'DESCRIBES' | 'DEPENDS_ON' | 'CONTAINS';
}

const UNKNOWN = 'NOASSERTION';
const DOCUMENT = 'SPDXRef-DOCUMENT';
const APP = 'SPDXRef-app';
/** SPDX 2.3 demands a time. This one says that none is known. */
const NO_TIME = '1980-01-01T00:00:00Z';

export function spdx(inventory: Inventory, pyflowVersion: string): string {
  const licenses = new Map<string, string>();
  const ids = inventory.packages.map(({ key, version, path }) => idOf('package', `${key}-${version}`, path));
  const system = inventory.system.map((one) => ({
    ...one,
    id: idOf('system', `${one.name}-${one.version}`, one.source),
  }));
  const uuid = uuidOf(`spdx ${inventory.slug.digest}`);
  const document = {
    spdxVersion: 'SPDX-2.3',
    dataLicense: 'CC0-1.0',
    SPDXID: DOCUMENT,
    name: inventory.run?.appId ?? 'app',
    documentNamespace: `https://spdx.org/spdxdocs/pyflow-${uuid}`,
    creationInfo: {
      created: inventory.time?.replace(/\.\d+Z$/, 'Z') ?? NO_TIME,
      creators: [`Tool: pyflow-${pyflowVersion}`],
    },
    packages: [
      appPackage(inventory),
      {
        ...packageWith(
          'SPDXRef-python',
          'python',
          inventory.python.version,
          genericUrl('python', inventory.python.version),
        ),
        primaryPackagePurpose: 'FRAMEWORK' as const,
        comment: contentComment(inventory.python.path, inventory.python.content),
      },
      ...inventory.packages.map((one, index) => pythonPackage(one, ids[index] ?? '', licenses)),
      ...system.map(({ id, name, version, source }) =>
        packageWith(
          id,
          name,
          version,
          source === 'distribution' ? debianUrl(name, version) : genericUrl(name, version),
        ),
      ),
    ],
    hasExtractedLicensingInfos: [...licenses].map(([text, licenseId]) => ({
      licenseId,
      name: text,
      extractedText: text,
    })),
    relationships: relationshipsOf(inventory, ids, ['SPDXRef-python', ...system.map(({ id }) => id)]),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** Letters, digits, dots and hyphens, and distinct for each metadata folder. */
const idOf = (kind: string, name: string, place: string): string =>
  `SPDXRef-${kind}-${name.replace(/[^A-Za-z0-9.-]/g, '-').slice(0, 100)}-${sha256Hex(place).slice(0, 8)}`;

const contentComment = (path: string, content: string): string =>
  `Files of ${path}: sha256sum lines have SHA-256 ${content}.`;

const packageWith = (id: string, name: string, version: string, purl: string): SpdxPackage => ({
  SPDXID: id,
  name,
  ...(version !== '' && { versionInfo: version }),
  downloadLocation: UNKNOWN,
  filesAnalyzed: false,
  primaryPackagePurpose: 'LIBRARY',
  licenseConcluded: UNKNOWN,
  licenseDeclared: UNKNOWN,
  copyrightText: UNKNOWN,
  externalRefs: [{ referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: purl }],
});

function appPackage({ slug, run }: Inventory): SpdxPackage {
  const { externalRefs: _, ...app } = packageWith(APP, run?.appId ?? 'app', slug.digest.slice(0, 12), '');
  return {
    ...app,
    primaryPackagePurpose: 'APPLICATION',
    comment: `Slug ${slug.digest}. ${contentComment('/', slug.content)}`,
  };
}

function pythonPackage(one: InventoryPackage, id: string, licenses: Map<string, string>): SpdxPackage {
  const { directUrl } = one;
  const sha256 = directUrl?.hashes['sha256'];
  return {
    ...packageWith(id, one.name, one.version, pypiUrl(one)),
    downloadLocation: locationOf(one),
    licenseDeclared: licenseOf(one, licenses),
    ...(sha256?.length === 64 && { checksums: [{ algorithm: 'SHA256', checksumValue: sha256 }] }),
    comment: contentComment(one.path, one.content),
  };
}

const WEB = /^https?:\/\/[A-Za-z0-9.:[\]-]+\/[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*$/;

function locationOf({ directUrl }: InventoryPackage): string {
  if (directUrl === undefined || !WEB.test(directUrl.url)) return UNKNOWN;
  return directUrl.commit === undefined ? directUrl.url : `git+${directUrl.url}@${directUrl.commit}`;
}

/** What is no expression becomes a licence of the document. */
function licenseOf({ license }: InventoryPackage, licenses: Map<string, string>): string {
  const text = licenseText(license);
  if (text === undefined) return UNKNOWN;
  const known = SPDX.fixupSpdxId(text) ?? spdxExpression(text);
  // An expression with a reference would need the text of that licence too.
  if (known !== undefined && !known.includes('LicenseRef-')) return known;
  const id = licenses.get(text) ?? `LicenseRef-pyflow-${sha256Hex(text).slice(0, 16)}`;
  licenses.set(text, id);
  return id;
}

function relationshipsOf(
  { packages }: Inventory,
  ids: readonly string[],
  others: readonly string[],
): readonly Relationship[] {
  const byKey = new Map(packages.map(({ key }, index) => [key, ids[index] ?? '']));
  const relate = (from: string, type: Relationship['relationshipType'], to: string): Relationship => ({
    spdxElementId: from,
    relatedSpdxElement: to,
    relationshipType: type,
  });
  return [
    relate(DOCUMENT, 'DESCRIBES', APP),
    ...[...others, ...ids].map((id) => relate(APP, 'CONTAINS', id)),
    ...packages.flatMap(({ needs }, index) => {
      const from = ids[index] ?? '';
      const needed = new Set(needs.map(({ name }) => byKey.get(name)).filter((to) => to !== undefined && to !== from));
      return [...needed].map((to) => relate(from, 'DEPENDS_ON', to ?? ''));
    }),
  ];
}
