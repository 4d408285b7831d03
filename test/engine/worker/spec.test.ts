import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { checkSpec, readSpec, readSpecFile } from '../../../src/engine/worker/spec.js';
import { composeFor } from '../../../src/composition.js';
import type { KnownKind } from '../../../src/manifests/plugin-manifest.js';

const VALID = {
  kind: 'command',
  revision: 1,
  config: { argv: ['true'], reads: [], writes: [] },
  values: {},
  facts: null,
  secrets: {},
  exists: { 'a.txt': true },
};
const bytesOf = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const codeOf = (value: unknown): string | undefined => {
  const read = readSpec(bytesOf(value));
  return read.ok ? undefined : read.failure.code;
};

describe('spec.json on a worker', () => {
  let command: KnownKind | undefined;
  before(async () => {
    const composition = await composeFor({})({ cacheDir: '/nonexistent', settings: {} });
    const kinds = await composition.kinds([]);
    command = kinds.ok ? kinds.value.get('command') : undefined;
  });

  const checked = (change: object, builder = 'name:a'): string | undefined => {
    const read = readSpec(bytesOf({ ...VALID, ...change }));
    if (!read.ok) return read.failure.code;
    return checkSpec(read.value, read.value.kind === 'command' ? command : undefined, () => builder)?.code;
  };

  it('takes what the client writes', () => {
    const read = readSpec(bytesOf({ ...VALID, builder: 'name:a' }));
    const { secrets: _, ...rest } = VALID;
    expect(read).to.deep.equal({ ok: true, value: { ...rest, builder: 'name:a' } });
    expect(checked({})).to.equal(undefined);
    expect(checked({ builder: 'name:a' })).to.equal(undefined);
  });

  it('refuses what this release does not run', () => {
    expect(checked({ kind: 'other' })).to.equal('worker::unknown-kind');
    expect(checked({ kind: 'constructor' })).to.equal('worker::unknown-kind');
    expect(checked({ code: 'f'.repeat(64) })).to.equal('worker::unknown-kind');
    expect(checked({ revision: 2 })).to.equal('worker::revision');
    expect(checked({ builder: 'name:b' })).to.equal('worker::builder');
    expect(checked({ config: { argv: [] } })).to.equal('worker::invalid-spec');
    expect(checked({ secrets: { A: { label: '', isSet: true } } })).to.equal('worker::invalid-spec');
    expect(checked({ more: 1 })).to.equal('worker::invalid-spec');
  });

  it('tells a file that is too large from a missing one', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    try {
      const path = join(folder, 'spec.json');
      const detail = (): string | undefined => {
        const read = readSpecFile(path);
        return read.ok ? undefined : read.failure.detail;
      };
      expect(detail()).to.contain('There is no spec.json');
      writeFileSync(path, JSON.stringify({ ...VALID, facts: 'x'.repeat(15 * 1024 ** 2) }));
      expect(detail()).to.equal(undefined);
      for (const mebibytes of [16, 33]) {
        writeFileSync(path, JSON.stringify({ ...VALID, facts: 'x'.repeat(mebibytes * 1024 ** 2) }));
        expect(detail()).to.contain('more than 16 MiB');
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('refuses any other bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => !readSpec(bytes).ok));
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(VALID)), fc.jsonValue({ maxDepth: 3 }), (field, value) => {
        const code = codeOf({ ...VALID, [field]: value });
        expect(code === undefined || code.startsWith('worker::')).to.equal(true);
        expect(codeOf({ ...VALID, [field]: undefined })).to.equal('worker::invalid-spec');
      }),
    );
    const deep = JSON.parse('['.repeat(100) + ']'.repeat(100)) as unknown;
    expect(codeOf({ ...VALID, facts: deep })).to.equal('worker::invalid-spec');
  });
});
