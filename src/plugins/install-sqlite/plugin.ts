// Puts SQLite beside the slug's Python, for packages of the app that compile against it. It comes from the packages of the machine's
// release; apt-get finds today's versions in the index that the distribution signed.

import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, Result, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { findDistribution, knownReleases, type Distribution } from '../../manifests/catalogue/distributions.js';
import { HOST_STACK, stackStatus } from '../../manifests/catalogue/stacks.js';
import { nearestWith } from '../shared/app/project-folder.js';
import { inRoot } from '../shared/app/root.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { findPython } from '../shared/python/home.js';
import { findPackages, type Archives, type PackageFile } from './apt.js';
import { dependenciesOnSqlite } from './dependencies.js';
import {
  badMirror,
  badPackage,
  isMirrorUnreachable,
  noKeyring,
  otherRelease,
  toolMissing,
  unknownRelease,
} from './failures.js';
import { isKept, placeFiles } from './files.js';
import { keepPackages, keptPackages } from './kept-packages.js';
import { manifest, type config, type inputs } from './manifest.js';
import { checkSqlite } from './self-check.js';

type Node = NodeOf<typeof config, typeof inputs>;
interface Outputs {
  readonly installed: boolean;
  readonly version: string;
  readonly packages: Readonly<Record<string, string>>;
}
/** What `reads` found out; keyed verbatim. */
type Facts = {
  /** Absent if there is nothing to do. */
  readonly from?: { readonly distribution: string; readonly version: string; readonly architecture: string };
  readonly packages: string[];
  /** Dependencies that compile against SQLite. Empty if the pipeline asks for SQLite. */
  readonly dependencies: string[];
};

/** How long a result with the packages of an earlier build may be reused. */
const DEGRADED_MS = 60 * 60 * 1000;

const NOTHING: Facts = { packages: [], dependencies: [] };

