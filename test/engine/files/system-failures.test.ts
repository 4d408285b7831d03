import { expect } from 'chai';
import { argumentsTooLarge } from '../../../src/engine/process/failures.js';
import { unreadableFile } from '../../../src/engine/files/file-failures.js';
import { spawnCommand } from '../../../src/engine/process/command.js';
import { scarcityFailure, systemFailure, unreadableBelow } from '../../../src/engine/files/system-failures.js';

const errorOf = (code: string, path?: string): Error =>
  Object.assign(new Error(`${code}: it says why, open '${path ?? ''}'`), { code, ...(path !== undefined && { path }) });

describe('engine/files/system-failures', () => {
  it('names the limit, blames the environment, and says how to raise the limit', () => {
    const found = ['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM', 'ENOSPC', 'EDQUOT', 'EFBIG', 'EROFS', 'EIO'].map((code) => {
      const failure = systemFailure(errorOf(code));
      expect(failure?.blame, code).to.equal('environment');
      return [code, failure?.code.replace('environment::', '')];
    });
    expect(Object.fromEntries(found)).to.deep.equal({
      EMFILE: 'too-many-open-files',
      ENFILE: 'too-many-open-files',
      EAGAIN: 'no-resources',
      ENOMEM: 'no-resources',
      ENOSPC: 'disk-full',
      EDQUOT: 'disk-full',
      EFBIG: 'file-size-limit',
      EROFS: 'read-only',
      EIO: 'file-system',
    });
    expect(systemFailure(errorOf('EMFILE'))?.remedy).to.include('ulimit -n');
  });

  it('does not mistake a bug for a limit', () => {
    for (const error of [new TypeError('x'), errorOf('ERR_INVALID_ARG_TYPE'), undefined, null, 'EMFILE']) {
      expect(scarcityFailure(error)).to.equal(undefined);
    }
  });

  it('does not blame the app if a limit made its file unreadable', () => {
    expect(unreadableFile('x', errorOf('EMFILE')).code).to.equal('environment::too-many-open-files');
    expect(unreadableFile('x', errorOf('EACCES')).code).to.equal('app::unreadable-file');
  });

  it('blames the app for unreadable files that a command left in the folder of its node, and for nothing else', () => {
    const codes = ['EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG'];
    for (const code of codes) {
      expect(unreadableBelow('/run/0-x', errorOf(code, '/run/0-x/app/lib/f'))).to.include({
        code: 'app::unreadable-file',
        blame: 'app',
        title: "A file can't be read: lib/f",
      });
    }
    for (const path of ['/run/0-x', '/run/0-xy/app', '/run', undefined]) {
      expect(unreadableBelow('/run/0-x', errorOf('EACCES', path)), path ?? 'none').to.equal(undefined);
    }
    expect(unreadableBelow('/run/0-x', errorOf('ENOSPC', '/run/0-x/app/f'))).to.equal(undefined);
  });

  it('reports how large the arguments of a command are that does not start', async () => {
    const long = 'x'.repeat(200_000);
    const options = { cwd: '/', onLine: () => {}, signals: [] };
    for (const [argv, env] of [
      [['/bin/echo', long], {}],
      [['/bin/echo'], { LONG: long }],
    ] as const) {
      const started = await spawnCommand(argv, { ...options, env });
      expect(!started.ok && started.failure).to.include({ code: 'command::arguments-too-large', blame: 'app' });
    }
    expect(argumentsTooLarge(['x'], { LONG: long, SHORT: '' }).detail).to.include('LONG with 200006 bytes');
  });
});
