// The failures for recorded logs of the four managers, in test/fixtures/install-logs.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import * as fc from 'fast-check';
import type { Failure } from '../../../../src/engine/sdk.js';
import { pipFailed } from '../../../../src/plugins/install-deps-pip/failures.js';
import { pipenvFailed } from '../../../../src/plugins/install-deps-pipenv/failures.js';
import { buildCauses } from '../../../../src/plugins/shared/logs/build-log.js';
import { gitTrouble } from '../../../../src/plugins/shared/logs/git-trouble.js';
import { poetryFailed } from '../../../../src/plugins/shared/poetry/failures.js';
import { pythonMiss } from '../../../../src/plugins/shared/logs/python-misses.js';
import { pathsShower, type ShownPlace } from '../../../../src/plugins/shared/logs/shown-paths.js';
import { uvFailed } from '../../../../src/plugins/shared/uv/failures.js';

const RUN = '/dev/shm/pyflow-run-20261129T203123Z-0a1b2c3d/files/7';
const SANDBOX: ShownPlace = {
  appDir: `${RUN}/view`,
  scratchDir: `${RUN}/scratch`,
  cacheDir: '/cache/keep/1',
  givenDir: `${RUN}/given`,
  paths: {
    app: '/app',
    scratch: '/tmp',
    cache: '/var/cache/pyflow',
    given: '/opt/pyflow/given',
    tools: { pip: '/opt/pyflow/tools/pip' },
  },
};
const PLAIN: ShownPlace = {
  ...SANDBOX,
  paths: { app: `${RUN}/view`, scratch: `${RUN}/scratch`, cache: '/cache/keep/1', given: `${RUN}/given`, tools: {} },
};

const linesOf = (name: string): readonly string[] =>
  readFileSync(new URL(`../../../fixtures/install-logs/${name}.txt`, import.meta.url), 'utf8').split('\n');

function failureOf(name: string): Failure {
  const exit = { exitCode: 1, lines: linesOf(name) };
  const where = { place: SANDBOX, minor: '3.11' };
  if (name.startsWith('pip-with-uv-')) return pipFailed('uv', 'pip install', exit, [], where);
  if (name.startsWith('pip-')) return pipFailed('pip', 'pip install', exit, [], where);
  if (name.startsWith('uv-')) return uvFailed('uv sync', exit, where);
  if (name.startsWith('poetry-')) return poetryFailed('poetry sync', exit, where);
  return pipenvFailed('pipenv install', exit, { lines: [], failedBuild: [] }, where);
}
const firstLine = ({ detail }: Failure): string => detail.split('\n')[0] ?? '';