@injectable()
export class InstallSqlite implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(
    @inject(Services)
    private readonly services: Pick<
      Services,
      'archive' | 'clock' | 'download' | 'files' | 'host' | 'log' | 'subprocess'
    >,
  ) {}

  /** The distribution's signature pins every file, so the mirror is not in the key. */
  async reads({ config, inputs }: Node, view: ViewReader): ReadsPromise<Facts> {
    const dependencies =
      config.mode === 'auto'
        ? await dependenciesOnSqlite(view, inputs.manager, {
            requirements: config.requirements,
            inRoot: async (path) => inRoot(await nearestWith(view, config.root, path), path),
          })
        : [];
    if (config.mode === 'off' || (config.mode === 'auto' && dependencies.length === 0)) {
      return succeed({ facts: NOTHING, pure: true });
    }
    const { release } = this.services.host;
    const machine = `${release.id} ${release.version}`.trim();
    const because =
      config.mode === 'on'
        ? 'The pipeline asks for SQLite.'
        : `The app depends on ${dependencies.join(', ')}, which compiles against SQLite.`;
    if (config.stack !== undefined && config.stack !== HOST_STACK) {
      const stack = stackStatus(config.stack);
      if (stack.distro !== release.id || stack.release !== release.version) {
        const wanted = `${stack.distro ?? 'unknown'} ${stack.release ?? ''}`.trim();
        return fail(otherRelease(config.stack, wanted, machine, because));
      }
    }
    const distribution = this.distributionHere();
    if (distribution === undefined) return fail(unknownRelease(machine, knownReleases(), because));
    const { id, version, architecture, sqlite } = distribution;
    const from = { distribution: id, version, architecture };
    const facts: Facts = { from, packages: [...sqlite], dependencies: [...dependencies] };
    return succeed({ facts });
  }

  /** Tests override it, because they sign with another key. */
  protected distributionHere(): Distribution | undefined {
    return findDistribution(this.services.host);
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { from, packages, dependencies } = context.facts;
    if (from === undefined) return succeed({ outputs: { installed: false, version: '', packages: {} } });
    const distribution = this.distributionHere();
    if (distribution === undefined) throw new Error('reads found a distribution, but run does not');
    const { app, scratch } = this.services.files.of(context);
    const python = findPython(app, config.vendorDir);
    if (!python.ok) return python;
    const { home } = python.value;
    const base = this.baseOf(distribution);
    if (!base.ok) return base;
    const { keyring, keyringPackage } = distribution;
    if (!this.services.files.machine(keyring).isFile()) return fail(noKeyring(keyring, keyringPackage));

    this.services.log.step(
      context,
      `Installing SQLite${dependencies.length > 0 ? ` for ${dependencies.join(', ')}` : ''}`,
    );
    const found = await this.findPackages(packages, { distribution, base: base.value, keyring }, context);
    if (!found.ok) return found;
    const { files, degraded } = found.value;
    const unpacked: string[] = [];
    for (const file of files) {
      this.services.log.info(context, `${file.name} ${file.version}`);
      const folder = await this.unpack(file, base.value, context);
      if (!folder.ok) return folder;
      unpacked.push(folder.value);
    }
    const problem = await placeFiles({ scratch, app }, unpacked, home);
    if (problem !== undefined) return fail(badPackage(packages.join(', '), problem));
    const version = await checkSqlite(this.services, context, home);
    if (!version.ok) return version;
    return succeed({
      outputs: {
        installed: true,
        version: version.value,
        packages: Object.fromEntries(files.map((file) => [file.name, file.version])),
      },
      ...(degraded !== undefined && { degraded: { reason: degraded, maxAgeMs: DEGRADED_MS } }),
    });
  }

  /** Today's packages. If the archive is unreachable, those of an earlier build, with the reason in `degraded`. */
  private async findPackages(
    names: readonly string[],
    archives: Archives,
    context: RunContext,
  ): Promise<Result<{ readonly files: readonly PackageFile[]; readonly degraded?: string }>> {
    const { distribution } = archives;
    const { cache } = this.services.files.of(context);
    const found = await findPackages(this.services, context, archives, names);
    if (found.ok) {
      keepPackages(cache, distribution, found.value, this.services.clock.now());
      return succeed({ files: found.value });
    }
    if (!isMirrorUnreachable(found.failure)) return found;
    const kept = keptPackages(cache, distribution, names, this.services.clock.now());
    if (kept === undefined) return found;
    const reason = 'SQLite from the packages of an earlier build, because the package archive was unreachable';
    this.services.log.notice(
      context,
      'install-sqlite::kept-packages',
      `${found.failure.title}.\npyflow uses the packages of an earlier build.`,
    );
    return succeed({ files: kept, degraded: reason });
  }

  private baseOf({ base, mirrorSetting }: Distribution): Result<string> {
    const mirror = this.services.host.setting(mirrorSetting);
    if (mirror === undefined || mirror === '') return succeed(base);
    // A blank or a bracket has another meaning in sources.list.
    if (!/^https?:\/\/[^\s[\]"']+$/.test(mirror) || !URL.canParse(mirror)) {
      return fail(badMirror(mirrorSetting, withoutUserinfo(mirror)));
    }
    return succeed(mirror.replace(/\/+$/, ''));
  }

  /** Unpacks the files of a package that are kept, and returns their folder. */
  private async unpack(file: PackageFile, base: string, context: RunContext): Promise<Result<string>> {
    const { sha256, sizeBytes } = file;
    const fetched = await this.services.download.fetch(context, { url: `${base}/${file.path}`, sha256, sizeBytes });
    if (!fetched.ok) return fetched;
    const folder = `unpacked/${file.name}`;
    const { scratch } = this.services.files.of(context);
    scratch.makeFolders(folder);
    const deb = `unpacked/${file.name}.deb`;
    const tar = `unpacked/${file.name}.tar`;
    this.services.files.machine(fetched.value).withFile('', (open) => scratch.copyFrom(open, deb));
    // dpkg-deb knows every compression that its distribution uses; the tar file is then read strictly.
    const exit = await this.services.subprocess.run(context, {
      argv: ['/bin/sh', '-c', 'exec dpkg-deb --fsys-tarfile "$1" > "$2"', 'sh', deb, tar],
      cwd: context.paths.scratch,
      network: false,
    });
    if (!exit.ok) return exit;
    if (exit.value.exitCode === 127) return fail(toolMissing('dpkg-deb'));
    if (exit.value.exitCode !== 0) return fail(badPackage(file.name, exit.value.lines.slice(-5).join('\n')));
    const unpacked = await this.services.archive.unpack(context, {
      file: `${context.scratchDir}/${tar}`,
      format: 'tar',
      into: `${context.scratchDir}/${folder}`,
      keep: isKept,
    });
    return unpacked.ok ? succeed(folder) : unpacked;
  }
}
