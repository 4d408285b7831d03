import { expect } from 'chai';
import { outputsOf, sourceTimeOf } from '../../src/cli/output-options.js';
import type { Given } from '../../src/cli/command.js';
import type { World } from '../../src/cli/world.js';

describe('cli/output-options', () => {
  const worldWith = (env: Readonly<Record<string, string>> = {}) => ({ cwd: '/work', env }) as unknown as World;
  const of = (...output: readonly string[]) =>
    outputsOf({ values: (name: string) => (name === 'output' ? output : []) } as unknown as Given, worldWith());
  const outputs = (...output: readonly string[]) => {
    const read = of(...output);
    return read.ok ? read.value : expect.fail(read.failure.message);
  };
  const message = (output: string): string => {
    const read = of(output);
    return read.ok ? expect.fail('accepted') : read.failure.message;
  };

  it('reads folders, archives and images', () => {
    expect(outputs('dir=a', 'tar=b.tar', 'tar=/c.tgz', 'tar=x=y.tar.zst', 'oci=d')).to.deep.equal([
      { type: 'dir', path: '/work/a' },
      { type: 'tar', path: '/work/b.tar', compression: 'none' },
      { type: 'tar', path: '/c.tgz', compression: 'gzip' },
      { type: 'tar', path: '/work/x=y.tar.zst', compression: 'zstd' },
      { type: 'oci', path: '/work/d', compression: 'zstd' },
    ]);
  });

  it('reads the options of images', () => {
    expect(outputs('oci=i,base=b/layout:12,user=1000:100,compression=gzip', 'oci=j,base=/a:b/c')).to.deep.equal([
      {
        type: 'oci',
        path: '/work/i',
        compression: 'gzip',
        base: { layout: '/work/b/layout', ref: '12' },
        user: '1000:100',
      },
      { type: 'oci', path: '/work/j', compression: 'zstd', base: { layout: '/a:b/c' } },
    ]);
  });

  it('refuses what it does not know, and says why', () => {
    expect(message('image')).to.match(/needs a form and a path/);
    expect(message('oci=')).to.match(/needs a form and a path/);
    expect(message('oci=,base=x')).to.match(/needs a path/);
    expect(message('zip=a.zip')).to.match(/"zip" is no form/);
    expect(message('tar=a.tar.xz')).to.match(/must end in \.tar/);
    expect(message('oci=a,bse=b')).to.match(/"bse=b" is no option/);
    expect(message('oci=a,base=')).to.match(/"base=" is no option/);
    expect(message('oci=a,user=1,user=2')).to.match(/names user twice/);
    expect(message('oci=a,user=dyno')).to.match(/"dyno" is no number/);
    expect(message('oci=a,compression=xz')).to.match(/"xz" is no compression/);
  });

  it('reads SOURCE_DATE_EPOCH, and refuses what is no time', () => {
    const time = (text: string) => sourceTimeOf(worldWith({ SOURCE_DATE_EPOCH: text }));
    expect(time('')).to.deep.equal({ ok: true, value: undefined });
    expect(time('1700000000')).to.deep.equal({ ok: true, value: 1_700_000_000 });
    for (const text of ['now', '-1', '1.5', '99999999999']) expect(time(text).ok, text).to.equal(false);
  });
});
