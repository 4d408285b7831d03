// The Linux distributions whose packages pyflow can unpack into a slug: archives, keyrings, package names.

import data from './data/distributions.json' with { type: 'json' };

/** One release of a distribution for one architecture. */
export interface Distribution {
  /** ID and VERSION_ID as in os-release. */
  readonly id: string;
  readonly version: string;
  readonly codename: string;
  /** Debian name. */
  readonly architecture: string;
  /** URL of the archives, unless the operator sets a mirror; http or https, no slash at the end. */
  readonly base: string;
  /** Operator setting that replaces `base`. */
  readonly mirrorSetting: string;
  /** Relative to the base. */
  readonly suites: readonly { readonly path: string; readonly name: string }[];
  /** Keyring file on machines of this distribution, and the package that contains it. */
  readonly keyring: string;
  readonly keyringPackage: string;
  /** Packages of SQLite: library, headers, command, and what the command needs beyond a base image. */
  readonly sqlite: readonly string[];
}

interface Row {
  readonly id: string;
  readonly mirrorSetting: string;
  readonly keyring: string;
  readonly keyringPackage: string;
  readonly architectures: Readonly<Record<string, { readonly base: string; readonly path: string } | undefined>>;
  readonly suites: readonly string[];
  /** Set when security updates have a separate archive. */
  readonly security?: { readonly path: string; readonly suite: string };
  readonly releases: readonly {
    readonly version: string;
    readonly codename: string;
    readonly sqlite: readonly string[];
  }[];
}
const rows: readonly Row[] = data.distributions;

/** The distribution of a machine, by its os-release and its architecture in Node's spelling. Undefined if unknown. */
export function findDistribution(machine: {
  readonly release: { readonly id: string; readonly version: string };
  readonly arch: string;
}): Distribution | undefined {
  const row = rows.find(({ id }) => id === machine.release.id);
  const release = row?.releases.find(({ version }) => version === machine.release.version);
  const architecture = machine.arch === 'x64' ? 'amd64' : machine.arch;
  const archive =
    row !== undefined && Object.hasOwn(row.architectures, architecture) && row.architectures[architecture];
  if (row === undefined || release === undefined || !archive) return undefined;
  const { version, codename, sqlite } = release;
  const named = (suite: string): string => suite.replace('{codename}', codename);
  const { id, mirrorSetting, keyring, keyringPackage, security } = row;
  return {
    id,
    version,
    codename,
    architecture,
    base: archive.base,
    mirrorSetting,
    suites: [
      ...row.suites.map((suite) => ({ path: archive.path, name: named(suite) })),
      ...(security === undefined ? [] : [{ path: security.path, name: named(security.suite) }]),
    ],
    keyring,
    keyringPackage,
    sqlite,
  };
}

/** For messages: `debian 12` and so on. */
export const knownReleases = (): readonly string[] =>
  rows.flatMap(({ id, releases }) => releases.map(({ version }) => `${id} ${version}`));
