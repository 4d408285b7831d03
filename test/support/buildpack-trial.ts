// The folders of one app on a platform with classic buildpacks, and the adapter's steps on them with a fake engine.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';
import type { RunRequest } from '../../src/engine/request.js';
import { pyflow, type FakeWorldOptions, type Ran } from './fake-world.js';

export class BuildpackTrial {
  readonly root = mkdtempSync(join(tmpdir(), 'pyflow-buildpack-'));
  readonly home = join(this.root, 'buildpack');
  readonly buildDir = join(this.root, 'build');
  readonly cacheDir = join(this.root, 'cache');
  readonly envDir = join(this.root, 'env');
  env: Readonly<Record<string, string>> = { STACK: 'scalingo-24' };
  /** The requests that the engine got. */
  readonly requests: RunRequest[] = [];
  /** Fields of the engine's answer that differ from a successful build of a pip app. */
  report: Partial<RunReport> = {};

  constructor() {
    for (const folder of [this.home, this.buildDir, this.envDir]) mkdirSync(folder);
  }

  write(files: Readonly<Record<string, string>>): this {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), text);
    }
    return this;
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  get data(): Readonly<Record<string, unknown>> {
    return JSON.parse(this.read('cache/build-data/python.json')) as Record<string, unknown>;
  }

  step(name: string, folders: readonly string[], options: FakeWorldOptions = {}): Promise<Ran> {
    return pyflow(['buildpack', name, `--home=${this.home}`, '--', ...folders], {
      env: this.env,
      engine: {
        run: async (request) => {
          this.requests.push(request);
          return { ok: true, value: { ...SUCCESS, ...this.report } };
        },
      },
      ...options,
    });
  }

  compile(options: FakeWorldOptions = {}): Promise<Ran> {
    return this.step('compile', [this.buildDir, this.cacheDir, this.envDir], options);
  }

  cleanUp(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export const SUCCESS: RunReport = {
  schema: 'pyflow.report/3',
  runId: '20261121T000000000Z-abcdef',
  pipeline: 'python',
  appId: 'app',
  status: 'succeeded',
  exitCode: 0,
  startedAt: '2026-11-21T00:00:00.000Z',
  durationMs: 1500,
  nodes: {},
  buildData: {
    python_version: '3.13.9',
    python_version_major: '3.13',
    package_manager: 'pip',
    cache_status: 'reused',
    total_duration: 1.5,
  },
};
