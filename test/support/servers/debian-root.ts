// A second host on this machine: its kernel, network and Node, but another root file system with the programs, headers and packages of
// its own.

import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Context } from 'mocha';
import { bundledCli } from '../cli-scene.js';
import { skipBecause } from '../skip.js';
import { bringOrSkip } from './bring.js';

/** Where the second host has this machine's Node, which may be a program of /usr here. */
const NODE = '/opt/of-the-tests/node';
const PROJECT = resolve(import.meta.dirname, '../../..');

export class OtherHost {
  private constructor(readonly root: string) {}

  /** Makes its file system if no run has before, which takes minutes. Skips the suite where there can be none. */
  static need(mocha: Context): OtherHost {
    if (process.platform !== 'linux' || process.getuid?.() !== 0)
      skipBecause(mocha, 'only root can unpack packages of Debian');
    return new OtherHost(bringOrSkip(mocha, 'debian-root'));
  }

  /** The words before a run of pyflow there. It can write to `folders` only, which have the same paths there. */
  through(folders: readonly string[]): readonly string[] {
    // The first argument is the path of Node on this host.
    return [...this.#sandbox(folders), '/bin/sh', '-c', `shift; exec ${NODE} "$@"`, 'sh'];
  }

  /** Version of its compiler. */
  compilerVersion(): string {
    const [bwrap = '', ...words] = this.#sandbox([]);
    return execFileSync(bwrap, [...words, '/usr/bin/cc', '-dumpfullversion'], { encoding: 'utf8' }).trim();
  }

  #sandbox(folders: readonly string[]): readonly string[] {
    const { root } = this;
    const bundle = resolve(bundledCli(), '../..');
    const own = readdirSync(root).flatMap((name) => {
      const path = join(root, name);
      if (lstatSync(path).isSymbolicLink()) return ['--symlink', readlinkSync(path), `/${name}`];
      return ['bin', 'etc', 'lib', 'lib64', 'sbin', 'usr', 'var'].includes(name) ? ['--ro-bind', path, `/${name}`] : [];
    });
    const ofNetwork = ['/etc/resolv.conf', '/etc/hosts', '/etc/ssl/certs'].filter(
      (path) => existsSync(path) && existsSync(join(root, path)),
    );
    const same = (option: string, paths: readonly string[]) => paths.flatMap((path) => [option, path, path]);
    const system = ['--dev', '/dev', '--proc', '/proc', '--tmpfs', '/tmp'];
    const read = [...same('--ro-bind', [...ofNetwork, PROJECT, bundle]), '--ro-bind', process.execPath, NODE];
    return ['bwrap', ...own, ...system, ...read, ...same('--bind', folders), '--die-with-parent'];
  }
}
