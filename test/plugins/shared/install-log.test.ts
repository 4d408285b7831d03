import { expect } from 'chai';
import { judgeInstallLog } from '../../../src/plugins/shared/install-log.js';

const kindOf = (...lines: string[]): string | undefined => judgeInstallLog(lines).trouble?.kind;

describe('plugins/shared/install-log', () => {
  it('blames the network when the installer gave up because of it', () => {
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

  it('blames the network when no version was found after trouble with the index', () => {
    const warning =
      "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno 111] Connection refused')': /simple/x/";
    expect(kindOf(warning, 'ERROR: No matching distribution found for x')).to.equal('unreachable');
    expect(kindOf('ERROR: No matching distribution found for x')).to.equal(undefined);
  });

  it('blames the app when trouble on the way was overcome', () => {
    const warning = "WARNING: Retrying (Retry(total=4)) after connection broken by 'ReadTimeoutError': /simple/x/";
    expect(kindOf(warning, 'error: subprocess-exited-with-error')).to.equal(undefined);
    expect(
      kindOf(warning, 'ERROR: Cannot install a and b because these package versions have conflicting dependencies.'),
    ).to.equal(undefined);
  });

  it('does not take a package that does not exist, or a refused login, for trouble', () => {
    expect(kindOf('ERROR: HTTP error 404 while getting http://host/x.whl')).to.equal(undefined);
    expect(kindOf('ERROR: 401 Client Error: Unauthorized for url: http://host/')).to.equal(undefined);
  });

  it('shows the first known cause only', () => {
    const causeOf = (...lines: string[]): string | undefined => judgeInstallLog(lines).cause?.id;
    expect(causeOf('    Could not find gdal-config. Make sure you have installed GDAL')).to.equal('hint.gdal');
    expect(causeOf('src/x.c:1:10: fatal error: sqlite3.h: No such file or directory')).to.equal('hint.sqlite');
    expect(causeOf('Please use pip<24.1 if you need to use this version.')).to.equal('hint.pip-metadata');
    expect(causeOf('sqlite3.h: No such file or directory', 'COULD NOT FIND GDAL-CONFIG')).to.equal('hint.gdal');
    expect(causeOf('ERROR: something else')).to.equal(undefined);
  });

  it('collects the lines in which the installer says what is wrong', () => {
    const { errors } = judgeInstallLog(['Collecting x', '  error: subprocess-exited-with-error', 'ERROR: Failed']);
    expect(errors).to.deep.equal(['error: subprocess-exited-with-error', 'ERROR: Failed']);
  });
});
