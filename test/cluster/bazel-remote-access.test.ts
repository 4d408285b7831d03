// The two ways of bazel-remote to let everyone read and only some write: logins, and certificates of clients.

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { makeCertificates } from '../support/certificates.js';
import { outcomesOf, RemoteScene, type EndedRun } from '../support/remote-scene.js';
import { BazelRemote, needBazelRemote } from '../support/servers/bazel-remote.js';

const LOGIN = { user: 'ci', password: 'w4riter:of+results' };

describe('who may write to bazel-remote', function () {
  this.timeout(120_000);
  let folder: string;
  let server: BazelRemote;
  let scene: RemoteScene;
  before(function () {
    needBazelRemote(this);
    folder = mkdtempSync(join(tmpdir(), 'pyflow-access-'));
    makeCertificates(folder);
    const digest = createHash('sha1').update(LOGIN.password).digest('base64');
    writeFileSync(join(folder, 'logins'), `${LOGIN.user}:{SHA}${digest}\n`);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => {
    scene = new RemoteScene();
    scene.pipeline(`pyflow: 1
nodes:
  first: { uses: command, with: { argv: [sh, -c, 'echo ${scene.tag} > first'], writes: [first] } }
  second: { uses: command, after: [first], with: { argv: [sh, -c, 'cat first > second'], reads: [first], writes: [second] } }
`);
  });
  afterEach(async () => {
    scene.cleanUp();
    await server?.stop();
  });

  /** A machine with these settings, and the server's address. */
  const on = (name: string, settings: object, env: Readonly<Record<string, string>> = {}): Promise<EndedRun> => {
    const file = `${scene.root}/remote-${name}.yml`;
    writeFileSync(file, JSON.stringify({ url: server.url, ...settings }));
    return scene.on({ name, env: { PYFLOW_REMOTE_SETTINGS: file, ...env } });
  };
  const executed = { first: 'executed', second: 'executed' };
  const restored = { first: 'restored remote', second: 'restored remote' };

  it('refuses what an anonymous client uploads, and its run succeeds with one notice', async () => {
    server = await BazelRemote.start({ logins: join(folder, 'logins'), anyoneReads: true });
    const anonymous = await on('anonymous', { write: true });
    expect(anonymous.ended.status).to.equal(0);
    expect(outcomesOf(anonymous.report)).to.deep.equal(executed);
    expect(anonymous.report.remote).to.include({ uploaded: 0 });
    expect(Object.values(anonymous.notices).flat(), JSON.stringify(anonymous.notices)).to.have.length(1);
    expect(Object.keys(anonymous.notices)).to.deep.equal(['remote::writing-off']);

    const basic = Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64');
    const headers = { authorization: 'Basic ${{ env.CI_LOGIN }}' };
    const writer = await on('writer', { write: true, headers }, { CI_LOGIN: basic });
    expect(writer.notices).to.deep.equal({});
    expect(outcomesOf(writer.report), 'nothing was uploaded before').to.deep.equal(executed);
    expect(writer.report.remote).to.include({ uploaded: 2, notUploaded: 0 });
    expect(JSON.stringify(writer.ended)).to.not.contain(basic).and.to.not.contain(LOGIN.password);

    const reader = await on('reader', {});
    expect(outcomesOf(reader.report)).to.deep.equal(restored);
    expect(reader.notices).to.deep.equal({});
  });

  it('takes uploads of clients with a certificate only', async () => {
    server = await BazelRemote.start({ certificates: folder, anyoneReads: true });
    const ca = join(folder, 'ca.pem');
    const anonymous = await on('anonymous', { write: true, tls: { ca } });
    expect(anonymous.ended.status).to.equal(0);
    expect(anonymous.report.remote).to.include({ uploaded: 0 });
    expect(Object.keys(anonymous.notices), JSON.stringify(anonymous.notices)).to.deep.equal(['remote::writing-off']);

    const tls = { ca, cert: join(folder, 'client.pem'), key: join(folder, 'client.key') };
    const writer = await on('writer', { write: true, tls });
    expect(writer.notices).to.deep.equal({});
    expect(writer.report.remote).to.include({ uploaded: 2, notUploaded: 0 });
    expect(outcomesOf((await on('reader', { tls: { ca } })).report)).to.deep.equal(restored);

    const stranger = await on('stranger', { tls: { ca: join(folder, 'other-ca.pem') } });
    expect(stranger.ended.status).to.equal(0);
    expect(outcomesOf(stranger.report)).to.deep.equal(executed);
    expect(Object.keys(stranger.notices)).to.deep.equal(['remote::off']);
  });

  it('gives nothing to clients without a certificate if reading needs one too', async () => {
    server = await BazelRemote.start({ certificates: folder });
    const ca = join(folder, 'ca.pem');
    const tls = { ca, cert: join(folder, 'client.pem'), key: join(folder, 'client.key') };
    expect((await on('writer', { write: true, tls })).report.remote).to.include({ uploaded: 2 });
    const anonymous = await on('anonymous', { tls: { ca } });
    expect(anonymous.ended.status).to.equal(0);
    expect(outcomesOf(anonymous.report)).to.deep.equal(executed);
    expect(Object.values(anonymous.notices).flat(), JSON.stringify(anonymous.notices)).to.have.length(1);
  });
});
