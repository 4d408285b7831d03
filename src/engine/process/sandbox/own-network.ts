// A network namespace for the commands of one session: it reaches other machines through pasta, but nothing that listens on
// this machine.

import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { fail, succeed, type Result } from '../../failure.js';
import { MARKER_VARIABLE, nextMarker } from '../guardian.js';
import { processesBelow } from './usage.js';
import { signalGroup } from '../processes.js';
import { spawnWith } from '../spawn.js';

export interface NetworkPrograms {
  readonly pasta: string;
  readonly nsenter: string;
  /** Ports of this machine's loopback that commands may still reach: proxies and indexes of the operator. */
  readonly ports: readonly number[];
}

export interface OwnNetwork {
  /** Prefix of a command line that runs it there. */
  readonly enter: readonly string[];
  /** The caller is root of a user namespace there, and bubblewrap has to undo that. */
  readonly isUserMapped: boolean;
  /** Replaces the machine's nameserver if that is on the loopback. */
  readonly nameserver?: string;
  close(): void;
}

const START_TIMEOUT_MS = 5000;
/** pasta forwards name lookups sent to this address to the machine's own resolver. */
export const FORWARDED_RESOLVER = '169.254.1.1';

/*
 * Keeps the namespaces alive until its input ends. First it assigns all addresses of the machine to the loopback of the
 * namespace (link-local ones to its link), so that they don't reach the machine: SIOCSIFADDR, SIOCSIFNETMASK.
 */
const HOLDER = String.raw`
use Socket qw(AF_INET AF_INET6 SOCK_DGRAM inet_pton);
my ($link) = map { hex((split ' ', $_)[1]) } grep { (split ' ', $_)[1] ne '01' } do { open my $f, '<', '/proc/net/if_inet6'; $f ? <$f> : () };
my $count = 0;
for my $address (@ARGV) {
  if ($address =~ /:/) {
    socket my $s, AF_INET6, SOCK_DGRAM, 0 or next;
    my $index = $address =~ /^fe[89ab]/i ? $link : 1;
    ioctl $s, 0x8916, inet_pton(AF_INET6, $address) . pack('Ll', 128, $index) if $index;
  } else {
    socket my $s, AF_INET, SOCK_DGRAM, 0 or die "no socket: $!\n";
    my $name = pack 'a16', 'lo:' . $count++;
    my $is = sub { pack 'Sx2a4x8', AF_INET, inet_pton(AF_INET, $_[0]) };
    ioctl $s, 0x8916, my $set = $name . $is->($address) or die "no address: $!\n";
    ioctl $s, 0x891c, my $mask = $name . $is->('255.255.255.255') or die "no mask: $!\n";
  }
}
$| = 1;
print "ready\n";
1 while <STDIN>;
`;

/** Fails with the reason, in a few words. */
export async function openNetwork(programs: NetworkPrograms): Promise<Result<OwnNetwork, string>> {
  const isRoot = process.getuid?.() === 0;
  const nameserver = usesLoopbackResolver() ? FORWARDED_RESOLVER : undefined;
  const args = [
    // Started by root, pasta would become nobody, who can't enter the namespace that root made.
    ...(isRoot ? ['--runas', '0:0', '--netns-only'] : []),
    '--config-net',
    '--no-map-gw',
    ...(nameserver === undefined ? [] : ['--dns-forward', nameserver]),
    '-t',
    'none',
    '-u',
    'none',
    '-U',
    'none',
    '-T',
    programs.ports.length === 0 ? 'none' : programs.ports.join(','),
    '-f',
    '-q',
    '--',
    '/usr/bin/perl',
    '-e',
    HOLDER,
    ...addressesOfMachine(),
  ];
  const child = spawnWith(['pipe', 'pipe', 'pipe'], {}, (stdio) =>
    spawn(programs.pasta, args, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', [MARKER_VARIABLE]: nextMarker() },
      stdio,
      detached: true,
    }),
  );
  const close = (): void => {
    // Ends the program and the holder, and drops everything that would keep our process waiting for them.
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    for (const stream of child.stdio) stream?.destroy();
    child.unref();
  };
  const started = await holderOf(child);
  if (!started.ok) {
    close();
    return started;
  }
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as unknown as { unref(): void }).unref();
  const target = [`--target=${started.value}`, '--net'];
  return succeed({
    enter: [programs.nsenter, ...target, ...(isRoot ? [] : ['--user', '--preserve-credentials']), '--'],
    isUserMapped: !isRoot,
    ...(nameserver === undefined ? {} : { nameserver }),
    close,
  });
}

function holderOf(child: ChildProcess): Promise<Result<number, string>> {
  return new Promise((resolve) => {
    let said = '';
    const timer = setTimeout(
      () => resolve(fail(`pasta set up no network: ${lastOf(said) || 'it printed nothing'}`)),
      START_TIMEOUT_MS,
    );
    const settle = (result: Result<number, string>): void => {
      clearTimeout(timer);
      resolve(result);
    };
    child.on('error', (error) => settle(fail(error.message)));
    child.on('exit', () => settle(fail(`pasta exited: ${lastOf(said) || 'it printed nothing'}`)));
    child.stdin?.on('error', () => {});
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(-2000);
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (!output.includes('ready')) return;
      // The number that it knows itself is that of a process namespace.
      const holder = processesBelow(child.pid!)
        .slice(1)
        .find((path) => readFileSync(`${path}/comm`, 'latin1') === 'perl\n');
      settle(
        holder === undefined
          ? fail('pasta started no process to enter')
          : succeed(Number(holder.slice('/proc/'.length))),
      );
    });
  });
}

const lastOf = (text: string): string =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.includes('syslog'))
    .at(-1) ?? '';

const addressesOfMachine = (): readonly string[] =>
  Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ internal }) => !internal).map(({ address }) => address.replace(/%.*/, '')),
  );

function usesLoopbackResolver(): boolean {
  try {
    return /^\s*nameserver\s+(127\.|::1\s*$)/m.test(readFileSync('/etc/resolv.conf', 'latin1'));
  } catch {
    return false;
  }
}

/** Ports of the loopback in these URLs: an operator who names one wants commands to reach it. */
export function loopbackPorts(texts: readonly string[]): readonly number[] {
  const ports = new Set<number>();
  for (const text of texts) {
    for (const word of text.split(/[\s,]+/)) {
      const url = URL.canParse(word)
        ? new URL(word)
        : URL.canParse(`http://${word}`)
          ? new URL(`http://${word}`)
          : undefined;
      if (url === undefined || !isLoopback(url.hostname)) continue;
      const port = url.port === '' ? { 'http:': 80, 'https:': 443 }[url.protocol] : Number(url.port);
      if (port !== undefined) ports.add(port);
    }
  }
  return [...ports].sort((one, other) => one - other);
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || (isIP(host) === 4 && host.startsWith('127.'));
