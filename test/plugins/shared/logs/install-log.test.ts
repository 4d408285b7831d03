import { expect } from 'chai';
import { judgeInstallLog, nameNotFound } from '../../../../src/plugins/shared/logs/install-log.js';

const kindOf = (...lines: string[]): string | undefined => judgeInstallLog(lines).trouble?.kind;

describe('plugins/shared/logs/install-log', () => {
  it('blames the network if the installer gave up because of it', () => {
    expect(kindOf('error: connection-failed')).to.equal('unreachable');
    expect(kindOf('  error: connection-timeout')).to.equal('timeout');
    expect(kindOf('error: ssl-verification-failed')).to.equal('tls');
    expect(kindOf('error: proxy-connection-failed')).to.equal('proxy');
    expect(kindOf('error: incomplete-download')).to.equal('cut-off');
    expect(kindOf('ERROR: HTTP error 503 while getting http://host/files/x.whl')).to.equal('server-error');
    expect(kindOf("fatal: unable to access 'http://host/x.git/': Could not resolve host: host")).to.equal(
      'unreachable',
    );
    expect(kindOf('ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device')).to.equal(
      'disk-full',
    );
  });

  it('blames the network if no version was found after index errors', () => {
    const warning =
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno 111] Connection refused')': /simple/x/";
    expect(kindOf(warning, 'ERROR: No matching distribution found for x')).to.equal('unreachable');
    expect(kindOf('ERROR: No matching distribution found for x')).to.equal(undefined);
  });

  it('finds the reason in the final error line', () => {
    const line = (reason: string): string =>
      `ERROR: Could not install packages due to an OSError: HTTPConnectionPool(host='127.0.0.1', port=9105): Max retries exceeded with url: /files/x.whl (Caused by ${reason})`;
    expect(kindOf(line("ResponseError('too many 503 error responses')"))).to.equal('server-error');
    expect(kindOf(line("NewConnectionError('[Errno 111] Connection refused')"))).to.equal('unreachable');
    const forbidden = 'HTTP error 403 Client Error: Forbidden for url: http://host/x.whl';
    expect(kindOf(`ERROR: Could not install requirement x from http://host/x.whl because of ${forbidden}`)).to.equal(
      undefined,
    );
  });

  it('uses the output of a second query of the index', () => {
    const lines = ['ERROR: No matching distribution found for helper==1.5'];
    const busy =
      "Could not fetch URL http://host/simple/helper/: (Caused by ResponseError('too many 503 error responses')) - skipping";
    const missing =
      'Could not fetch URL http://host/simple/helper/: 404 Client Error: Not Found for url: http://host/ - skipping';
    expect(judgeInstallLog(lines, [busy]).trouble?.kind).to.equal('server-error');
    expect(judgeInstallLog(lines, [missing]).trouble).to.equal(undefined);
    expect(judgeInstallLog(['ERROR: another'], [busy]).trouble).to.equal(undefined);
    expect(nameNotFound(lines)).to.equal('helper');
    expect(
      nameNotFound([
        'ERROR: Could not find a version that satisfies the requirement my_pkg.x[a]>=1 (from versions: none)',
      ]),
    ).to.equal('my_pkg.x');
    expect(
      nameNotFound(['ERROR: Could not find a version that satisfies the requirement a==9 (from versions: 1.0, 2.0)']),
    ).to.equal(undefined);
  });

  it('blames the app if the installer recovered from network errors', () => {
    const warning = "WARNING: Retrying (Retry(total=4)) after connection broken by 'ReadTimeoutError': /simple/x/";
    expect(kindOf(warning, 'error: subprocess-exited-with-error')).to.equal(undefined);
    expect(
      kindOf(warning, 'ERROR: Cannot install a and b because these package versions have conflicting dependencies.'),
    ).to.equal(undefined);
  });

  it('reads the tree of causes that uv prints', () => {
    const tree = (...causes: string[]): string[] => ['  × Failed to download `helper==1.5`', ...causes];
    expect(kindOf(...tree('  ├─▶ tcp connect error', '  ╰─▶ Connection refused (os error 111)'))).to.equal(
      'unreachable',
    );
    expect(kindOf(...tree('  ╰─▶ connection closed before message completed'))).to.equal('unreachable');
    expect(kindOf(...tree('  ╰─▶ HTTP status server error (503 Service Unavailable) for url'))).to.equal(
      'server-error',
    );
    expect(kindOf(...tree('  ╰─▶ end of file before message length reached'))).to.equal('cut-off');
    expect(kindOf(...tree('  ╰─▶ operation timed out'))).to.equal('timeout');
    const connect = '  ├─▶ client error (Connect)';
    expect(kindOf(...tree(connect, '  ╰─▶ received corrupt message of type InvalidContentType'))).to.equal('tls');
    expect(kindOf(...tree(connect, '  ╰─▶ failed to lookup address information'))).to.equal('unreachable');
    expect(kindOf(...tree(connect, '  ╰─▶ something new'))).to.equal('unreachable');
    expect(kindOf(...tree('  ╰─▶ HTTP status client error (404 Not Found) for url'))).to.equal(undefined);
    // The output of a build is not an error of uv.
    expect(kindOf('  × Failed to build `bad==1.0`', '      Connection refused')).to.equal(undefined);
    const mismatch = tree('  ╰─▶ Hash mismatch for `helper==1.5`', '', '      Expected:', '        sha256:00');
    const tampered = [...mismatch, 'hint: `helper` was included because `shop` depends on it'];
    expect(judgeInstallLog(tampered).tampered).to.deep.equal(mismatch.slice(1).filter((line) => line !== ''));
    const login = tree('  ╰─▶ HTTP status client error (401 Unauthorized) for url');
    expect(judgeInstallLog(login)).to.deep.include({
      login: login[1]?.trim(),
      errors: login.map((line) => line.trim()),
    });
  });

  it('does not treat a missing package or a rejected login as a network problem', () => {
    expect(kindOf('ERROR: HTTP error 404 while getting http://host/x.whl')).to.equal(undefined);
    expect(kindOf('ERROR: 401 Client Error: Unauthorized for url: http://host/')).to.equal(undefined);
  });

  it('[hint.gdal] [hint.sqlite] [hint.pip-metadata] [hint.first-match] shows only the first known cause', () => {
    const causeOf = (...lines: string[]): string | undefined => judgeInstallLog(lines).cause?.id;
    expect(causeOf('    Could not find gdal-config. Make sure you have installed GDAL')).to.equal('hint.gdal');
    expect(causeOf('src/x.c:1:10: fatal error: sqlite3.h: No such file or directory')).to.equal('hint.sqlite');
    expect(causeOf('Please use pip<24.1 if you need to use this version.')).to.equal('hint.pip-metadata');
    expect(causeOf('sqlite3.h: No such file or directory', 'COULD NOT FIND GDAL-CONFIG')).to.equal('hint.gdal');
    expect(causeOf('ERROR: something else')).to.equal(undefined);
  });

  it('collects the error lines of the installer', () => {
    const { errors } = judgeInstallLog(['Collecting x', '  error: subprocess-exited-with-error', 'ERROR: Failed']);
    expect(errors).to.deep.equal(['error: subprocess-exited-with-error', 'ERROR: Failed']);
  });

  it('names the packages that conflict or lack a digest', () => {
    const errorsOf = (...lines: string[]): readonly string[] => judgeInstallLog(lines).errors;
    const conflict = ['The conflict is caused by:', '    The user requested a==1', '    b 1.0 depends on a>=2', ''];
    expect(errorsOf(...conflict, 'To fix this you could try to:', '    ERROR: Cannot install')).to.deep.equal([
      'The conflict is caused by:',
      '  The user requested a==1',
      '  b 1.0 depends on a>=2',
      'ERROR: Cannot install',
    ]);
    expect(errorsOf('ERROR: Hashes are required in --require-hashes mode', '    a==1 --hash=sha256:00')).to.deep.equal([
      'ERROR: Hashes are required in --require-hashes mode',
      '  a==1 --hash=sha256:00',
    ]);
    expect(errorsOf('  ╰─▶ Because all versions of b depend on a>=2 and', '      your project', 'x')).to.deep.equal([
      '╰─▶ Because all versions of b depend on a>=2 and',
      '  your project',
    ]);
  });
});
