// The failures for recorded output of Poetry 2.4.1.

import { expect } from 'chai';
import { poetryFailed } from '../../../../src/plugins/shared/poetry/failures.js';
import { poetryErrors, readablePoetryLine } from '../../../../src/plugins/shared/poetry/output.js';

const failed = (text: string) => {
  const lines = text.split('\n').flatMap((line) => readablePoetryLine(line) ?? []);
  return poetryFailed('poetry sync --only main --no-root', { exitCode: 1, lines });
};
const START = `Installing dependencies from lock file

Package operations: 2 installs, 0 updates, 0 removals

  - Installing helper (1.5)
`;
const TRACE = `
  at /opt/pyflow/tools/poetry/requests/models.py:1167 in raise_for_status
      1166│         if http_error_msg:
    → 1167│             raise HTTPError(http_error_msg, response=self)
      1168│

Cannot install helper.
`;

describe('plugins/shared/poetry/failures', () => {
  it('blame the app for an outdated lock', () => {
    const failure = failed(
      'Installing dependencies from lock file\n\npyproject.toml changed significantly since poetry.lock was last generated. Run `poetry lock` to fix the lock file.',
    );
    expect(failure).to.include({ code: 'install-dependencies::poetry', blame: 'app' });
    expect(failure.title).to.contain('out of date');
    expect(failure.remedy).to.contain('poetry lock');
    expect(failure.detail).to.match(/^pyproject\.toml changed/);
  });

  it('blame the app for a Python version that it excludes', () => {
    const failure = failed('\nCurrent Python version (3.12.1) is not allowed by the project (>=3.13).\n');
    expect(failure.blame).to.equal('app');
    expect(failure.detail).to.contain('>=3.13');
    expect(failure.remedy).to.contain('.python-version');
  });

  it('blame the environment for an index that does not respond', () => {
    const failure = failed(`${START}
    | All attempts to connect to 127.0.0.1:1 failed.
    |
    | Probable Causes:
    |     - the server is not responding to requests at the moment
    |
    | You can also run your poetry command with -v to see more information.
`);
    expect(failure).to.include({ blame: 'environment', retryable: true });
    expect(failure.title).to.contain('could not be reached');
    expect(failure.detail).to.contain('All attempts to connect to 127.0.0.1:1 failed.').and.not.contain('-v');
  });

  it('blame the environment for errors of the index, timeouts and truncated downloads', () => {
    const troubles: readonly (readonly [string, string])[] = [
      ['503 Server Error: Service Unavailable for url: http://127.0.0.1:1/simple/helper/', 'reported a server error'],
      ['429 Client Error: Too Many Requests for url: http://127.0.0.1:1/simple/helper/', 'reported a server error'],
      [
        "HTTPSConnectionPool(host='index.example', port=443): Read timed out. (read timeout=15)",
        'did not respond in time',
      ],
      ['IncompleteRead(625 bytes read, 626 more expected)', 'cut off'],
      [
        "('Connection broken: IncompleteRead(1 bytes read, 2 more expected)', IncompleteRead(1 bytes read, 2 more expected))",
        'cut off',
      ],
    ];
    for (const [line, title] of troubles) {
      const failure = failed(`${START}\n  HTTPError\n\n  ${line}\n${TRACE}`);
      expect(failure, line).to.include({ blame: 'environment', retryable: true });
      expect(failure.title, line).to.contain(title);
      expect(failure.detail.split('\n'), line).to.include('Cannot install helper.');
      expect(failure.detail, line).not.to.match(/│|raise_for_status|HTTPError/);
    }
  });

  it('blame the app for a wrong digest, with or without digests at the index', () => {
    for (const line of [
      'Hash for helper (1.5) from archive helper-1.5-py3-none-any.whl not found in known hashes (was: sha256:c9)',
      'Downloaded distributions for helper (1.5) did not match any known checksums in your lock file.',
    ]) {
      const failure = failed(`${START}\n  RuntimeError\n\n  ${line}\n${TRACE}`);
      expect(failure.blame, line).to.equal('app');
      expect(failure.title, line).to.contain('does not match its digest in poetry.lock');
      expect(failure.detail, line).to.contain('helper (1.5)');
    }
  });

  it('report that an index requires a login, for its pages and its files', () => {
    for (const line of [
      'Source (PyPI): Authorization error accessing http://127.0.0.1:1/simple/helper/\n\nUnable to find installation candidates for helper (1.5)',
      '401 Client Error: Unauthorized for url: http://127.0.0.1:1/files/helper-1.5-py3-none-any.whl',
    ]) {
      expect(failed(`${START}${line}`).title, line).to.contain('requires a login');
    }
  });

  it('report a package that is missing from the index', () => {
    const failure = failed(`${START}
    | Unable to find installation candidates for nohelper (1.5)
    |
    | This is likely not a Poetry issue.
    |
    |   - 0 candidate(s) were identified for the package
    |
    | Solutions:
    | Make sure the lockfile is up-to-date. You can try one of the following;
    |
    |     1. Regenerate lockfile: poetry lock --no-cache --regenerate
    |
    | If any of those solutions worked, you will have to clear your caches using (poetry cache clear --all).
`);
    expect(failure.blame).to.equal('app');
    expect(failure.title).to.contain('missing from its index');
    expect(failure.detail.split('\n')).to.deep.equal([
      'Unable to find installation candidates for nohelper (1.5)',
      '  - 0 candidate(s) were identified for the package',
    ]);
  });

  it('show the known causes of all installers', () => {
    const failure = failed(`${START}\n  src/x.c:1:10: fatal error: sqlite3.h: No such file or directory\n`);
    expect(failure.title).to.contain('SQLite');
  });

  it('show no password', () => {
    expect(readablePoetryLine('    | at https://me:pa55@index.example/simple')).to.equal(
      'at https://****@index.example/simple',
    );
  });

  it('leave normal output out of the errors', () => {
    expect(poetryErrors(START.split('\n'))).to.deep.equal([]);
  });
});
