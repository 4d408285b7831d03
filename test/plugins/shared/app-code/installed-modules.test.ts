import { expect } from 'chai';
import { isModuleAvailable } from '../../../../src/plugins/shared/app-code/installed-modules.js';
import { memoryView } from '../../../support/memory-view.js';

const SITE = '.scalingo/python/lib/python3.13/site-packages';
const PYTHON = { [`${SITE}/README.txt`]: '' };
const available = (files: Readonly<Record<string, string>>, root = '.') =>
  isModuleAvailable(memoryView({ ...PYTHON, ...files }), { vendorDir: '.scalingo', root }, 'django');

describe('plugins/shared/app-code/installed-modules', () => {
  const FINDER =
    "MAPPING: dict[str, str] = {'django': '/app/lib/django', 'other': '/app/lib/other'}\nNAMESPACES = {}\n";
  const found: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'a package': { [`${SITE}/django/__init__.py`]: '' },
    'a namespace package': { [`${SITE}/django/conf/x.py`]: '' },
    'a module of one file': { [`${SITE}/django.py`]: '' },
    'an editable checkout': {
      [`${SITE}/django.pth`]: '../../../src/django\n',
      '.scalingo/python/src/django/django/__init__.py': '',
    },
    'an editable folder of the app': {
      [`${SITE}/x.pth`]: '# x\n../../../../../vendor/dj\n',
      'vendor/dj/django/__init__.py': '',
    },
    'an editable root': { [`${SITE}/x.pth`]: '/app\n', 'django/__init__.py': '' },
    'a path below /app': { [`${SITE}/x.pth`]: '/app/lib\r\n', 'lib/django.py': '' },
    'a finder of setuptools': { [`${SITE}/__editable___django_5_finder.py`]: FINDER },
    'a package in the root': { 'django/__init__.py': '' },
  };
  for (const [what, files] of Object.entries(found)) {
    it(`[util.module-probe] finds ${what}`, async () => {
      expect(await available(files)).to.equal(true);
    });
  }

  const missed: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    'only its metadata': { [`${SITE}/django-5.2.dist-info/METADATA`]: '' },
    'a folder of templates in the root': { 'django/base.html': '' },
    'a .pth line of code': {
      [`${SITE}/x.pth`]: "import sys; sys.path.append('../../../src')\n",
      '.scalingo/python/src/django.py': '',
    },
    'a .pth line with a path outside the app': { [`${SITE}/x.pth`]: '../../../../../..\n/usr/lib\n', 'django.py2': '' },
    'a finder for another module': {
      [`${SITE}/__editable___other_1_finder.py`]: FINDER.replace("'django'", "'djang'"),
    },
    'a finder that has the name elsewhere': {
      [`${SITE}/__editable___other_1_finder.py`]: "MAPPING = {}\nX = {'django': 1}\n",
    },
  };
  for (const [what, files] of Object.entries(missed)) {
    it(`[util.module-probe] ignores ${what}`, async () => {
      expect(await available(files)).to.equal(false);
    });
  }

  it('looks in the given root', async () => {
    expect(await available({ 'django/__init__.py': '' }, 'web')).to.equal(false);
    expect(await available({ 'web/django/__init__.py': '' }, 'web')).to.equal(true);
  });

  it('finds nothing without a Python', async () => {
    const view = memoryView({ 'django/__init__.py': '' });
    expect(await isModuleAvailable(view, { vendorDir: '.scalingo', root: '.' }, 'django')).to.equal(false);
  });
});
