// The policy at a real gateway, with an index on the loopback.

import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Failure } from '../../../src/engine/failure.js';
import { PackageGateway } from '../../../src/engine/packages/gateway.js';
import { policyKeeper } from '../../../src/engine/packages/policy-keeper.js';
import { makePolicy } from '../../../src/engine/packages/policy.js';
import type { PackagePlan, Session } from '../../../src/engine/packages/session.js';
import type { PolicyFile } from '../../../src/manifests/packages/policy.js';
import { PackageIndex } from '../../support/package-index.js';
import { makeWheel } from '../../support/wheels.js';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 11, 1);
const old = makeWheel('probe', '1.0');
const young = makeWheel('probe', '2.0');

describe('the policy at the package gateway', () => {
  const root = mkdtempSync(join(tmpdir(), 'policy-'));
  const warnings: string[] = [];
  let index: PackageIndex;
  let gateway: PackageGateway | undefined;

  before(async () => {
    index = await PackageIndex.start([old, young], { servesJson: true });
    index.tell(old.file, { uploadTime: NOW - 100 * DAY });
    index.tell(young.file, { uploadTime: NOW - DAY });
  });
  afterEach(async () => {
    await gateway?.close();
    warnings.length = 0;
  });
  after(async () => {
    await index.stop();
    rmSync(root, { recursive: true });
  });

  async function begin(rules: PolicyFile, files: PackagePlan['files'] = [], isOpen = false): Promise<Session> {
    const options = { policy: makePolicy(rules, undefined), now: NOW };
    gateway = await PackageGateway.open({
      cacheDir: join(root, 'cache'),
      passThrough: {},
      socketDir: root,
      now: NOW,
      gatekeeperFor: (_, pagesOf) =>
        policyKeeper({ ...options, onWarning: (_code, text) => warnings.push(text) }, pagesOf, undefined),
    });
    return gateway.begin({ indexes: [{ url: index.url, form: 'simple' }], files }, isOpen);
  }

  const ask = (session: Session, path: string): Promise<{ readonly status: number; readonly body: string }> =>
    new Promise((resolve, reject) => {
      const login = Buffer.from(`pyflow:${session.token}`).toString('base64');
      const url = new URL(path, index.url).href;
      const headers = { 'proxy-authorization': `Basic ${login}`, host: new URL(url).host };
      const asked = request({ host: '127.0.0.1', port: gateway!.port, path: url, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      });
      asked.on('error', reject);
      asked.end();
    });

  const planned = (file: string): PackagePlan['files'] => [
    { url: new URL(`/files/${file}`, index.url).href, hashes: { sha256: young.sha256 } },
  ];
  const stopped: Failure = { code: 'x::y', blame: 'app', title: 'It stopped', detail: '', remedy: '' };

  for (const isOpen of [false, true]) {
    it(`hides a file from the page and refuses it by its address, ${isOpen ? 'open' : 'closed'}`, async () => {
      const session = await begin({ minimumAge: '7d' }, [], isOpen);
      const page = await ask(session, '/simple/probe/');
      expect(page.body).to.contain(old.file).and.to.not.contain(young.file);
      expect((await ask(session, `/files/${young.file}`)).status).to.equal(403);
      expect((await ask(session, `/files/${young.file}.metadata`)).status).to.equal(403);
      expect((await ask(session, `/files/${old.file}`)).status).to.equal(200);
      const [problem] = session.problems;
      expect(problem?.type === 'refused' && problem.failure.detail).to.contain('The newest allowed version is 1.0.');
    });
  }

  it('judges the file of a lockfile by the page that lists it', async () => {
    const session = await begin({ minimumAge: '7d' }, planned(young.file));
    const answer = await ask(session, `/files/${young.file}`);
    expect(answer).to.deep.include({ status: 403, body: 'The package policy refuses probe 2.0\n' });
    expect(index.requests).to.include('/simple/probe/');
    expect(session.explain(stopped)).to.include({ code: 'packages::refused', subject: 'probe' });
    // What a replay needs.
    expect([...session.passedPages.keys()]).to.deep.equal([`${index.url}/probe/`]);
  });

  it('passes what the policy only warns about', async () => {
    const session = await begin({ minimumAge: '7d', levels: { minimumAge: 'warn' } }, planned(young.file));
    expect((await ask(session, `/files/${young.file}`)).status).to.equal(200);
    expect(warnings.join()).to.contain('probe 2.0 (rule `minimumAge`): It was uploaded 24 hours ago');
    expect(session.explain(stopped)).to.equal(stopped);
  });
});
