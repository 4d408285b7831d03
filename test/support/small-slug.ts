// A small slug in a temporary folder: a Python of three files, packages as the test wants them, and a marker.

import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { digestOf } from '../../src/engine/files/digest.js';
import { buildTree, type NewEntry } from '../../src/engine/trees/directories.js';

export const SITE = '.scalingo/python/lib/python3.13/site-packages';

const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

export class SmallSlug {
  readonly dir = mkdtempSync(join(tmpdir(), 'pyflow-small-slug-'));

  constructor(files: Readonly<Record<string, string>> = {}) {
    // The head of an ELF file for x86_64.
    const program = Buffer.alloc(64);
    program.write('\x7fELF', 'latin1');
    program[4] = 2;
    program[5] = 1;
    program.writeUInt16LE(62, 18);
    this.write('.scalingo/python/bin/python3.13', program);
    this.write('.scalingo/python/lib/python3.13/os.py', '# os\n');
    this.write('.scalingo/python/include/python3.13/patchlevel.h', '#define PY_VERSION "3.13.7"\n');
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  write(path: string, content: string | Uint8Array): void {
    mkdirSync(dirname(join(this.dir, path)), { recursive: true });
    writeFileSync(join(this.dir, path), content);
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(join(this.dir, path)), { recursive: true });
    symlinkSync(target, join(this.dir, path));
  }

  /** A wheel as pip installs it. `metadata`: lines after name and version. */
  wheel(name: string, version: string, metadata: readonly string[] = [], files: Readonly<Record<string, string>> = {}) {
    const info = `${name}-${version}.dist-info`;
    const all: Record<string, string> = {
      [`${name}/__init__.py`]: `# ${name}\n`,
      [`${info}/METADATA`]: `Metadata-Version: 2.4\nName: ${name}\nVersion: ${version}\n${metadata.map((line) => `${line}\n`).join('')}\nText.\n`,
      [`${info}/INSTALLER`]: 'pip\n',
      ...files,
    };
    const lines = Object.entries(all).map(
      ([path, text]) =>
        `${path},sha256=${Buffer.from(sha256(text), 'hex').toString('base64url')},${Buffer.byteLength(text)}\n`,
    );
    all[`${info}/RECORD`] = `${lines.join('')}${info}/RECORD,,\n`;
    for (const [path, text] of Object.entries(all)) this.write(`${SITE}/${path}`, text);
  }

  /** Writes the marker for what is in the folder now. */
  seal(): this {
    const paths: Record<string, string> = {};
    const entries: [string, NewEntry][] = [];
    for (const entry of readdirSync(this.dir, { recursive: true, withFileTypes: true })) {
      const full = join(entry.parentPath, entry.name);
      const path = full.slice(this.dir.length + 1);
      if (entry.isDirectory()) {
        paths[`${path}/`] = 'folder';
        entries.push([path, { directory: true }]);
      } else if (entry.isSymbolicLink()) {
        paths[path] = `-> ${readlinkSync(full)}`;
        entries.push([path, { target: readlinkSync(full) }]);
      } else if (entry.isFile()) {
        const bytes = readFileSync(full);
        paths[path] = digestOf(bytes);
        entries.push([path, { digest: digestOf(bytes), executable: false }]);
      }
    }
    const digest = buildTree(entries).root;
    this.write('.pyflow-slug.json', JSON.stringify({ format: 1, digest, paths }));
    return this;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
