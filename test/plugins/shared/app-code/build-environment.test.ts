import { expect } from 'chai';
import { buildEnvironment } from '../../../../src/plugins/shared/app-code/build-environment.js';
import { memoryView, type MemoryViewOptions } from '../../../support/memory-view.js';
import { nodeContext } from '../../../support/node-context.js';

const environment = (options: MemoryViewOptions = {}, env: Readonly<Record<string, string>> = {}) =>
  buildEnvironment({ ...nodeContext({}, memoryView({}, options)), env }, { vendorDir: '.scalingo', envDir: '/env' });

describe('plugins/shared/app-code/build-environment', () => {
  it('[setup.build-env-lang] sets the language unless the app has one', () => {
    expect(environment({}, { LANG: 'C.UTF-8' })).to.include({ LANG: 'en_US.UTF-8' });
    expect(environment({ env: { LANG: 'fr_FR.UTF-8' } })).to.include({ LANG: 'fr_FR.UTF-8' });
  });

  it('[setup.build-env-path] [setup.build-env-include-paths] [setup.build-env-library-paths] puts Python before the folders that are already set', () => {
    const names = ['PATH', 'C_INCLUDE_PATH', 'CPLUS_INCLUDE_PATH', 'LIBRARY_PATH', 'LD_LIBRARY_PATH'] as const;
    const python = '/app/.scalingo/python';
    const wanted = [`${python}/bin`, `${python}/include`, `${python}/include`, `${python}/lib`, `${python}/lib`];
    const alone = environment();
    expect(names.map((name) => alone[name])).to.deep.equal(wanted);
    const before = environment({}, Object.fromEntries(names.map((name) => [name, '/a:/b'])));
    expect(names.map((name) => before[name])).to.deep.equal(wanted.map((path) => `${path}:/a:/b`));
  });

  it('adds the pkg-config folder of Python', () => {
    expect(environment({}, { PKG_CONFIG_PATH: '/a' })).to.include({
      PKG_CONFIG_PATH: '/app/.scalingo/python/lib/pkgconfig:/a',
    });
  });

  it('[userenv.denylist] lets the app override all other variables, but none of the denied ones', () => {
    const env = { PYTHONUNBUFFERED: '', CACHE_DIR: '/mine', PATH: '/evil', LIBRARY_PATH: '/evil' };
    expect(environment({ env })).to.include({
      PYTHONUNBUFFERED: '',
      CACHE_DIR: '/mine',
      ENV_DIR: '/env',
      PATH: '/app/.scalingo/python/bin',
      LIBRARY_PATH: '/app/.scalingo/python/lib',
    });
  });

  it('[test-compile.mode] [test-compile.locale] sets the variables of the test mode', () => {
    const told = { INSTALL_TEST: '1', DISABLE_COLLECTSTATIC: '1', LC_ALL: 'C.UTF-8', LANG: 'en_US.UTF-8' };
    expect(environment({ mode: 'test' })).to.include(told);
    expect(environment()).not.to.have.any.keys('INSTALL_TEST', 'DISABLE_COLLECTSTATIC', 'LC_ALL');
  });
});
