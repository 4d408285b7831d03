// A small filled cache that tests damage file by file, and checks for afterwards: exactly the correct slug, and a
// repaired cache.

import { expect } from 'chai';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentOf } from './cli-scene.js';
import { verdictOf } from './verdict.js';
import { outcomesOf, Workspace } from './workspace.js';

/** Has small blobs in a pack, one separate blob file, a deletion, a log, and values. */
const PIPELINE = `
pyflow: 1
name: small
nodes:
  make:
    uses: command
    with: { argv: [sh, -c, "echo making; cat in.txt; mkdir made; tr a-z A-Z < in.txt > made/upper; echo gone > made/gone; yes 123456789 | head -c 80000 > made/large"], reads: [in.txt], writes: ["made/**"] }
  cut:
    uses: command
    with: { argv: [sh, -c, "rm made/gone; echo cut"], reads: ["made/**"], writes: ["made/**"], capture: true }
    after: [make]
  count:
    uses: command
    when: cut.stdout == "cut"
    with: { argv: [sh, -c, "cat made/* | wc -c > counted"], reads: ["made/**"], writes: [counted] }
    after: [cut]
`;
const APP = { appId: 'shop' };

export class SmallCache {
  readonly work = new Workspace().pipeline(PIPELINE).write({ 'in.txt': 'abc\n', 'app.py': 'print()\n' });
  readonly #pristine = join(this.work.root, 'pristine');
  #digest: string | undefined;
  #content: Readonly<Record<string, string>> = {};

  async fill(): Promise<this> {
    const { work } = this;
    this.#digest = (await work.run(APP)).slug?.digest;
    await work.run(APP);
    this.#content = contentOf(work.outDir);
    cpSync(work.cacheDir, this.#pristine, { recursive: true, preserveTimestamps: true });
    return this;
  }

  /** Paths relative to the cache. */
  get files(): readonly string[] {
    return readdirSync(this.#pristine, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.#pristine.length + 1))
      .sort();
  }

  sizeOf(file: string): number {
    return statSync(join(this.#pristine, file)).size;
  }

  /** The cache as it was filled. Blobs that a run would trust are trusted. */
  async refill(): Promise<void> {
    const { work } = this;
    rmSync(work.cacheDir, { recursive: true, force: true });
    cpSync(this.#pristine, work.cacheDir, { recursive: true, preserveTimestamps: true });
    rmSync(work.outDir, { recursive: true, force: true });
    await work.run(APP);
  }

  /** Refills the cache and damages one file, given by its absolute path. */
  async damage(file: string, how: (path: string) => void): Promise<void> {
    await this.refill();
    const path = join(this.work.cacheDir, file);
    if (existsSync(path)) how(path);
  }

  flip(file: string, at: number, bit: number): Promise<void> {
    return this.damage(file, (path) => {
      const bytes = readFileSync(path);
      bytes[at] = bytes[at]! ^ (1 << bit);
      writeFileSync(path, bytes);
    });
  }

  /** A run without an existing slug must make the correct one. */
  async expectServed(context: string): Promise<void> {
    const { work } = this;
    rmSync(work.outDir, { recursive: true, force: true });
    const { exit, code, report } = await verdictOf(work, APP);
    expect({ exit, code }, context).to.deep.equal({ exit: 0, code: undefined });
    expect(report?.slug?.digest, context).to.equal(this.#digest);
    expect(contentOf(work.outDir), context).to.deep.equal(this.#content);
  }

  /** The next run must find everything. */
  async expectHealed(context: string): Promise<void> {
    const { work } = this;
    await this.expectServed(context);
    const fast = await work.fastRun(APP);
    if (fast !== undefined) expect(fast.slug?.digest, context).to.equal(this.#digest);
    const again = await work.run(APP);
    expect(outcomesOf(again), `${context}: healed`).to.deep.equal({
      make: 'up-to-date',
      cut: 'up-to-date',
      count: 'up-to-date',
    });
  }
}
