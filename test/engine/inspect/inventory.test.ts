import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { cycloneDX } from '../../../src/engine/inspect/cyclonedx.js';
import { takeInventory, type Inventory } from '../../../src/engine/inspect/inventory.js';
import { inventoryText } from '../../../src/engine/render/inventory.js';
import { SITE, SmallSlug } from '../../support/small-slug.js';

const slugs: SmallSlug[] = [];

const newSlug = (files: Readonly<Record<string, string>> = { 'requirements.txt': 'shop\n' }): SmallSlug => {
  const slug = new SmallSlug(files);
  slugs.push(slug);
  return slug;
};

const request = (slug: SmallSlug) => ({
  slugDir: slug.dir,
  reports: [],
  sourceDateEpoch: undefined,
  signal: new AbortController().signal,
});

async function inventoryOf(slug: SmallSlug): Promise<Inventory> {
  const taken = await takeInventory(request(slug));
  if (!taken.ok) throw new Error(taken.failure.title);
  return taken.value;
}

const packageIn = (inventory: Inventory, key: string) => {
  const found = inventory.packages.find((one) => one.key === key);
  if (found === undefined) throw new Error(`no package ${key}`);
  return found;
};

describe('inspect/inventory', () => {
  afterEach(() => {
    for (const slug of slugs.splice(0)) slug.remove();
  });

  it('lists packages with version, licence, size, and the path that brought them', async () => {
    const slug = newSlug();
    slug.wheel('shop', '1.0', ['License-Expression: MIT', 'Requires-Dist: Big_Lib>=2; python_version >= "3.9"']);
    slug.wheel('big_lib', '2.1', ['License: BSD', 'Requires-Dist: leaf', 'Requires-Dist: gone; python_version < "3"']);
    slug.wheel('leaf', '0.1', ['Classifier: License :: OSI Approved :: MIT License']);
    const inventory = await inventoryOf(slug.seal());
    expect(inventory.packages.map(({ key, version, via }) => [key, version, via])).to.deep.equal([
      ['big-lib', '2.1', ['shop']],
      ['leaf', '0.1', ['shop', 'big-lib']],
      ['shop', '1.0', []],
    ]);
    expect(inventory.python).to.include({ version: '3.13.7', machine: 'x86_64', path: '.scalingo/python' });
    expect(packageIn(inventory, 'big-lib').needs).to.deep.equal([
      { text: 'leaf', name: 'leaf', specifier: '', installed: '0.1', isMet: true },
    ]);
    expect(packageIn(inventory, 'shop')).to.deep.include({
      asked: true,
      installer: 'pip',
      mismatches: [],
      problems: [],
    });
    expect(inventory.slug.altered).to.deep.equal([]);
    const text = inventoryText(inventory);
    expect(text).to.match(/^ {2}leaf 0\.1 +\d+ B +<- big-lib <- shop$/m);
    expect(text).to.contain('MIT License  1  leaf');
  });

  it('accounts for every file once', async () => {
    const slug = newSlug({ 'requirements.txt': '', 'app.py': 'pass\n', [`${SITE}/stray.py`]: 'pass\n' });
    slug.wheel('one', '1');
    slug.write(`${SITE}/one/__pycache__/__init__.cpython-313.pyc`, 'bytecode');
    const { slug: all, python, packages, unowned, app } = await inventoryOf(slug.seal());
    expect(unowned).to.include({ files: 1, bytes: 5 });
    expect(app.files).to.equal(2);
    expect(packages[0]?.files).to.equal(5);
    const parts = [python, unowned, app, ...packages];
    expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).to.equal(all.bytes);
    expect(parts.reduce((sum, { files }) => sum + files, 0)).to.equal(all.files);
  });

  it('says which files differ from the RECORD and from what the run wrote', async () => {
    const slug = newSlug();
    slug.wheel('one', '1', [], { 'one/b.py': 'b\n', 'one/c.py': 'c\n' });
    const record = `${SITE}/one-1.dist-info/RECORD`;
    slug.write(record, `${readFileSync(join(slug.dir, record), 'utf8')}../../../../../../etc/passwd,,\n`);
    slug.seal();
    writeFileSync(join(slug.dir, SITE, 'one/b.py'), 'B\n');
    writeFileSync(join(slug.dir, SITE, 'one/c.py'), 'longer\n');
    const inventory = await inventoryOf(slug);
    expect(inventory.slug.altered).to.deep.equal([`${SITE}/one/b.py`, `${SITE}/one/c.py`]);
    expect(packageIn(inventory, 'one').mismatches).to.deep.equal([
      { path: `${SITE}/one/b.py`, problem: 'digest' },
      { path: `${SITE}/one/c.py`, problem: 'size' },
      { path: '../../../../../../etc/passwd', problem: 'outside' },
    ]);
  });

  it('names requirements that are missing or that another version is installed for', async () => {
    const slug = newSlug();
    slug.wheel('shop', '1', ['Requires-Dist: leaf>=2', 'Requires-Dist: gone', 'Requires-Dist: dev; extra == "test"']);
    slug.wheel('leaf', '1');
    const text = inventoryText(await inventoryOf(slug.seal()));
    expect(text).to.contain('  shop: it requires leaf>=2, but 1 is installed\n');
    expect(text).to.contain('  shop: it requires gone, but nothing is installed\n');
    expect(text).to.not.contain('requires dev');
  });

  it('notices that the marker itself was edited', async () => {
    const slug = newSlug();
    slug.wheel('one', '1');
    slug.seal();
    const marker = JSON.parse(readFileSync(join(slug.dir, '.pyflow-slug.json'), 'utf8')) as { digest: string };
    slug.write(`${SITE}/more.py`, 'pass\n');
    slug.seal();
    const sealed = JSON.parse(readFileSync(join(slug.dir, '.pyflow-slug.json'), 'utf8')) as object;
    slug.write('.pyflow-slug.json', JSON.stringify({ ...sealed, digest: marker.digest }));
    expect((await inventoryOf(slug)).slug.altered).to.deep.equal(['.pyflow-slug.json']);
  });

  it('attributes packages of an extra to the package that has it', async () => {
    const slug = newSlug();
    slug.wheel('shop', '1', ['Requires-Dist: server[fast]']);
    slug.wheel('server', '1', ['Requires-Dist: loop; extra == "fast"', 'Requires-Dist: other; extra == "slow"']);
    slug.wheel('loop', '1');
    const server = packageIn(await inventoryOf(slug.seal()), 'server');
    expect(server.needs.map(({ name, extra }) => [name, extra])).to.deep.equal([['loop', 'fast']]);
  });

  it('lists circles, two versions of a package, eggs, and packages without metadata', async () => {
    const slug = newSlug();
    slug.wheel('a', '1', ['Requires-Dist: b']);
    slug.wheel('b', '1', ['Requires-Dist: a']);
    slug.wheel('b', '2');
    slug.write(`${SITE}/broken-3.dist-info/INSTALLER`, 'pip');
    slug.write(`${SITE}/old-1.0-py3.13.egg-info/PKG-INFO`, 'Name: old\nVersion: 1.0\n');
    slug.write(`${SITE}/old-1.0-py3.13.egg-info/requires.txt`, 'a\n\n[x]\nb\n');
    slug.write('lib/linked.egg-info/PKG-INFO', 'Name: linked\nVersion: 2\n');
    slug.write(`${SITE}/__editable__.linked.pth`, '/app/lib\nimport sys\n');
    const { packages } = await inventoryOf(slug.seal());
    expect(packages.map(({ key, version }) => `${key} ${version}`)).to.deep.equal([
      'a 1',
      'b 1',
      'b 2',
      'broken ',
      'linked 2',
      'old 1.0',
    ]);
    expect(packages.find(({ key }) => key === 'broken')?.problems).to.deep.equal([
      'it has no METADATA',
      'it has no RECORD',
    ]);
  });

  it('shows no control characters of a package', async () => {
    const slug = newSlug();
    slug.wheel('evil', '1', ['License: \u001b[2J\u001b]0;title\u0007MIT\u202e']);
    const text = inventoryText(await inventoryOf(slug.seal()));
    for (const control of ['\u001b', '\u0007', '\u202e']) expect(text).to.not.contain(control);
    expect(text).to.contain('MIT');
  });

  it('follows no link out of the slug', async () => {
    const slug = newSlug();
    slug.link(`${SITE}/leak-1.dist-info`, '/etc');
    slug.link(`${SITE}/half-1.dist-info/METADATA`, '/etc/passwd');
    const { packages } = await inventoryOf(slug.seal());
    expect(packages.map(({ key }) => key)).to.deep.equal(['half']);
    expect(packages[0]?.problems.join()).to.contain('METADATA is unreadable');
  });

  it('fails for a folder that is no slug', async () => {
    const slug = newSlug();
    const taken = await takeInventory(request(slug));
    expect(taken.ok ? '' : taken.failure.code).to.equal('slug::not-a-slug');
    const missing = await takeInventory({ ...request(slug), slugDir: `${slug.dir}/none` });
    expect(missing.ok ? '' : missing.failure.code).to.equal('slug::not-found');
  });
});

