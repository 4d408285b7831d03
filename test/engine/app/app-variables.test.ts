import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { readAppVariables } from '../../../src/engine/app/app-variables.js';

describe('engine/app/app-variables', () => {
  let envDir: string;
  beforeEach(() => {
    envDir = mkdtempSync(join(tmpdir(), 'pyflow-env-'));
  });
  afterEach(() => rmSync(envDir, { recursive: true }));

  const put = (name: string | Buffer, content: string | Buffer): void =>
    writeFileSync(
      typeof name === 'string' ? join(envDir, name) : Buffer.concat([Buffer.from(`${envDir}/`), name]),
      content,
    );
  const refusal = async () => {
    const read = await readAppVariables(envDir);
    return read.ok ? undefined : { code: read.failure.code, blame: read.failure.blame, detail: read.failure.detail };
  };
  const refused = (detail: string) => ({ code: 'app::env-dir-not-text', blame: 'pipeline', detail });

  it('refuses a value with a NUL byte and names the variable', async () => {
    put('TOKEN', 'secret\0more');
    put('FINE', 'ü\n');
    expect(await refusal()).to.deep.equal(
      refused("TOKEN: byte 7 of the value is NUL, which a variable can't contain."),
    );
  });

  it('refuses values in UTF-16, Windows-1252 and truncated UTF-8, all at once and without showing them', async () => {
    put('C_WIDE', Buffer.from('\uFEFFvalue', 'utf16le'));
    put('B_LATIN', Buffer.from('caf\xe9', 'latin1'));
    put('A_CUT', Buffer.from([0x61, 0xe2, 0x82]));
    const found = await refusal();
    expect(found?.detail.split('\n')).to.deep.equal([
      'A_CUT: the value is not UTF-8.',
      'B_LATIN: the value is not UTF-8.',
      "C_WIDE: byte 4 of the value is NUL, which a variable can't contain.",
    ]);
  });

  it('refuses a file name that is not UTF-8', async () => {
    put(Buffer.from('NAM\xc9', 'latin1'), 'x');
    expect(await refusal()).to.deep.equal(refused('The file name NAM\\xc9 is not UTF-8.'));
  });

  it('ignores files whose names are not variable names', async () => {
    put('.DS_Store', Buffer.from([0, 0xff]));
    put('not a name', 'a\0b');
    expect(await readAppVariables(envDir, { A: '1' })).to.deep.equal({ ok: true, value: { A: '1' } });
  });

  it('returns a value exactly or refuses it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 12 }), async (bytes) => {
        put('X', Buffer.from(bytes));
        const read = await readAppVariables(envDir);
        if (!read.ok) {
          expect(read.failure.code).to.equal('app::env-dir-not-text');
          return;
        }
        expect(
          [`${read.value['X']}`, `${read.value['X']}\n`].map((text) => Buffer.from(text).toString('hex')),
        ).to.include(Buffer.from(bytes).toString('hex'));
      }),
      { numRuns: 60 },
    );
  });
});
