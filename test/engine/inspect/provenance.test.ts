import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../../src/engine/events.js';
import { compareSlugs, compareWithRun } from '../../../src/engine/inspect/compare.js';
import { takeInventory, type Inventory } from '../../../src/engine/inspect/inventory.js';
import { preAuthEncoding, provenance, provenanceText } from '../../../src/engine/inspect/provenance.js';
import { spdx } from '../../../src/engine/inspect/spdx.js';
import { growthLines } from '../../../src/engine/render/inventory.js';
import { succeededReport } from '../../support/events.js';
import { SmallSlug } from '../../support/small-slug.js';

const by = { builder: 'big builder', pyflowVersion: '1.2.3' };

describe('inspect/provenance', () => {
  let slug: SmallSlug;
  const digestInMarker = () =>
    (JSON.parse(readFileSync(join(slug.dir, '.pyflow-slug.json'), 'utf8')) as { digest: string }).digest;
  const reportOf = (digest: string): RunReport => ({
    ...succeededReport,
    slug: { path: slug.dir, digest, files: 1, bytes: 2 },
  });
  async function inventoryOf(reports: readonly RunReport[] = [reportOf(digestInMarker())]): Promise<Inventory> {
    const { signal } = new AbortController();
    const taken = await takeInventory({ slugDir: slug.dir, reports, sourceDateEpoch: undefined, signal });
    if (!taken.ok) throw new Error(taken.failure.title);
    return taken.value;
  }

  beforeEach(() => {
    slug = new SmallSlug({ 'requirements.txt': 'shop\n' });
    slug.wheel('shop', '1.0', ['License: Our own', 'Requires-Dist: leaf']);
    slug.wheel('leaf', '1');
    slug.seal();
  });
  afterEach(() => slug.remove());

  it('names the tree and the files as subjects, whose digests can be computed again', async () => {
    const inventory = await inventoryOf();
    const made = provenance(inventory, by);
    const subjects = made.ok ? made.value.subject : [];
    const lines = readdirSync(slug.dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== '.pyflow-slug.json')
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => [path.slice(slug.dir.length + 1), readFileSync(path)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, bytes]) => `${createHash('sha256').update(bytes).digest('hex')}  ${path}\n`);
    const files = createHash('sha256').update(lines.join('')).digest('hex');
    expect(subjects.map(({ name, digest }) => [name, digest?.['sha256']])).to.deep.equal([
      ['tree', digestInMarker().slice(0, 64)],
      ['files', files],
    ]);
    expect(JSON.stringify(made)).to.contain('urn:pyflow:builder:big%20builder').and.to.contain('pkg:pypi/shop@1.0');
  });

  it('refuses a slug that changed since its run, and one without the record of a run', async () => {
    const codeOf = (inventory: Inventory) => {
      const made = provenance(inventory, by);
      return made.ok ? '' : made.failure.code;
    };
    expect(codeOf(await inventoryOf([]))).to.equal('inspect::no-run');
    writeFileSync(join(slug.dir, 'requirements.txt'), 'other\n');
    expect(codeOf(await inventoryOf())).to.equal('inspect::altered');
  });

  it('signs the statement so that the public key verifies it', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const file = join(slug.dir, 'sign.pem');
    const inventory = await inventoryOf();
    writeFileSync(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const made = provenance(inventory, by);
    const text = made.ok ? provenanceText(made.value, file) : made;
    const envelope = JSON.parse(text.ok ? text.value : '{}') as { payload: string; signatures: { sig: string }[] };
    const payload = Buffer.from(envelope.payload, 'base64');
    const signature = Buffer.from(envelope.signatures[0]?.sig ?? '', 'base64');
    expect(
      verify(
        undefined,
        preAuthEncoding(payload),
        createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
        signature,
      ),
    ).to.equal(true);
    expect(JSON.parse(payload.toString('utf8'))).to.include({ predicateType: 'https://slsa.dev/provenance/v1' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    writeFileSync(file, rsa.export({ type: 'pkcs8', format: 'pem' }));
    const refused = made.ok ? provenanceText(made.value, file) : made;
    expect(refused.ok ? '' : refused.failure.code).to.equal('inspect::unusable-key');
  });

  it('writes SPDX with a licence of the document for what is no expression, and the same bytes each time', async () => {
    const text = spdx(await inventoryOf(), '1');
    expect(spdx(await inventoryOf(), '1')).to.equal(text);
    const document = JSON.parse(text) as {
      packages: { licenseDeclared: string; externalRefs?: { referenceLocator: string }[] }[];
      hasExtractedLicensingInfos: { licenseId: string; name: string }[];
    };
    const [own] = document.hasExtractedLicensingInfos;
    expect(own?.name).to.equal('Our own');
    expect(
      document.packages.find(({ externalRefs }) => externalRefs?.[0]?.referenceLocator === 'pkg:pypi/shop@1.0')
        ?.licenseDeclared,
    ).to.equal(own?.licenseId);
  });

  it('says what grew against another slug, and what changed since a run', async () => {
    const before = await inventoryOf();
    slug.wheel('leaf', '1', [], { 'leaf/big.py': '#'.repeat(5000) });
    slug.wheel('more', '2');
    slug.seal();
    const now = await inventoryOf([]);
    const lines = growthLines(compareSlugs(now, before, 'old'));
    expect(lines[0]).to.match(/^leaf +1 +\+5\.\d kB$/);
    expect(lines[1]).to.match(/^more +added 2 +\+/);
    const report = reportOf('x');
    const node = { kind: 'k', outcome: 'executed', reasons: [], durationMs: 1 } as const;
    const nodes = { pip: { ...node, outputs: { packages: { leaf: '0.9', shop: '1.0' } } } };
    expect(compareWithRun(now, { ...report, nodes }).packages).to.deep.equal([
      { key: 'leaf', from: '0.9', to: '1' },
      { key: 'more', to: '2' },
    ]);
  });
});
