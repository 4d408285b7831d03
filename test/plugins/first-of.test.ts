import { expect } from 'chai';
import { FirstOf } from '../../src/plugins/first-of/plugin.js';
import { PluginScene } from '../support/plugin-scene.js';

describe('plugins/first-of', () => {
  const scene = new PluginScene();
  after(() => scene.close());
  const run = async (candidates: readonly unknown[] | undefined) =>
    (await scene.play(new FirstOf(), {}, candidates === undefined ? {} : { candidates })).result;

  it('passes the only candidate on unchanged', async () => {
    for (const value of [['a', 'b'], 'text', false, 0]) {
      expect(await run([value])).to.deep.equal({ ok: true, value: { outputs: { tree: value } } });
    }
  });

  it('blames the app if every candidate was skipped', async () => {
    for (const none of [[], undefined]) {
      const result = await run(none);
      if (result.ok) throw new Error('expected a failure');
      expect(result.failure).to.include({ code: 'pipeline::no-candidate', blame: 'app' });
      expect(result.failure.title).to.include('node');
    }
  });

  it('blames the pipeline if several candidates ran', async () => {
    const result = await run(['a', 'a']);
    if (result.ok) throw new Error('expected a failure');
    expect(result.failure).to.include({ code: 'pipeline::several-candidates', blame: 'pipeline' });
  });

  it('reads nothing and writes nothing', async () => {
    const reads = await new FirstOf().reads();
    expect(reads).to.deep.equal({ ok: true, value: {} });
    expect(new FirstOf().manifest).to.include({ pure: true }).and.deep.include({ writes: [] });
  });
});
