// Asks apt-get, isolated from the configuration of the machine, for the files of packages in today's signed index.

import { fail, hasCode, succeed } from '../../engine/sdk.js';
import type { Folder, Result, RunContext, Services, Subprocess } from '../../engine/sdk.js';
import type { Distribution } from '../../manifests/catalogue/distributions.js';
import { aptFailed, toolMissing } from './failures.js';

/** A file of the archive, as the signed index describes it. */
export interface PackageFile {
  readonly name: string;
  readonly version: string;
  /** Relative to the base URL of the archive. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

export interface Archives {
  readonly distribution: Distribution;
  /** The base URL of the archive: the distribution's own or a mirror's. It may contain user and password. */
  readonly base: string;
  /** The keys for the signatures of the index, on this machine. */
  readonly keyring: string;
}

/** The newest version of each package in today's index. */
export async function findPackages(
  services: Pick<Services, 'files' | 'subprocess'>,
  context: RunContext,
  archives: Archives,
  names: readonly string[],
): Promise<Result<readonly PackageFile[]>> {
  const apt = new Apt(services.subprocess, services.files.of(context), context, archives);
  apt.layOut();
  const updated = await apt.run('read the package index', [
    'update',
    '-q',
    // Otherwise it makes another cache at the end, and the next command makes it again.
    '--option=pkgCacheFile::Generate=false',
  ]);
  if (!updated.ok) return updated;
  const told = await apt.run('find the packages', ['download', '-q', '--print-uris', ...names]);
  if (!told.ok) return told;
  const files = told.value.flatMap((line) => parseUri(line, archives.base) ?? []);
  const missing = names.filter((name) => !files.some((file) => file.name === name));
  if (missing.length > 0) {
    const lines = missing.map((name) => `E: Unable to find ${name}`);
    return fail(aptFailed('find the packages', archives.distribution.mirrorSetting, lines));
  }
  apt.keepSignatures();
  return succeed(names.map((name) => files.find((file) => file.name === name)!));
}

class Apt {
  constructor(
    private readonly subprocess: Subprocess,
    private readonly folders: { readonly scratch: Folder; readonly cache: Folder; readonly given: Folder },
    private readonly context: RunContext,
    private readonly archives: Archives,
  ) {}

  layOut(): void {
    const { scratch, cache, given } = this.folders;
    const { paths } = this.context;
    for (const folder of [`${LISTS}/partial`, 'apt/archives/partial']) scratch.makeFolders(folder);
    scratch.write('apt/status', '');
    given.write('apt/sources.list', sourcesList(this.archives), 0o600);
    const folders = { given: `${paths.given}/apt`, scratch: `${paths.scratch}/apt` };
    given.write('apt/apt.conf', aptConfiguration(folders, this.archives.distribution));
    for (const name of signed(cache, KEPT)) copy(cache, `${KEPT}/${name}`, scratch, `${LISTS}/${name}`);
  }

  /** Returns the lines of standard output. They enter the node's log only on failure. */
  async run(what: string, args: readonly string[]): Promise<Result<readonly string[]>> {
    const { subprocess, context, archives } = this;
    const printed: string[] = [];
    const all: string[] = [];
    const exit = await subprocess.run(context, {
      argv: ['apt-get', ...args],
      cwd: context.paths.scratch,
      env: { APT_CONFIG: `${context.paths.given}/apt/apt.conf`, LC_ALL: 'C.UTF-8' },
      network: true,
      filter(stream, text) {
        all.push(text);
        if (stream === 'stdout') printed.push(text);
        return undefined;
      },
    });
    if (!exit.ok) return hasCode(exit.failure, 'command::not-found') ? fail(toolMissing('apt-get')) : exit;
    if (exit.value.exitCode !== 0) return fail(aptFailed(what, archives.distribution.mirrorSetting, all));
    return succeed(printed);
  }

