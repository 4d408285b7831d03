import 'reflect-metadata';
import { expect } from 'chai';
import { InstallProjectUv } from '../../src/plugins/install-project-uv/plugin.js';
import { PluginHarness } from '../support/plugin-harness.js';
import { memoryView } from '../support/memory-view.js';
import { nodeContext } from '../support/node-context.js';

const PROJECT = '[project]\nname = "shop"\nversion = "0.1.0"\n';
const locked = (name: string, source: string): string =>
  `[[package]]\nname = "${name}"\nversion = "1.0"\nsource = ${source}\n`;
const NODE = {
  config: { vendorDir: '.scalingo', root: '.' },
  inputs: { dependencies: '', packages: { a: '1.0' }, uv: '' },
};

describe('plugins/install-project-uv', () => {
  const harness = new PluginHarness();
  after(() => harness.close());
  const kind = () => new InstallProjectUv(harness);

  it('only passes on its inputs if the app is not a package', async () => {
    const view = memoryView({ 'pyproject.toml': PROJECT, 'uv.lock': locked('shop', '{ virtual = "." }') });
    const reads = await kind().reads(NODE, view);
    expect(reads).to.deep.equal({ ok: true, value: { facts: { locals: [] }, pure: true } });
    const done = await kind().run(NODE, nodeContext({ locals: [] }, view));
    expect(done).to.deep.equal({ ok: true, value: { outputs: { packages: { a: '1.0' } } } });
  });

  it('reads the whole app if that is a package', async () => {
    const view = memoryView({ 'pyproject.toml': PROJECT, 'uv.lock': locked('shop', '{ editable = "." }') });
    const reads = await kind().reads(NODE, view);
    expect(reads.ok && reads.value.files).to.include('**');
    expect(reads.ok && reads.value.scope).to.equal('app');
  });

  it('reads the folders of packages in the app, but no other sources', async () => {
    const view = memoryView({
      'pyproject.toml': PROJECT,
      'uv.lock':
        locked('shop', '{ virtual = "." }') +
        locked('lib', '{ directory = "libs/lib" }') +
        locked('made', '{ path = "made-1.0-py3-none-any.whl" }'),
      'libs/lib/pyproject.toml': '[project]\nname = "lib"\n',
      'made-1.0-py3-none-any.whl': '',
    });
    const reads = await kind().reads(NODE, view);
    expect(reads.ok && reads.value.files).to.include.members(['libs/lib/**', 'made-1.0-py3-none-any.whl']);
    expect(reads.ok && reads.value.files).not.to.include('**');
  });
});