describe('inspect/cyclonedx', () => {
  afterEach(() => {
    for (const slug of slugs.splice(0)) slug.remove();
  });

  it('writes a document that the schema of CycloneDX 1.6 accepts, with the same bytes each time', async () => {
    const slug = newSlug();
    slug.wheel('shop', '1.0+local', ['License-Expression: mit or Apache-2.0', 'Requires-Dist: leaf']);
    slug.wheel('leaf', '1!0.1', ['License: Some licence of ours']);
    const inventory = await inventoryOf(slug.seal());
    const text = cycloneDX(inventory, '1.2.3');
    expect(cycloneDX(await inventoryOf(slug), '1.2.3')).to.equal(text);
    const bom = JSON.parse(text) as {
      components: { name: string; purl: string; licenses?: object }[];
      dependencies: { ref: string; dependsOn?: string[] }[];
    };
    validateCycloneDX(bom);
    expect(bom.components.map(({ purl, licenses }) => [purl, licenses])).to.deep.include.members([
      ['pkg:pypi/leaf@1%210.1', [{ license: { name: 'Some licence of ours' } }]],
      ['pkg:pypi/shop@1.0%2Blocal', [{ expression: 'MIT OR Apache-2.0' }]],
      ['pkg:generic/python@3.13.7', undefined],
    ]);
    const shop = bom.dependencies.find(({ ref }) => ref.startsWith('pkg:pypi/shop'));
    expect(shop?.dependsOn?.[0]).to.match(/^pkg:pypi\/leaf/);
  });
});

function validateCycloneDX(bom: object): void {
  const resolve = createRequire(import.meta.url).resolve;
  const folder = join(resolve('@cyclonedx/cyclonedx-library/package.json'), '../res/schema');
  const read = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as object;
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  for (const name of ['spdx', 'jsf-0.82', 'cryptography-defs']) {
    const file = `${name}.SNAPSHOT.schema.json`;
    ajv.addSchema({ ...read(file), $id: `http://cyclonedx.org/schema/${file}` });
  }
  ajv.validate(read('bom-1.6.SNAPSHOT.schema.json'), bom);
  expect(ajv.errors ?? []).to.deep.equal([]);
}
