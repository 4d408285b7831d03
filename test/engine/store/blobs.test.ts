import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { digestOf, EMPTY_DIGEST, hexOf, type Digest } from '../../../src/engine/files/digest.js';
import { BlobFolder, copyHashed, PACK_LIMIT, type BlobFolderOptions } from '../../../src/engine/store/blobs.js';
import { PlaceError } from '../../../src/engine/store/place-error.js';
import { systemError, withChangedFs } from '../../support/changed-fs.js';

const FORM = { mode: 0o644, mtimeS: 1 };
/** Larger than what is read at once. */
const HUGE = 3 * 1024 * 1024;

describe('engine/store/blobs', () => {
  let root: string;
  let damaged: Digest[];
  let opened: BlobFolder[];
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'pyflow-test-'));
    damaged = [];
    opened = [];
  });
  afterEach(() => {
    for (const folder of opened) folder.close();
    rmSync(root, { recursive: true, force: true });
  });

  function open(options: Partial<BlobFolderOptions> = {}): BlobFolder {
    const onDamage = (digest: Digest): void => void damaged.push(digest);
    const folder = new BlobFolder(root, {
      run: `run-${opened.length}`,
      bootId: 'boot',
      readOnly: false,
      onDamage,
      ...options,
    });
    opened.push(folder);
    return folder;
  }
  const large = (text: string, size = PACK_LIMIT + 10): Buffer => Buffer.alloc(size, text);
  function stored(bytes: Buffer): Digest {
    open().write(digestOf(bytes), bytes);
    return digestOf(bytes);
  }
  const pathOf = (digest: Digest): string => open().pathOf(hexOf(digest));
  function damage(digest: Digest): void {
    const path = pathOf(digest);
    const { length } = readFileSync(path);
    rmSync(path);
    writeFileSync(path, large('other', length));
  }
  const partials = (): string[] => readdirSync(join(root, 'cas')).filter((name) => name.endsWith('.tmp'));
  const rejection = (work: Promise<unknown>): Promise<unknown> =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );
  const thrown = (work: () => void): unknown => {
    try {
      work();
      return undefined;
    } catch (error) {
      return error;
    }
  };
  /** Another blob whose file is in the same folder. */
  function neighbourOf(digest: Digest): Buffer {
    for (let count = 0; ; count++) {
      const bytes = large(`neighbour ${count} `);
      if (digestOf(bytes).startsWith(digest.slice(0, 2))) return bytes;
    }
  }

  it('has the empty blob without storing it', async () => {
    expect(open().has(EMPTY_DIGEST)).to.equal(true);
    expect((await open().read(EMPTY_DIGEST))?.length).to.equal(0);
    open().write(EMPTY_DIGEST, Buffer.alloc(0));
    expect(readdirSync(root)).to.deep.equal([]);
  });

  it('reads a large blob, and drops it if its bytes are wrong', async () => {
    const bytes = large('large');
    const digest = stored(bytes);
    expect(await open().read(digest)).to.deep.equal(bytes);
    damage(digest);
    expect(await open().read(digest)).to.equal(undefined);
    expect([damaged, existsSync(pathOf(digest))]).to.deep.equal([[digest], false]);
    expect(await open().read(digest)).to.equal(undefined);
  });

  it("keeps a large blob that can't be read at the moment", async () => {
    const bytes = large('large');
    const digest = stored(bytes);
    await withChangedFs(
      () => ({
        openSync: () => {
          throw systemError('EMFILE');
        },
      }),
      async () => expect(await open().read(digest)).to.equal(undefined),
    );
    expect(await open().read(digest)).to.deep.equal(bytes);
    expect(damaged).to.deep.equal([]);
  });

  it('leaves a damaged blob in a folder that it may only read', async () => {
    const digest = stored(large('large'));
    damage(digest);
    expect(await open({ readOnly: true }).read(digest)).to.equal(undefined);
    expect([damaged, existsSync(pathOf(digest))]).to.deep.equal([[digest], true]);
  });

  it('tells an unreadable blob from a damaged one when it hashes', async () => {
    const digest = stored(large('large'));
    const stats = statSync(pathOf(digest), { bigint: true });
    expect(await open().hashLarge(digest, stats)).to.equal('right');
    damage(digest);
    expect(await open().hashLarge(digest, stats)).to.equal('wrong');
    expect(await open().hashLarge(digest, stats)).to.equal('unreadable');
  });

  it('checks blobs of any size', async () => {
    const [small, big] = [stored(Buffer.from('small')), stored(large('large'))];
    opened.splice(0).forEach((folder) => folder.close());
    expect([await open().check(small), await open().check(big)]).to.deep.equal([true, true]);
    expect([await open().check(digestOf('missing')), await open().check(digestOf(large('missing')))]).to.deep.equal([
      false,
      false,
    ]);
    damage(big);
    expect(await open().check(big)).to.equal(false);
  });

  it('stores a file that shrinks while it is read', async () => {
    const source = join(root, 'source');
    writeFileSync(source, large('x', HUGE));
    const shrink = () => {
      truncateSync(source, 10);
      return () => undefined;
    };
    const folder = open();
    const digest = await folder.writeFile(source, shrink);
    expect(digest).to.equal(digestOf('x'.repeat(10)));
    expect((await folder.read(digest))?.toString()).to.equal('x'.repeat(10));
    expect(partials()).to.deep.equal([]);
  });

  it('stores a huge file once', async () => {
    const source = join(root, 'source');
    writeFileSync(source, large('x', HUGE));
    const folder = open();
    const digest = await folder.writeFile(source);
    const { mtimeMs } = statSync(pathOf(digest));
    expect(await folder.writeFile(source)).to.equal(digest);
    expect([folder.bytesWritten, statSync(pathOf(digest)).mtimeMs]).to.deep.equal([HUGE, mtimeMs]);
    expect(partials()).to.deep.equal([]);
  });

  it('leaves nothing of a blob that the disk has no room for', async () => {
    const folder = open();
    const source = join(root, 'source');
    writeFileSync(source, large('x', HUGE));
    const [atOnce, copied] = await withChangedFs(
      () => ({
        writeSync: () => {
          throw systemError('ENOSPC');
        },
      }),
      async () => [
        thrown(() => folder.write(digestOf(large('large')), large('large'))),
        await rejection(folder.writeFile(source)),
      ],
    );
    expect([atOnce, copied].map((error) => error instanceof PlaceError)).to.deep.equal([true, true]);
    expect(partials()).to.deep.equal([]);
  });

  it('makes a folder again that a clean-up removed', async () => {
    const folder = open();
    const first = large('first');
    folder.write(digestOf(first), first);
    const second = neighbourOf(digestOf(first));
    rmSync(join(root, 'cas', digestOf(first).slice(0, 2)), { recursive: true });
    folder.write(digestOf(second), second);
    expect(await folder.read(digestOf(second))).to.deep.equal(second);
  });

  it('blames the cache if a file is where a folder should be', () => {
    const folder = open();
    const first = large('first');
    folder.write(digestOf(first), first);
    const parent = join(root, 'cas', digestOf(first).slice(0, 2));
    rmSync(parent, { recursive: true });
    writeFileSync(parent, '');
    const second = neighbourOf(digestOf(first));
    expect(thrown(() => folder.write(digestOf(second), second))).to.be.instanceOf(PlaceError);
    expect(partials()).to.deep.equal([]);
  });

  describe("a blob that can't be copied to its target", () => {
    it('is not missing', async () => {
      const bytes = large('large');
      const digest = stored(bytes);
      const folder = open();
      mkdirSync(join(root, 'out'));
      for (const target of ['nowhere/file', 'out']) {
        const error = await rejection(folder.materialize(digest, join(root, target), FORM));
        expect((error as NodeJS.ErrnoException).code).to.be.oneOf(['ENOENT', 'EEXIST', 'EISDIR']);
      }
      expect(await folder.materialize(digest, join(root, 'file'), FORM)).to.equal(true);
    });

    it('is missing if it was removed meanwhile', async () => {
      const digest = stored(large('large'));
      const folder = open();
      const path = pathOf(digest);
      const made = await withChangedFs(
        ({ rmSync: remove }) => ({
          copyFileSync: () => {
            remove(path);
            throw systemError('ENOENT');
          },
        }),
        () => folder.materialize(digest, join(root, 'out'), FORM),
      );
      expect([made, existsSync(join(root, 'out'))]).to.deep.equal([false, false]);
    });

    it('is missing if it is damaged, and its target is removed', async () => {
      const digest = stored(large('large'));
      damage(digest);
      expect(await open().materialize(digest, join(root, 'out'), FORM)).to.equal(false);
      expect([damaged, existsSync(join(root, 'out'))]).to.deep.equal([[digest], false]);
    });
  });

  it("leaves no target if the source can't be read to its end", async () => {
    mkdirSync(join(root, 'folder'));
    const error = await rejection(copyHashed(join(root, 'folder'), join(root, 'out')));
    expect((error as NodeJS.ErrnoException).code).to.equal('EISDIR');
    expect(existsSync(join(root, 'out'))).to.equal(false);
    // Without a target, only the digest is wanted.
    expect(await rejection(copyHashed(join(root, 'folder')))).to.have.property('code', 'EISDIR');
  });
});
