// The failures of the kind `install-sqlite`.

import type { Failure } from '../../engine/sdk.js';

const MIRROR_UNREACHABLE = 'install-sqlite::mirror-unreachable';
export const isMirrorUnreachable = ({ code }: Failure): boolean => code === MIRROR_UNREACHABLE;

export const otherRelease = (stack: string, wanted: string, machine: string, because: string): Failure => ({
  code: 'install-sqlite::other-release',
  blame: 'pipeline',
  title: `SQLite for the stack ${stack} cannot be installed on this machine`,
  detail: `${because} pyflow installs SQLite from the packages of the machine's release. The stack is ${wanted}, but this machine is ${machine}, and a library built for one may not run on the other.`,
  remedy:
    'Build on a machine of that release. If the app will run on this machine and not on the platform, use `-p stack=host`. If it needs no SQLite in the slug, use `-p sqlite=off`.',
});

export const unknownRelease = (machine: string, known: readonly string[], because: string): Failure => ({
  code: 'install-sqlite::unknown-release',
  blame: 'environment',
  title: `SQLite cannot be installed on ${machine}`,
  detail: `${because} pyflow knows its packages for ${known.join(', ')}.`,
  remedy:
    'Build on one of these, or use `-p sqlite=off` and install the library and headers of SQLite on this machine.',
});

export const noKeyring = (keyring: string, keyringPackage: string): Failure => ({
  code: 'install-sqlite::no-keyring',
  blame: 'environment',
  title: "The keyring of this machine's distribution is missing",
  detail: `${keyring} was not found, so pyflow cannot check the signature of the package index.`,
  remedy: `Install the package ${keyringPackage} on this machine.`,
});

export const toolMissing = (program: string): Failure => ({
  code: 'install-sqlite::tool-missing',
  blame: 'environment',
  title: `The program ${program} was not found`,
  detail: 'pyflow downloads packages of the distribution with apt-get and unpacks them with dpkg-deb.',
  remedy: 'Install the packages apt and dpkg on this machine. Debian and Ubuntu have them by default.',
});

export const badMirror = (setting: string, shown: string): Failure => ({
  code: 'install-sqlite::bad-mirror',
  blame: 'environment',
  title: `PYFLOW_${setting} is not a valid mirror URL`,
  detail: `Its value is \`${shown}\`. It must be an http or https URL.`,
  remedy: 'Fix the variable. It replaces the scheme and host of the archive; the paths below stay the same.',
});

/** Messages of apt-get by kind of trouble; the first match counts. */
const APT_TROUBLES: readonly {
  readonly pattern: RegExp;
  readonly code: string;
  readonly title: string;
  readonly remedy: string;
  readonly retryable?: true;
}[] = [
  {
    pattern:
      /NO_PUBKEY|BADSIG|is not signed|signatures? (?:were invalid|couldn't be verified)|Missing key|Clearsigned file isn't valid|OpenPGP signature verification failed/i,
    code: 'install-sqlite::bad-signature',
    title: 'The package index is not signed by the distribution',
    remedy:
      'Do not use this mirror until you know who changed the index. If the distribution has a new key, update its keyring package on this machine.',
  },
  {
    pattern: /Release file for .* (?:is expired|is not valid yet)/i,
    code: 'install-sqlite::index-expired',
    title: 'The package index is out of date',
    remedy:
      'The mirror was not updated for a while, or the clock of this machine is wrong. Fix the clock, or use another mirror.',
  },
  {
    pattern: /Hash Sum mismatch|has unexpected size|Hashes of expected file|does not match the expected/i,
    code: 'install-sqlite::wrong-digest',
    title: 'A list of packages does not match the signed index',
    remedy:
      'A mirror that is being updated looks like this for some minutes. Try again later. If it fails again, find out who changes the files.',
  },
  {
    pattern:
      /Could not (?:connect|resolve)|Temporary failure|Connection (?:failed|timed out|refused|reset)|Cannot initiate the connection|Unable to connect|Network is unreachable|timed out|Error reading from server|\b(?:50[0-9]|429) {2}\S/i,
    code: MIRROR_UNREACHABLE,
    title: 'The package archive of the distribution is unreachable',
    remedy: 'Check the network and the proxy variables, try again later, or use a reachable mirror.',
    retryable: true,
  },
  {
    pattern: /does not have a Release file|no longer has a Release file|40[0-9] {2}\S|Unable to (?:find|locate)/i,
    code: 'install-sqlite::not-in-archive',
    title: 'The package archive lacks a needed package or release',
    remedy: 'The mirror may lack this release or a part of it. Use another one.',
  },
];

export function aptFailed(what: string, setting: string, lines: readonly string[]): Failure {
  const errors = [...new Set(lines.filter((line) => /^(?:E|W|Err\S*):?\s/.test(line)))];
  const trouble = APT_TROUBLES.find(({ pattern }) => lines.some((line) => pattern.test(line)));
  const detail = (errors.length > 0 ? errors : lines).slice(-10).join('\n') || 'It printed nothing.';
  if (trouble === undefined) {
    return {
      code: 'install-sqlite::apt',
      blame: 'environment',
      title: `apt-get could not ${what}`,
      detail,
      remedy: `Check the lines above. To use another mirror, set PYFLOW_${setting}.`,
    };
  }
  const { code, title, remedy, retryable } = trouble;
  return {
    code,
    blame: 'environment',
    title,
    detail,
    remedy: `${remedy} To use another mirror, set PYFLOW_${setting}.`,
    ...(retryable && { retryable }),
  };
}

export const badPackage = (file: string, problem: string): Failure => ({
  code: 'install-sqlite::bad-package',
  blame: 'environment',
  title: `The package ${file} cannot be used`,
  detail: problem,
  remedy:
    'Report this with the name of the release. The digest matches the signed index, so the package is as released.',
});

export const selfCheckFailed = (problem: string, printed: readonly string[] = []): Failure => ({
  code: 'install-sqlite::self-check',
  blame: 'environment',
  title: 'The installed SQLite does not work',
  detail: [problem, ...printed.slice(-20)].join('\n'),
  remedy: 'Report this with the name of the release. A library that SQLite needs may be missing on this machine.',
});
