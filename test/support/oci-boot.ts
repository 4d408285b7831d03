// Starts the command of an image in its root file system, with nothing of the environment but what the image says.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Image } from './oci.js';
import { freePorts } from './servers/server-process.js';

const COMMON = ['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--chdir', '/app', '--clearenv'];
const inside = (root: string): readonly string[] => [
  'bwrap',
  '--die-with-parent',
  '--unshare-pid',
  '--bind',
  root,
  '/',
];

/** Words before a command that runs in `root` with the system of this machine, for images without a base. */
export const onThisSystem = (root: string): readonly string[] => {
  const system = ['usr', 'etc', 'bin', 'lib', 'lib64'].map((name) => `/${name}`).filter((path) => existsSync(path));
  return [...inside(root), ...system.flatMap((path) => ['--ro-bind', path, path]), ...COMMON];
};

/** The same with the system of the image. */
export const onItsSystem = (root: string): readonly string[] => [...inside(root), ...COMMON];

const environmentOf = ({ config }: Image, more: Readonly<Record<string, string>> = {}): readonly string[] =>
  [...config.config.Env, ...Object.entries(more).map(([name, value]) => `${name}=${value}`)].flatMap((entry) => {
    const cut = entry.indexOf('=');
    return ['--setenv', entry.slice(0, cut), entry.slice(cut + 1)];
  });

/** What the command prints in the image, in the place of the image's own. */
export function outputIn(system: readonly string[], image: Image, ...command: readonly string[]): string {
  const [program = '', ...words] = system;
  const entry = image.config.config['Entrypoint'] as readonly string[];
  return execFileSync(program, [...words, ...environmentOf(image), ...entry, ...command], { encoding: 'utf8' });
}

/** Starts the image's command and returns what it answers over HTTP. */
export async function answerOf(system: readonly string[], image: Image, path = '/'): Promise<string> {
  const [port = 0] = await freePorts(1);
  const [program = '', ...words] = system;
  const { Entrypoint, Cmd } = image.config.config as unknown as Record<'Entrypoint' | 'Cmd', readonly string[]>;
  const argv = [...words, ...environmentOf(image, { PORT: String(port) }), ...Entrypoint, ...Cmd];
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  try {
    return await answered(child, `http://127.0.0.1:${port}${path}`);
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

async function answered(child: ChildProcess, url: string): Promise<string> {
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream!.on('data', (text) => (log += String(text)));
  for (const until = Date.now() + 60_000; Date.now() < until && child.exitCode === null;) {
    try {
      return await (await fetch(url)).text();
    } catch {
      await new Promise((resume) => setTimeout(resume, 50));
    }
  }
  throw new Error(`no answer from the image:\n${log}`);
}