describe('plugins/shared/logs/install-failures', () => {
  describe('a build that fails', () => {
    const CAUSES: Readonly<Record<string, string>> = {
      'pip-broken': 'RuntimeError: The headers of libfrob 3.1 were not found: install libfrob-dev',
      'pip-broken-e': 'RuntimeError: The headers of libfrob 3.1 were not found: install libfrob-dev',
      'pip-setup': "FileNotFoundError: [Errno 2] No such file or directory: 'pg_config_missing'",
      'pip-c': 'cext.c:1:10: fatal error: nothere/foo.h: No such file or directory',
      'pip-with-uv-c': 'cext.c:1:10: fatal error: nothere/foo.h: No such file or directory',
      'pipenv-broken': 'RuntimeError: The headers of libfrob 3.1 were not found: install libfrob-dev',
      'poetry-broken': 'RuntimeError: The headers of libfrob 3.1 were not found: install libfrob-dev',
      'uv-broken': 'RuntimeError: The headers of libfrob 3.1 were not found: install libfrob-dev',
    };
    for (const [name, cause] of Object.entries(CAUSES)) {
      it(`begins the detail with the last line of the exception or the error of a compiler: ${name}`, () => {
        const failure = failureOf(name);
        expect(failure.blame).to.equal('app');
        expect(firstLine(failure)).to.equal(cause);
        expect(failure.remedy).not.to.include('shows which package');
        if (!name.includes('-c')) expect(failure.detail).to.match(/broken|old/);
        expect(failure.detail).not.to.match(/lines of output|No available output|file:\/\/|\/tmp|Traceback/);
      });
    }

    it('shows the last of several exceptions, with all lines of its message', () => {
      const log = (...lines: string[]): readonly string[] => [
        '  ╰─> [9 lines of output]',
        ...lines.map((line) => `      ${line}`),
        '      [end of output]',
        'error: metadata-generation-failed',
      ];
      const first = ['Traceback (most recent call last):', '  File "a.py", line 1, in <module>', 'KeyError: 1'];
      expect(buildCauses(log(...first))).to.deep.equal(['KeyError: 1']);
      const second = [
        '',
        'During handling of the above exception, another exception occurred:',
        '',
        'Traceback (most recent call last):',
        '  File "b.py", line 2, in <module>',
        '    raise distutils.errors.CompileError(',
        'distutils.errors.CompileError:',
        '  The compiler is missing.',
        '  Install gcc.',
      ];
      expect(buildCauses(log(...first, ...second))).to.deep.equal([
        'distutils.errors.CompileError:',
        'The compiler is missing.',
        'Install gcc.',
      ]);
    });

    it('reads output without an exception', () => {
      const pip = (...lines: string[]): readonly string[] =>
        buildCauses(['  ╰─> [4 lines of output]', ...lines, '      [end of output]']);
      expect(
        pip('      running egg_info', '      Error: pg_config executable not found.', '', '      See the docs.'),
      ).to.deep.equal(['Error: pg_config executable not found.']);
      expect(pip('      preparing', '      no compiler for this')).to.deep.equal(['no compiler for this']);
      expect(pip('      CMake Error at CMakeLists.txt:3 (project):', '      ninja: build stopped')).to.deep.equal([
        'CMake Error at CMakeLists.txt:3 (project):',
      ]);
      expect(pip("      error: can't find Rust compiler")).to.deep.equal(["error: can't find Rust compiler"]);
      expect(buildCauses(['ERROR: No matching distribution found for x'])).to.deep.equal([]);
    });

    it('accepts any log', () => {
      const word = fc.constantFrom(
        'Traceback (most recent call last):',
        'A: b',
        '  File "x"',
        '[end of output]',
        '',
        '  ╰─> [2 lines of output]',
        '[stderr]',
      );
      const line = fc
        .tuple(fc.constantFrom('', '  ', '      '), fc.oneof(word, fc.string()))
        .map((parts) => parts.join(''));
      fc.assert(
        fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
          for (const cause of buildCauses(lines)) expect(lines.map((text) => text.trim())).to.include(cause);
          pythonMiss(lines);
          gitTrouble(lines);
        }),
      );
    });
  });

  describe('a package that does not support this Python', () => {
    const MISSES: Readonly<Record<string, readonly [title: string, needs: string]>> = {
      'pip-django': ['django 6.0.3 needs Python >=3.12, but this build has 3.11', '3.12'],
      'pip-range': ['django 6.0.10 needs Python >=3.12, but this build has 3.11', '3.12'],
      'pip-trans': ['django 6.1.1 needs Python >=3.12, but this build has 3.11', '3.12'],
      'pip-selfreq': ['lib needs Python >=3.12, but this build has 3.11', '3.12'],
      'pipenv-django': ['django 6.0.3 needs Python >=3.12, but this build has 3.11', '3.12'],
      'pip-with-uv-django': ['django 6.0.3 needs Python >=3.12, but this build has 3.11', '3.12'],
      'pip-with-uv-range': ['django >=6.0,<=6.0.10 needs Python >=3.12, but this build has 3.11', '3.12'],
      'pip-with-uv-trans': ['django >=6.0 needs Python >=3.12, but this build has 3.11', '3.12'],
      'pip-with-uv-selfreq': ['lib 1 needs Python >=3.12, but this build has 3.11', '3.12'],
    };
    for (const [name, [title, python]] of Object.entries(MISSES)) {
      it(`is reported with a suitable Python: ${name}`, () => {
        const failure = failureOf(name);
        expect(failure.title.replace(/django 6\.1(\.\d+)? /, 'django 6.1.1 ')).to.equal(title);
        expect(failure).to.include({ blame: 'app' });
        expect(failure.remedy).to.include(`write \`${python}\` to .python-version`);
        for (const line of failure.detail.split('\n')) expect(line.length).to.be.below(700);
      });
    }

    it('ignores versions that are not required', () => {
      const ignored =
        'ERROR: Ignored the following versions that require a different python version: 2.0 Requires-Python >=3.14; 2.1rc1 Requires-Python >=3.15';
      const missing = (wanted: string) =>
        pythonMiss([
          ignored,
          `ERROR: Could not find a version that satisfies the requirement ${wanted} (from versions: 1.0)`,
        ]);
      expect(missing('a==9')).to.equal(undefined);
      expect(missing('a>=2')).to.deep.equal({ wanted: 'a 2.0', name: 'a', needs: '>=3.14' });
      expect(missing('a[extra]~=2.0 (from b==1->-r requirements.txt (line 3))')).to.include({ wanted: 'a 2.0' });
      expect(missing('a>2.0')).to.include({ wanted: 'a 2.1rc1', needs: '>=3.15' });
    });
  });

  describe('a git host that cannot be reached', () => {
    const HOSTS: Readonly<Record<string, string>> = {
      'pip-git': '127.0.0.1:1',
      'pip-git-ssh': 'git.nohost.invalid',
      'pipenv-git': '127.0.0.1:1',
      'poetry-git': '127.0.0.1:1',
      'poetry-git-ssh': 'git.nohost.invalid',
      'uv-git': '127.0.0.1:1',
      'pip-with-uv-git-ssh': 'git.nohost.invalid',
    };
    for (const [name, host] of Object.entries(HOSTS)) {
      it(`is named in a retryable failure: ${name}`, () => {
        const failure = failureOf(name);
        expect(failure).to.include({ blame: 'environment', retryable: true });
        expect(failure.title).to.match(
          new RegExp(`could not install the dependencies: the git host ${host} could not be reached$`),
        );
        expect(failure.remedy).to.include(`check ${host} and the network`);
        expect(failure.detail).not.to.match(/pip-install-|git-v0|\/tmp|\/var\/cache/);
      });
    }

    it('is recognized by the errors of git, ssh and HTTP', () => {
      const told = (...lines: string[]) => {
        const trouble = gitTrouble(lines);
        return trouble && [trouble.kind, trouble.host];
      };
      const access = (why: string): string =>
        `fatal: unable to access 'https://me@git.example.com:8443/a.git/': ${why}`;
      const host = 'git.example.com:8443';
      expect(told(access('Connection timed out after 300 ms'))).to.deep.equal(['timeout', host]);
      expect(told(access('The requested URL returned error: 503'))).to.deep.equal(['server-error', host]);
      expect(told(access('SSL certificate problem: self-signed certificate'))).to.deep.equal(['tls', host]);
      expect(told(access('Received HTTP code 407 from proxy after CONNECT'))).to.deep.equal(['proxy', host]);
      expect(told(access('Recv failure: Connection reset by peer'))).to.deep.equal(['unreachable', host]);
      expect(told('ssh: connect to host git.example.com port 2222: No route to host')).to.deep.equal([
        'unreachable',
        'git.example.com:2222',
      ]);
      expect(told('fatal: unable to look up git.example.com (port 9418) (Name or service not known)')).to.deep.equal([
        'unreachable',
        'git.example.com',
      ]);
      expect(told('unexpected http resp 502 for https://git.example.com/a.git/info/refs')).to.deep.equal([
        'server-error',
        'git.example.com',
      ]);
      expect(
        told(
          '  Cloning https://git.example.com/a.git to /tmp/x',
          'error: RPC failed; curl 18 transfer closed',
          'fatal: early EOF',
        ),
      ).to.deep.equal(['cut-off', 'git.example.com']);
    });

    it('is not reported if the host responds that the repository is missing or needs a login', () => {
      const answers = [
        "fatal: unable to access 'https://git.example.com/a.git/': The requested URL returned error: 403",
        "fatal: repository 'https://git.example.com/a.git/' not found",
        "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled",
        'git@git.example.com: Permission denied (publickey).',
        'fatal: Could not read from remote repository.',
        "error: pathspec 'v9' did not match any file(s) known to git",
      ];
      for (const line of answers) expect(gitTrouble([line]), line).to.equal(undefined);
    });
  });

  describe('a required version of the tool', () => {
    it('is reported with the file and the version of this build', () => {
      const exit = { exitCode: 2, lines: linesOf('uv-required') };
      const failure = uvFailed('uv sync', exit, { requiredIn: 'web/uv.toml' });
      expect(failure.remedy).to.match(
        /^Change `required-version` in web\/uv\.toml so that it allows uv \d+\.\d+\.\d+,/,
      );
      expect(failure.remedy).not.to.match(/uv lock|self update/);
      expect(failureOf('poetry-requires').remedy).to.match(
        /^Change `requires-poetry` in pyproject\.toml so that it allows Poetry \d/,
      );
    });

    it('leads to a suggestion of a version that the pipeline can fetch', () => {
      const line = 'error: Required uv version `<0.12,>=0.11` does not match the running version `0.12.5`.';
      expect(uvFailed('uv sync', { exitCode: 2, lines: [line] }).remedy).to.match(
        /, or install 0\.11\.\d+ \(set `version: 0\.11/,
      );
      const poetry = 'This project requires Poetry ~=2.3.0, but you are using Poetry 2.4.1';
      expect(poetryFailed('poetry sync', { exitCode: 1, lines: [poetry] }).remedy).to.include(', or install 2.3.');
    });

    it('is reported for locks that are newer than the tool', () => {
      expect(failureOf('uv-newlock')).to.include({
        title: 'A newer version of uv wrote uv.lock',
      });
      expect(failureOf('poetry-newlock').title).to.equal('A newer version of Poetry wrote poetry.lock');
      expect(failureOf('uv-python').remedy).to.include('`uv python pin 3.12`');
    });
  });

  describe('paths', () => {
    it('of the run become paths of the app', () => {
      const show = pathsShower(PLAIN);
      expect(show(`ERROR: The editable requirement file://${RUN}/view (from -r requirements.txt (line 2))`)).to.equal(
        'ERROR: The editable requirement . (from -r requirements.txt (line 2))',
      );
      expect(show(`(from -r ${RUN}/view/base.txt (line 1))`)).to.equal('(from -r base.txt (line 1))');
      expect(show(`gcc -I${RUN}/view/.scalingo/python/include`)).to.equal('gcc -I.scalingo/python/include');
      expect(show(`git clone 'https://a.example/b' ${RUN}/scratch/tmp/pip-install-x/b_1 failed`)).to.equal(
        "git clone 'https://a.example/b' failed",
      );
      expect(show(`Failed to build 'b' when git clone x ${RUN.toLowerCase()}/scratch/tmp/pip-install-x/b_1`)).to.equal(
        "Failed to build 'b' when git clone x",
      );
      for (const path of [`${RUN}/scratch/tmp/x.py`, `${RUN}/given/lock.txt`, '/cache/keep/1/uv/git-v0/db/1']) {
        expect(show(`cannot read ${path}, sorry`)).to.match(/^cannot read \([a-z ]+\), sorry$/);
      }
    });

    it('of the sandbox do too, but no others', () => {
      const show = pathsShower(SANDBOX);
      expect(show('Failed to build `broken @ file:///app/broken`')).to.equal('Failed to build `broken @ broken`');
      expect(show('File "/app/broken/backend.py", line 7')).to.equal('File "broken/backend.py", line 7');
      for (const text of ['https://host/app/x', '/srv/app/x', '/apples', '/app.d', 'tmp/x', '/var/tmp/x']) {
        expect(show(text)).to.equal(text);
      }
    });
  });
});
