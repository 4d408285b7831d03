import { generateKeyPairSync } from 'node:crypto';
import { expect } from 'chai';
import { digestOf, type ActionKey } from '../../../src/engine/files/digest.js';
import { checkSignature, SIGNATURE_TYPE, signResult } from '../../../src/engine/remote/signature.js';
import { decodeActionResult, encodeActionResult, type ReapiResult } from '../../../src/engine/trees/reapi-result.js';

describe('engine/remote/signature', () => {
  const key = digestOf(Buffer.from('action')) as ActionKey;
  const other = digestOf(Buffer.from('another action')) as ActionKey;
  const contents = Buffer.from('{"outputs":{}}');
  const plain: ReapiResult = {
    outputFiles: [{ path: 'out/result.json', digest: digestOf(contents), executable: false, contents }],
    outputDirectories: [{ path: 'out/app', tree: digestOf(Buffer.from('tree')), root: digestOf(Buffer.from('root')) }],
    outputSymlinks: [],
    exitCode: 0,
    stdout: digestOf(Buffer.from('log')),
  };
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const stranger = generateKeyPairSync('ed25519');
  const withSignature = (value: Uint8Array, result = plain): ReapiResult => ({
    ...result,
    metadata: { worker: 'pyflow', auxiliaryMetadata: [{ typeUrl: SIGNATURE_TYPE, value }] },
  });
  const signed = withSignature(signResult(key, plain, privateKey));

  it('accepts its own signature, by any of the trusted keys', () => {
    expect(checkSignature(key, signed, [publicKey])).to.equal('valid');
    expect(checkSignature(key, signed, [stranger.publicKey, publicKey])).to.equal('valid');
    expect(checkSignature(key, signed, [stranger.publicKey])).to.equal('wrong');
  });

  it('survives what servers do: strip contents, add a worker, inline the log, encode again', () => {
    const stripped: ReapiResult = {
      ...signed,
      outputFiles: plain.outputFiles.map(({ contents: _contents, ...file }) => file),
      stdoutRaw: Buffer.from('log'),
      metadata: { ...signed.metadata, worker: '10.0.0.4', queuedTimestamp: { seconds: 1, nanos: 2 } },
    };
    const decoded = decodeActionResult(encodeActionResult(stripped));
    expect(decoded && checkSignature(key, decoded, [publicKey])).to.equal('valid');
  });

  it('refuses a result without a signature, with several, or with a short one', () => {
    expect(checkSignature(key, plain, [publicKey])).to.equal('unsigned');
    const value = signResult(key, plain, privateKey);
    const twice = { auxiliaryMetadata: [value, value].map((one) => ({ typeUrl: SIGNATURE_TYPE, value: one })) };
    expect(checkSignature(key, { ...plain, metadata: twice }, [publicKey])).to.equal('wrong');
    expect(checkSignature(key, withSignature(value.subarray(1)), [publicKey])).to.equal('wrong');
  });

  it('covers the key and every field that pyflow believes', () => {
    expect(checkSignature(other, signed, [publicKey])).to.equal('wrong');
    const [file, directory] = [plain.outputFiles[0]!, plain.outputDirectories[0]!];
    const changes: readonly Partial<ReapiResult>[] = [
      { exitCode: 1 },
      { stdout: other },
      { stderr: other },
      { outputFiles: [] },
      { outputFiles: [{ ...file, path: 'out/x' }] },
      { outputFiles: [{ ...file, digest: other }] },
      { outputFiles: [{ ...file, executable: true }] },
      { outputDirectories: [] },
      { outputDirectories: [{ ...directory, path: 'out/tool' }] },
      { outputDirectories: [{ ...directory, tree: other }] },
      { outputDirectories: [{ ...directory, root: other }] },
      { outputSymlinks: [{ path: 'out/link', target: '/etc' }] },
    ];
    for (const change of changes)
      expect(checkSignature(key, { ...signed, ...change }, [publicKey]), JSON.stringify(change)).to.equal('wrong');
  });
});
