import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import type { Failure, Result } from '../../../src/engine/failure.js';
import type { RemoteRequest } from '../../../src/engine/request.js';
import { readRemoteSettings, type RemoteSettings } from '../../../src/engine/remote/settings.js';

const SECRET = 'tok-9f8e7d6c5b4a39281706';

describe('engine/remote/settings', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-remote-'));
    mkdirSync(join(folder, 'app'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const read = (request: Partial<RemoteRequest>): Promise<Result<RemoteSettings, Failure>> =>
    readRemoteSettings({ write: false, execute: false, env: {}, ...request }, { appDir: join(folder, 'app') });
  const readFile = (text: string, request: Partial<RemoteRequest> = {}): Promise<Result<RemoteSettings, Failure>> =>
    read({ settingsFile: write('remote.yml', text), ...request });
  const accepted = async (pending: Promise<Result<RemoteSettings, Failure>>): Promise<RemoteSettings> => {
    const settings = await pending;
    if (!settings.ok) throw new Error(JSON.stringify(settings.failure));
    return settings.value;
  };
  const refused = async (pending: Promise<Result<RemoteSettings, Failure>>): Promise<Failure> => {
    const settings = await pending;
    if (settings.ok) throw new Error(`accepted: ${JSON.stringify(settings.value)}`);
    expect(JSON.stringify(settings.failure)).to.not.contain(SECRET);
    expect(settings.failure.remedy).to.not.equal('');
    expect(settings.failure.blame).to.equal('pipeline');
    return settings.failure;
  };

  it('reads by default, and writes only if it is told to', async () => {
    const settings = await accepted(read({ url: 'grpcs://cache.example:443' }));
    expect(settings).to.deep.include({ write: false, require: false, execute: false, headers: {}, trust: [] });
    expect(settings.scopes).to.deep.equal([{ instance: '', salt: '' }]);
    expect((await accepted(read({ url: 'grpcs://cache.example:443', write: true }))).write).to.equal(true);
    expect((await accepted(readFile('url: grpcs://cache.example\nwrite: true\n'))).write).to.equal(true);
  });

  it('prefers the address of the command line to the one of the file', async () => {
    const settings = await accepted(readFile('url: grpcs://a.example\n', { url: 'grpcs://b.example' }));
    expect(settings.url).to.equal('grpcs://b.example');
  });

  it('accepts JSON', async () => {
    expect((await accepted(readFile('{"url":"grpcs://a.example","instance":"main"}'))).instance).to.equal('main');
  });

  it('names all problems of a file, with lines and the field that was probably meant', async () => {
    const failure = await refused(readFile('url: grpcs://a.example\ninstnace: main\nwrite: maybe\n'));
    expect(failure.code).to.equal('remote::settings-invalid');
    expect(failure.detail)
      .to.match(/Line 2: .*instnace.*`instance`/)
      .and.to.match(/Line 3: .*write/);
  });

  it('refuses files that are empty, missing, no file, no YAML or without a server', async () => {
    expect((await refused(readFile(''))).detail).to.contain('empty');
    expect((await refused(readFile('a: [\n'))).detail).to.match(/^Line \d/);
    expect((await refused(readFile('write: true\n'))).detail).to.contain('`url`');
    for (const settingsFile of [join(folder, 'none.yml'), join(folder, 'app', '..')]) {
      expect((await refused(read({ settingsFile }))).code).to.equal('remote::unreadable-file');
    }
  });

  it('refuses settings inside the app, also behind a link', async () => {
    writeFileSync(join(folder, 'app/remote.yml'), 'url: grpcs://evil.example\n');
    symlinkSync('app/remote.yml', join(folder, 'link.yml'));
    for (const name of ['app/remote.yml', 'link.yml']) {
      expect((await refused(read({ settingsFile: join(folder, name) }))).code).to.equal('remote::settings-in-app');
    }
  });

  it('refuses addresses without a known scheme and with a login', async () => {
    for (const url of [
      'cache.example:443',
      'https://cache.example',
      'grpcs://',
      'grpcs://a b',
      'grpcs://h:99999',
      'unix:x',
    ]) {
      expect((await refused(read({ url }))).code, url).to.equal('remote::bad-address');
    }
    expect((await refused(read({ url: 'https://cache.example:8443' }))).remedy).to.contain(
      'grpcs://cache.example:8443',
    );
    expect((await refused(read({ url: `grpcs://ci:${SECRET}@cache.example` }))).remedy).to.contain('headers');
  });

  it('requires TLS unless the address is on this machine or the operator allows it', async () => {
    for (const url of ['grpc://127.0.0.1:9092', 'grpc://localhost:9092', 'grpc://[::1]:9092', 'unix:/run/casd.sock'])
      await accepted(read({ url }));
    const failure = await refused(read({ url: 'grpc://10.0.0.4:9092' }));
    expect(failure.title).to.contain('without TLS');
    await accepted(readFile('url: grpc://10.0.0.4:9092\ninsecure: true\n'));
  });

  it('fills variables of the environment into headers', async () => {
    const text = 'url: grpcs://a.example\nheaders: { authorization: "Bearer ${{ env.CACHE_TOKEN }}" }\n';
    const { headers } = await accepted(readFile(text, { env: { CACHE_TOKEN: `${SECRET}\n` } }));
    expect(headers).to.deep.equal({ authorization: `Bearer ${SECRET}` });
    const failure = await refused(readFile(text, { env: { CACHE_TOKENS: SECRET } }));
    expect(failure.title).to.contain('CACHE_TOKEN is not set');
    expect(failure.remedy).to.equal('Did you mean "CACHE_TOKENS"?');
  });

  it('refuses headers that the protocol owns, other references and unprintable values, without showing the value', async () => {
    const withHeader = (entry: string): string => `url: grpcs://a.example\nheaders: { ${entry} }\n`;
    for (const entry of [
      `grpc-timeout: "${SECRET}"`,
      `x-token-bin: "${SECRET}"`,
      `x-token: "${SECRET} \${{ params.x }}"`,
      `x-token: "${SECRET} \${{ env.X"`,
      `x-token: "${SECRET}\\nx"`,
      `x-token: ""`,
      `X-Token: "${SECRET}"`,
      `x-token: [${SECRET}]`,
    ]) {
      expect((await refused(readFile(withHeader(entry)))).code, entry).to.match(
        /^remote::(bad-header|settings-invalid)$/,
      );
    }
    const failure = await refused(readFile(withHeader('x-token: 1234567890123')));
    expect(JSON.stringify(failure)).to.not.contain('1234567890123');
  });

  it('takes public keys as files, as PEM text and as one line, and private keys as files', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    const line = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
    write('trust.pem', pem);
    write('sign.pem', privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const file = JSON.stringify({ url: 'grpcs://a.example', trust: ['trust.pem', pem, line], sign: 'sign.pem' });
    const settings = await accepted(readFile(file, { write: true }));
    expect(settings.trust.map((key) => key.equals(publicKey))).to.deep.equal([true, true, true]);
    expect(settings.sign?.equals(privateKey)).to.equal(true);
    expect((await accepted(readFile(file))).sign, 'a reader needs no private key').to.equal(undefined);
  });

  it('refuses keys that it cannot use, and never shows one', async () => {
    const pair = generateKeyPairSync('ed25519');
    const secret = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
    write('private.pem', secret);
    write('rsa.pem', rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    write('rsa-public.pem', rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString());
    write(
      'locked.pem',
      pair.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes256', passphrase: 'x' }).toString(),
    );
    write('text.pem', 'hello');
    for (const wrong of [
      { sign: secret },
      { sign: 'none.pem' },
      { sign: 'rsa.pem' },
      { sign: 'locked.pem' },
      { sign: 'text.pem' },
      { trust: ['private.pem'] },
      { trust: [secret] },
      { trust: ['rsa-public.pem'] },
      { trust: ['text.pem'] },
      { tls: { cert: 'text.pem' } },
      { tls: { cert: 'text.pem', key: 'private.pem' } },
      { tls: { ca: 'text.pem' } },
    ]) {
      const failure = await refused(readFile(JSON.stringify({ url: 'grpcs://a.example', ...wrong }), { write: true }));
      expect(failure.code, JSON.stringify(wrong)).to.match(/^remote::(unusable-key|unreadable-file)$/);
      expect(JSON.stringify(failure)).to.not.contain(secret.split('\n')[1]);
    }
  });

  it('maps scopes to instances where the operator does, and to salts elsewhere', async () => {
    const { scopes } = await accepted(
      readFile(
        'url: grpcs://a.example\ninstance: ci\nscope: pr-17\nreads: [main, release, pr-17]\ninstances: { main: trusted }\n',
      ),
    );
    expect(scopes).to.deep.equal([
      { instance: 'ci', salt: 'pr-17' },
      { instance: 'trusted', salt: '' },
      { instance: 'ci', salt: 'release' },
    ]);
  });

  it('never throws, whatever the file holds', async () => {
    const value = fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.array(fc.string()),
      fc.object(),
    );
    const names = fc.constantFrom(
      'url',
      'headers',
      'tls',
      'trust',
      'sign',
      'scope',
      'reads',
      'instances',
      'write',
      'x',
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(names, value), async (data) => {
        const settings = await readFile(JSON.stringify(data), { url: 'grpcs://a.example', write: true });
        if (!settings.ok) expect(settings.failure.code).to.match(/^remote::/);
      }),
      { numRuns: 200 },
    );
  });
});
