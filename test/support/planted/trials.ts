// Runs attacks on the build of one app in a process that can be killed if it hangs.

import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Attack, Attacked, Recorded, TrialRequest } from './trial.js';

const TRIAL = fileURLToPath(new URL('trial.ts', import.meta.url));
/** Longer than a build without an attack takes. */
const PATIENCE_MS = 5000;
/** Extra time for busy machines. */
const LOAD_FACTOR = 4;
const RECORDING_MS = 240_000;

export class Trials {
  private child: ChildProcess | undefined;
  private recorded: Recorded | undefined;

  constructor(readonly request: TrialRequest) {}

  async record(): Promise<Recorded> {
    this.recorded ??= (await this.ask('record', RECORDING_MS)) as Recorded;
    return this.recorded;
  }

  /** An attack that makes pyflow hang counts as a problem. */
  async attack(attack: Attack): Promise<Attacked> {
    const { durationMs } = await this.record();
    const limit = LOAD_FACTOR * (2 * durationMs + PATIENCE_MS);
    // A new process after one that hung.
    if (this.child === undefined) await this.ask('record', RECORDING_MS);
    try {
      return (await this.ask(attack, limit)) as Attacked;
    } catch (error) {
      if (error instanceof Hung)
        return { type: 'attacked', outcome: 'hung', durationMs: limit, problems: ['it hangs'] };
      throw error;
    }
  }

  private ask(message: Attack | 'record', limitMs: number): Promise<unknown> {
    const child = (this.child ??= this.start());
    return new Promise((answer, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        child.off('message', onMessage);
        child.off('exit', onExit);
      };
      const onMessage = (found: { readonly type: string; readonly text?: string }): void => {
        end();
        if (found.type === 'broken')
          reject(new Error(`${this.request.node}: ${JSON.stringify(message)}: ${found.text}`));
        else answer(found);
      };
      const onExit = (): void => {
        end();
        this.child = undefined;
        reject(new Error(`${this.request.node}: the process ended at ${JSON.stringify(message)}`));
      };
      const timer = setTimeout(() => {
        end();
        child.kill('SIGKILL');
        this.child = undefined;
        reject(new Hung());
      }, limitMs);
      child.on('message', onMessage);
      child.once('exit', onExit);
      child.send(message);
    });
  }

  private start(): ChildProcess {
    const { folder } = this.request;
    execFileSync('rm', ['-rf', folder]);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'request.json');
    writeFileSync(file, JSON.stringify(this.request));
    const child = fork(TRIAL, [file], { execArgv: ['--import', 'tsx', '--enable-source-maps'], stdio: 'inherit' });
    return child;
  }

  close(): void {
    this.child?.kill('SIGKILL');
    for (const folder of privateFolders(this.child?.pid)) execFileSync('rm', ['-rf', folder]);
  }
}

class Hung extends Error {}

function privateFolders(pid: number | undefined): readonly string[] {
  const isOf = (folder: string): boolean => {
    try {
      return (JSON.parse(readFileSync(`${folder}/owner`, 'utf8')) as { pid: number }).pid === pid;
    } catch {
      return false;
    }
  };
  if (!existsSync('/dev/shm')) return [];
  const folders = readdirSync('/dev/shm').filter((name) => name.startsWith('pyflow-run-'));
  return folders.map((name) => `/dev/shm/${name}`).filter(isOf);
}
