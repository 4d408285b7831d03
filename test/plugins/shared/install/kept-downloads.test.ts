import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Folder } from '../../../../src/engine/files/folder.js';
import { succeed } from '../../../../src/engine/sdk.js';
import { runWithDownloads } from '../../../../src/plugins/shared/install/kept-downloads.js';

const TAMPERED = [
  'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.',
  '    helper==1.5 from http://host/helper.whl:',
];

describe('plugins/shared/install/kept-downloads', () => {
  let folder: string;
  beforeEach(() => {
    folder = join(mkdtempSync(join(tmpdir(), 'pyflow-downloads-')), 'kept');
  });
  afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));
  const keep = (): void => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'file'), '');
  };

  /** Each try keeps a file and ends with this status. True means success. */
  async function tries(...ends: readonly boolean[]): Promise<{ readonly made: number; readonly exitCode: number }> {
    let made = 0;
    const exit = await runWithDownloads(new Folder(join(folder, '..')), 'kept', async () => {
      const isWell = ends[made++] === true;
      keep();
      return succeed(isWell ? { exitCode: 0, lines: [] } : { exitCode: 1, lines: TAMPERED });
    });
    return { made, exitCode: exit.ok ? exit.value.exitCode : -1 };
  }

  it('keeps the downloads of a successful run', async () => {
    expect(await tries(true)).to.deep.equal({ made: 1, exitCode: 0 });
    expect(existsSync(folder)).to.equal(true);
  });

  it('drops a new file with a wrong digest, without a retry', async () => {
    expect(await tries(false)).to.deep.equal({ made: 1, exitCode: 1 });
    expect(existsSync(folder)).to.equal(false);
  });

  it('retries if the file may be an older one, and then keeps the right one', async () => {
    keep();
    expect(await tries(false, true)).to.deep.equal({ made: 2, exitCode: 0 });
    expect(existsSync(folder)).to.equal(true);
  });

  it('also drops a wrong file after the second try', async () => {
    keep();
    expect(await tries(false, false)).to.deep.equal({ made: 2, exitCode: 1 });
    expect(existsSync(folder)).to.equal(false);
  });
});
