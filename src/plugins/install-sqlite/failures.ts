// The failures that the kind `install-sqlite` raises.

import type { Failure } from '../../engine/sdk.js';

const MIRROR_UNREACHABLE = 'install-sqlite::mirror-unreachable';
export const isMirrorUnreachable = ({ code }: Failure): boolean => code === MIRROR_UNREACHABLE;

export const otherRelease = (stack: string, wanted: string, machine: string, because: string): Failure => ({
  code: 'install-sqlite::other-release',
  blame: 'pipeline',
  title: `SQLite for the stack ${stack} cannot be installed on this machine`,
  detail: `${because} SQLite is taken from the packages of the machine's own release. The stack is ${wanted}, this machine is ${machine}: a library built for the one may not run on the other.`,
  remedy:
    'Build on a machine of that release. If the app will run on this machine and not on the platform, give `-p stack=host`; if it needs no SQLite of its own, give `-p sqlite=off`.',
});

export const unknownRelease = (machine: string, known: readonly string[], because: string): Failure => ({
  code: 'install-sqlite::unknown-release',
  blame: 'environment',
  title: `SQLite cannot be installed on ${machine}`,
  detail: `${because} Its packages are known for ${known.join(', ')}.`,
  remedy:
    'Build on one of these, or give `-p sqlite=off` and install the library and headers of SQLite on this machine.',
});

export const noKeyring = (keyring: string, keyringPackage: string): Failure => ({
  code: 'install-sqlite::no-keyring',
  blame: 'environment',
  title: "The keyring of this machine's distribution is missing",
  detail: `There is no ${keyring}, so nothing tells whether the package index is genuine.`,
  remedy: `Install the package ${keyringPackage} on this machine.`,
});

export const toolMissing = (program: string): Failure => ({
  code: 'install-sqlite::tool-missing',
  blame: 'environment',
  title: `The program ${program} is missing`,
  detail: 'Packages of the distribution are fetched by apt-get and taken apart by dpkg-deb.',
  remedy:
    'Install the packages apt and dpkg on this machine; every Debian and Ubuntu has them unless they were removed.',
});

export const badMirror = (setting: string, shown: string): Failure => ({
  code: 'install-sqlite::bad-mirror',
  blame: 'environment',
  title: `PYFLOW_${setting} is not a URL that packages can be fetched from`,
  detail: `It is \`${shown}\`; http and https URLs are understood.`,
  remedy: 'Correct the variable: it replaces the scheme and host of the archives; the paths below stay the same.',
});

/** What apt-get says, by kind of trouble; the first that fits decides. */
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
      'Do not use this mirror until it is known who changed the index. If the distribution has a new key, update its keyring package on this machine.',
  },
  {
    pattern: /Release file for .* (?:is expired|is not valid yet)/i,
    code: 'install-sqlite::index-expired',
    title: 'The package index is not of today',
    remedy:
      'The mirror was not updated for a while, or the clock of this machine is wrong: mend that, or use another mirror.',
  },
  {
    pattern: /Hash Sum mismatch|has unexpected size|Hashes of expected file|does not match the expected/i,
    code: 'install-sqlite::wrong-digest',
    title: 'A list of packages is not the one that the signed index names',
    remedy:
      'A mirror that is being updated looks like this for some minutes: try again later. If it stays, find out who changes the files.',
  },
  {
    pattern:
      /Could not (?:connect|resolve)|Temporary failure|Connection (?:failed|timed out|refused|reset)|Cannot initiate the connection|Unable to connect|Network is unreachable|timed out|Error reading from server|\b(?:50[0-9]|429) {2}\S/i,
    code: MIRROR_UNREACHABLE,
    title: 'The package archive of the distribution gives no answer',
    remedy: 'Check the network and the proxy variables, try again later, or name a mirror that can be reached.',
    retryable: true,
  },
  {
    pattern: /does not have a Release file|no longer has a Release file|40[0-9] {2}\S|Unable to (?:find|locate)/i,
    code: 'install-sqlite::not-in-archive',
    title: 'The package archive does not have what is needed',
    remedy: 'A mirror may lack this release, or a part of it: use another one.',
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
      remedy: `Look at the lines above; PYFLOW_${setting} names another mirror.`,
    };
  }
  const { code, title, remedy, retryable } = trouble;
  return {
    code,
    blame: 'environment',
    title,
    detail,
    remedy: `${remedy} PYFLOW_${setting} names another mirror.`,
    ...(retryable && { retryable }),
  };
}

export const badPackage = (file: string, problem: string): Failure => ({
  code: 'install-sqlite::bad-package',
  blame: 'environment',
  title: `The package ${file} cannot be used`,
  detail: problem,
  remedy: 'Its digest is the one of the signed index, so it is as released: report this with the name of the release.',
});

export const selfCheckFailed = (problem: string, printed: readonly string[] = []): Failure => ({
  code: 'install-sqlite::self-check',
  blame: 'environment',
  title: 'The installed SQLite does not run as it should',
  detail: [problem, ...printed.slice(-20)].join('\n'),
  remedy: 'A library that it needs may be missing on this machine. Report this with the name of the release.',
});