  /**
   * The next run starts from the signed files of this one. Then apt rejects an index that is older than one that it has seen, even
   * with a valid signature, so a mirror cannot present last month's packages as today's.
   */
  keepSignatures(): void {
    const { scratch, cache } = this.folders;
    for (const name of signed(scratch, LISTS)) {
      // Another run of the same app may do this at the same time.
      const temporary = `${KEPT}/.${name}.${process.pid}`;
      copy(scratch, `${LISTS}/${name}`, cache, temporary);
      cache.rename(temporary, `${KEPT}/${name}`);
    }
  }
}

/** In the scratch folder: the lists that apt-get downloaded. */
const LISTS = 'apt/lists';
/** In the cache folder: the signed files of the last run. */
const KEPT = 'index';

const signed = (folder: Folder, path: string): readonly string[] =>
  folder
    .list(path)
    .filter(({ name, kind }) => kind === 'file' && /^[^.].*_InRelease$/.test(name))
    .map(({ name }) => name);

const copy = (from: Folder, path: string, to: Folder, target: string): void =>
  void from.withFile(path, (file) => to.copyFrom(file, target));

const sourcesList = ({ distribution, base, keyring }: Archives): string =>
  distribution.suites
    .map(
      ({ path, name }) => `deb [arch=${distribution.architecture} signed-by=${keyring}] ${base}/${path} ${name} main\n`,
    )
    .join('');

/** Folders are as apt-get sees them. Every path that apt would read on the machine is set to something else. */
function aptConfiguration(
  { given, scratch }: { readonly given: string; readonly scratch: string },
  { architecture }: Distribution,
): string {
  const settings: Readonly<Record<string, string>> = {
    'APT::Architecture': architecture,
    'APT::Architectures': architecture,
    // With "root" apt keeps its user, because other users have no access to the folder of the node.
    'APT::Sandbox::User': 'root',
    // Otherwise apt only warns about an index that it cannot download.
    'APT::Update::Error-Mode': 'any',
    // The digest of the index that downloads are checked with.
    'Acquire::ForceHash': 'SHA256',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '0',
    'Acquire::http::Timeout': '10',
    'Acquire::https::Timeout': '10',
    'Dir::Cache': scratch,
    'Dir::Cache::archives': `${scratch}/archives`,
    // Caches for speed, larger than the lists that they are made from.
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'Dir::Etc::sourcelist': `${given}/sources.list`,
    'Dir::Log': scratch,
    'Dir::State': scratch,
    'Dir::State::lists': `${scratch}/lists`,
    'Dir::State::status': `${scratch}/status`,
    'Dir::Bin::dpkg': '/bin/false',
  };
  const unused = [
    'main',
    'netrc',
    'netrcparts',
    'parts',
    'preferences',
    'preferencesparts',
    'sourceparts',
    'trusted',
    'trustedparts',
  ];
  for (const name of unused) Object.assign(settings, { [`Dir::Etc::${name}`]: '/dev/null' });
  return Object.entries(settings)
    .map(([name, value]) => `${name} "${value}";\n`)
    .join('');
}

/** `'URL' NAME_VERSION_ARCH.deb SIZE SHA256:HEX`; the URL without user and password. */
function parseUri(line: string, base: string): PackageFile | undefined {
  const [, url, file, size, sha256] = /^'([^']+)' (\S+)\.deb (\d+) SHA256:([0-9a-f]{64})$/.exec(line) ?? [];
  if (url === undefined || file === undefined || size === undefined || sha256 === undefined) return undefined;
  const parent = withoutUser(base);
  const plain = withoutUser(url);
  if (!plain.startsWith(`${parent}/`)) return undefined;
  const [name = '', version = ''] = file.split('_');
  return {
    name,
    // A colon marks an epoch, and is escaped in file names.
    version: decodeURIComponent(version),
    path: plain.slice(parent.length + 1),
    sizeBytes: Number(size),
    sha256,
  };
}

const withoutUser = (url: string): string => url.replace(/\/\/[^/@]*@/, '//');
