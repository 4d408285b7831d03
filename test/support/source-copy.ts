// A copy of the program's sources, for tests that change its data and run the unchanged code.

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';

const PROJECT = resolve(import.meta.dirname, '../..');

// eslint-disable-next-line typescript/no-explicit-any -- the data of any family
export type Data = Record<string, any>;

export class SourceCopy {
  readonly root = mkdtempSync(join(tmpdir(), 'pyflow-copy-'));

  constructor() {
    for (const name of ['src', 'pipelines', 'package.json', 'tsconfig.json']) {
      cpSync(join(PROJECT, name), join(this.root, name), { recursive: true });
    }
    symlinkSync(join(PROJECT, 'node_modules'), join(this.root, 'node_modules'));
  }

  readonly path = (name: string): string => join(this.root, name);

  edit(family: string, change: (data: Data) => void): this {
    return this.editText(`src/manifests/catalogue/data/${family}.json`, (text) => {
      const data = JSON.parse(text) as Data;
      change(data);
      return JSON.stringify(data);
    });
  }

  editText(name: string, change: (text: string) => string): this {
    writeFileSync(this.path(name), change(readFileSync(this.path(name), 'utf8')));
    return this;
  }

  /** Runs `pyflow ARGS` in the root of the copy. */
  pyflow(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...args], {
      cwd: this.root,
      env: { PATH, HOME: this.root, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    return new Promise((done, failed) => {
      child.once('error', failed);
      child.once('close', (status) => done({ status, stdout, stderr }));
    });
  }

  /** The report of a run, also of a failed one. */
  async run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<RunReport> {
    const file = this.path('report.json');
    rmSync(file, { force: true });
    const { stderr, stdout } = await this.pyflow(['run', ...args, '--report', file, '--sandbox', 'none'], env);
    try {
      return JSON.parse(readFileSync(file, 'utf8')) as RunReport;
    } catch {
      throw new Error(`no report: ${stderr}${stdout}`);
    }
  }

  cleanUp(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
