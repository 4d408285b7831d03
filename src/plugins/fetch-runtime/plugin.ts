// Puts a Python of a resolved version into the slug, in normal form, from the first provider that has it.

import { inject, injectable } from 'inversify';
import { fail, failKnowing, hasCode, isOfArea, Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, Result, RunContext, RunPromise } from '../../engine/sdk.js';
import { findRuntime, runtimePlatform, type Runtime } from '../../manifests/catalogue/runtimes.js';
import { stackStatus } from '../../manifests/catalogue/stacks.js';
import type { Provider } from '../shared/archives/provider-list.js';
import { compileBytecode } from '../shared/python/bytecode.js';
import { publicPrefix, pythonHome } from '../shared/python/home.js';
import { HostCommand } from '../shared/python/host-command.js';
import { findInterpreters } from '../shared/python/interpreters.js';
import { privatePaths } from '../shared/relocate/private-needles.js';
import { belongsToRuntime, copyRuntime, isItsBytecode, normalizeRuntime } from '../shared/relocate/runtime-form.js';
import { searchFiles } from '../shared/relocate/search-bytes.js';
import {
  describeInterpreter,
  downloadFailed,
  noProvider,
  privatePathLeft,
  unfitRuntime,
  unknownPatch,
  unpinned,
} from './failures.js';
import type { ProviderMiss } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { checkRuntime } from './self-check.js';
import { findPinned, platformName, platformSource, standaloneSource, type Source } from './sources.js';

type Node = NodeOf<typeof config, typeof inputs>;
interface Outputs {
  readonly version: string;
  readonly minor: string;
  readonly provider: string;
}
/** A runtime that a provider put below the vendor folder. */
interface Installed {
  readonly version: string;
  /** Folders of this machine that its files may contain as text. */
  readonly privatePrefixes: readonly string[];
  /** The archive contains bytecode, pinned together with the sources. */
  readonly hasBytecode: boolean;
}

/** How long a copy of an installed interpreter may be reused. */
const DEGRADED_MS = 60 * 60 * 1000;

/** The version to install, for the build data of a build that fails here. */
const knownOf = ({ python: { version, minor } }: Node['inputs']) => ({ version, minor });

