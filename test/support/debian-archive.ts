// A package archive of an invented release on the loopback: real packages, an index signed with a new key, and ways to
// damage each part.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Context } from 'mocha';
import { startServer, type TestServer } from './http-server.js';
import { skipBecause } from './skip.js';

/** Path in the package -> text, or target of a link. */
export type PackageFiles = Readonly<Record<string, string | { readonly link: string }>>;

export interface TestPackage {
  readonly name: string;
  readonly version: string;
  readonly files: PackageFiles;
}

const PROGRAMS = ['apt-get', 'dpkg-deb', 'gpg', 'gpgv'];

/** Skips the suite with a message if the programs are missing. */
export function needDebianTools(mocha: Context): void {
  const missing = PROGRAMS.filter((name) => !canRun(name));
  if (missing.length === 0) return;
  return skipBecause(mocha, `needs ${missing.join(', ')}`);
}

function canRun(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A key pair in a private folder. `close` ends the agent that gpg started. */
export class SigningKey {
  readonly home = mkdtempSync(join(tmpdir(), 'pyflow-key-'));
  readonly keyring = join(this.home, 'keyring.gpg');

  constructor() {
    chmodSync(this.home, 0o700);
    this.#gpg(['--passphrase', '', '--quick-generate-key', 'Test archive <test@example.org>', 'ed25519', 'sign', '1y']);
    this.#gpg(['--output', this.keyring, '--export']);
  }

  sign(text: string): string {
    return this.#gpg(['--digest-algo', 'SHA512', '--clearsign'], text);
  }

  close(): void {
    execFileSync('gpgconf', ['--homedir', this.home, '--kill', 'all'], { stdio: 'ignore' });
    rmSync(this.home, { recursive: true, force: true });
  }

  #gpg(args: readonly string[], input = ''): string {
    return execFileSync('gpg', ['--homedir', this.home, '--batch', '--quiet', '--pinentry-mode', 'loopback', ...args], {
      input,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
  }
}

export interface Release {
  /** Milliseconds since the epoch. */
  readonly date: number;
  readonly validUntil?: number;
}

export class DebianArchive {
  /** Path below the origin -> bytes. Tests can change them. */
  readonly files = new Map<string, Buffer>();
  #server: TestServer | undefined;
  #index = '';

  private constructor(
    readonly suites: readonly string[],
    readonly architecture: string,
  ) {}

  static async start(
    suites: readonly string[],
    architecture: string,
    packages: readonly TestPackage[],
  ): Promise<DebianArchive> {
    const archive = new DebianArchive(suites, architecture);
    archive.#server = await startServer(({ url = '/' }, response) => {
      const bytes = archive.files.get(decodeURIComponent(url.slice(1)));
      response.writeHead(bytes === undefined ? 404 : 200, { 'content-length': bytes?.length ?? 0 }).end(bytes);
    });
    for (const made of packages) archive.#add(made);
    return archive;
  }

  get origin(): string {
    return this.#server!.origin;
  }
  /** The `authorization` header of each request; `none` if it had none. */
  get credentials(): ReadonlySet<string> {
    return new Set(this.#server!.headers.map(({ authorization }) => authorization ?? 'none'));
  }

  /** The signed index of all suites. Each lists all packages. */
  publish(key: SigningKey, { date, validUntil }: Release): void {
    const packages = Buffer.from(this.#index);
    const path = `main/binary-${this.architecture}/Packages`;
    for (const suite of this.suites) {
      const [folder = '', name = ''] = suite.split(' ');
      const release = [
        `Origin: Test`,
        `Suite: ${name}`,
        `Codename: ${name}`,
        `Date: ${new Date(date).toUTCString()}`,
        ...(validUntil === undefined ? [] : [`Valid-Until: ${new Date(validUntil).toUTCString()}`]),
        `Architectures: ${this.architecture}`,
        'Components: main',
        'SHA256:',
        ` ${sha256(packages)} ${packages.length} ${path}`,
        '',
      ].join('\n');
      this.files.set(`${folder}/dists/${name}/InRelease`, Buffer.from(key.sign(release)));
      this.files.set(`${folder}/dists/${name}/${path}`, packages);
    }
  }

  /** Replaces a text in the file whose name matches. */
  damage(name: RegExp, change: (bytes: Buffer) => Buffer): void {
    for (const [path, bytes] of this.files) if (name.test(path)) this.files.set(path, change(bytes));
  }

  close(): Promise<void> {
    return this.#server!.close();
  }

  #add({ name, version, files }: TestPackage): void {
    const file = `${name}_${version}_${this.architecture}.deb`;
    const recipe = JSON.stringify([name, version, this.architecture, files]);
    const bytes = built.get(recipe) ?? buildPackage(name, version, this.architecture, files);
    built.set(recipe, bytes);
    const [folder = ''] = this.suites[0]!.split(' ');
    const path = `pool/main/${file}`;
    this.files.set(`${folder}/${path}`, bytes);
    this.#index += [
      `Package: ${name}`,
      `Version: ${version}`,
      `Architecture: ${this.architecture}`,
      `Filename: ${path}`,
      `Size: ${bytes.length}`,
      `SHA256: ${sha256(bytes)}`,
      `SHA512: ${createHash('sha512').update(bytes).digest('hex')}`,
      '',
      '',
    ].join('\n');
  }
}

/** Most tests want the same packages. */
const built = new Map<string, Buffer>();

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

function buildPackage(name: string, version: string, architecture: string, files: PackageFiles): Buffer {
  const root = mkdtempSync(join(tmpdir(), 'pyflow-deb-'));
  try {
    const tree = join(root, 'tree');
    mkdirSync(join(tree, 'DEBIAN'), { recursive: true });
    chmodSync(tree, 0o755);
    const fields = { Package: name, Version: version, Architecture: architecture, Maintainer: 'Test <t@example.org>' };
    const control = Object.entries({ ...fields, Description: 'made for a test' });
    writeFileSync(join(tree, 'DEBIAN/control'), control.map(([key, value]) => `${key}: ${value}\n`).join(''));
    for (const [path, content] of Object.entries(files)) {
      const file = join(tree, path);
      mkdirSync(dirname(file), { recursive: true });
      if (typeof content === 'string') writeFileSync(file, content, { mode: path.includes('bin/') ? 0o755 : 0o644 });
      else symlinkSync(content.link, file);
    }
    const made = join(root, 'made.deb');
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', tree, made], { stdio: 'ignore' });
    return readFileSync(made);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