@injectable()
export class FetchRuntime implements Plugin<Node['config'], Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(
    @inject(Services)
    private readonly services: Pick<Services, 'archive' | 'download' | 'files' | 'host' | 'log' | 'subprocess'>,
    @inject(HostCommand) private readonly hostCommand: HostCommand,
  ) {}

  /** Archives are pinned by digest, so their URL is not in the key. The absence of an archive is. */
  async reads({ config, inputs }: Node): ReadsPromise {
    const { version } = inputs.python;
    const row = config.providers.includes('python-build-standalone') ? this.findRow(version) : undefined;
    const pinned = config.providers.includes('scalingo')
      ? findPinned(version, config.stack, this.services.host)
      : succeed(undefined);
    if (!pinned.ok) return failKnowing(pinned.failure, knownOf(inputs));
    const { value } = pinned;
    return succeed({
      facts: {
        ...(row !== undefined && { archive: { build: row.build, sha256: row.sha256 } }),
        ...(value !== undefined && { platformArchive: { name: value.name, sha256: value.sha256 } }),
      },
    });
  }

  async run(node: Node, context: RunContext): RunPromise<Outputs> {
    const done = await this.provideFirst(node, context);
    return done.ok ? done : failKnowing(done.failure, knownOf(node.inputs));
  }

  private async provideFirst({ config, inputs }: Node, context: RunContext): RunPromise<Outputs> {
    const { version, minor, exact } = inputs.python;
    const home = pythonHome(config.vendorDir);
    const misses: ProviderMiss[] = [];
    for (const [position, provider] of config.providers.entries()) {
      this.services.files.of(context).app.makeFolders(home);
      const attempt = await this.provide(provider, { config, inputs }, home, context);
      if (!attempt.ok) return attempt;
      if ('reason' in attempt.value) {
        misses.push(attempt.value);
        const isLast = position === config.providers.length - 1;
        if (!isLast) {
          const next = config.providers[position + 1] ?? '';
          this.services.log.notice(
            context,
            'runtime::provider-passed-over',
            `${provider} has no Python ${version}: ${attempt.value.reason}\nTrying ${next} instead.`,
          );
        }
        continue;
      }
      const finished = await this.finish(attempt.value, provider, minor, config.vendorDir, context);
      if (!finished.ok) return finished;
      const outputs = { version: attempt.value.version, minor, provider };
      const isSecondBest = provider === 'system' || misses.some((miss) => !miss.isCertain);
      if (!isSecondBest) return succeed({ outputs });
      const instead = misses.map((miss) => `${miss.provider} has none`).join(', ');
      const reason = `Python ${attempt.value.version} from ${provider}${instead && ` because ${instead}`}`;
      const degraded = { reason, maxAgeMs: DEGRADED_MS };
      return succeed({ outputs, degraded, ...(provider === 'system' && { usedBuilder: true as const }) });
    }
    if (misses.every((miss) => miss.isUnpinned)) return fail(unpinned(version, misses));
    const isUnknown = misses.every((miss) => !miss.isTemporary) && this.findRow(version) === undefined;
    return fail(
      isUnknown ? unknownPatch(version, platformName(this.services.host), misses) : noProvider(version, exact, misses),
    );
  }

  /** Tests override it, because they have no archive of a real build. */
  protected findRow(version: string): Runtime | undefined {
    const platform = runtimePlatform(this.services.host);
    return platform === undefined ? undefined : findRuntime(platform, version);
  }

  private async provide(
    provider: Provider,
    { config, inputs: { python } }: Node,
    home: string,
    context: RunContext,
  ): Promise<Result<Installed | ProviderMiss>> {
    if (provider === 'system') return this.copyFromSystem(python, home, context);
    const source =
      provider === 'scalingo'
        ? platformSource(python.version, config.stack, this.services.host)
        : standaloneSource(this.findRow(python.version), this.services.host);
    if (!source.ok) return source;
    if ('reason' in source.value) return succeed(source.value);
    if (provider === 'scalingo') this.warnOfOtherRelease(config.stack ?? '', context);
    return this.unpack(source.value, python, home, context);
  }

  /** The self-check finds out whether the runtime works. This notice explains a possible failure. */
  private warnOfOtherRelease(stack: string, context: RunContext): void {
    const { distro = '', release = '' } = stackStatus(stack);
    const { id, version } = this.services.host.release;
    if (id === distro && version === release) return;
    this.services.log.notice(
      context,
      'runtime::other-release',
      `The archive was built for ${distro} ${release}, but this machine runs ${id} ${version}.\nLibraries that Python or the app's packages need may be missing or have another version.`,
    );
  }

  private async unpack(
    source: Source,
    { version, minor }: Node['inputs']['python'],
    home: string,
    context: RunContext,
  ): Promise<Result<Installed | ProviderMiss>> {
    const { provider, url, sha256, sizeBytes, format, strip } = source;
    this.services.log.step(context, `Installing Python ${version}`);
    const size = sizeBytes !== undefined && { sizeBytes };
    const file = await this.services.download.fetch(context, { url, sha256, ...size });
    if (!file.ok) {
      if (hasCode(file.failure, 'download::host-unreachable')) {
        return succeed({ provider, reason: file.failure.title, isTemporary: true, isCertain: false });
      }
      return isOfArea(file.failure, 'download') ? fail(downloadFailed(version, url, file.failure)) : file;
    }
    const keep = (path: string): boolean => belongsToRuntime(path, minor) || isItsBytecode(path, minor);
    const unpacked = await this.services.archive.unpack(context, {
      file: file.value,
      format,
      into: `${context.appDir}/${home}`,
      strip,
      keep,
    });
    if (!unpacked.ok) return unpacked;
    return succeed({ version, privatePrefixes: [], hasBytecode: true });
  }

  private async copyFromSystem(
    { version, minor, exact }: Node['inputs']['python'],
    home: string,
    context: RunContext,
  ): Promise<Result<Installed | ProviderMiss>> {
    const seen = await findInterpreters(
      minor,
      { host: this.services.host, files: this.services.files, command: this.hostCommand },
      context.signal,
    );
    const chosen = seen.find((found) => found.refusal === undefined && (!exact || found.version === version));
    if (chosen === undefined) {
      const wanted = exact ? `CPython ${version}` : `a CPython ${minor}`;
      const others = seen.length === 0 ? `no CPython ${minor}` : seen.map(describeInterpreter).join('; ');
      return succeed({
        provider: 'system',
        reason: `${wanted} is needed, but this machine has ${others}.`,
        isTemporary: false,
        isCertain: false,
      });
    }
    this.services.log.step(context, `Installing Python ${chosen.version} from this machine`);
    this.services.log.info(context, `Copying ${chosen.prefix}`);
    await copyRuntime(
      this.services.files.machine(chosen.prefix),
      this.services.files.of(context).app,
      home,
      minor,
      context.signal,
    );
    return succeed({ version: chosen.version, privatePrefixes: [chosen.prefix], hasBytecode: false });
  }

  /** Brings the runtime into normal form, checks that it is what it claims to be, and compiles its bytecode. */
  private async finish(
    installed: Installed,
    provider: Provider,
    minor: string,
    vendorDir: string,
    context: RunContext,
  ): Promise<Result<void>> {
    const home = pythonHome(vendorDir);
    const { app } = this.services.files.of(context);
    const form = { home, minor, publicPrefix: publicPrefix(vendorDir) };
    const formed = await normalizeRuntime(app, form, installed.privatePrefixes);
    if (!formed.ok) return fail(unfitRuntime(installed.version, provider, formed.failure));
    const python = `${context.paths.app}/${home}/bin/python`;
    const checked = await checkRuntime(this.services.subprocess, context, { home, version: installed.version });
    if (!checked.ok) return checked;
    const compiled = await compileBytecode(this.services, context, {
      python,
      files: formed.value.pythonFiles.map((file) => `${home}/${file}`),
      reuse: installed.hasBytecode,
    });
    if (!compiled.ok) return compiled;
    const files = await app.walk(home);
    const needles = [
      ...installed.privatePrefixes.filter((path) => path.split('/').length > 3),
      ...privatePaths(context),
    ];
    const found = await searchFiles(
      app,
      home,
      files.map((file) => file.path),
      needles,
    );
    if (found.length === 0) return succeed(undefined);
    return fail(
      privatePathLeft(
        installed.version,
        found.slice(0, 10).map(({ path, text }) => `${path}: ${text}`),
      ),
    );
  }
}
