// Puts a Python of a resolved version into the slug, in its one normal form, from the first provider that has it.

import { mkdir } from 'node:fs/promises';
import { inject, injectable } from 'inversify';
import {
  Archive,
  Download,
  fail,
  Host,
  NodeLog,
  Subprocess,
  succeed,
  type Failure,
  type FromSchema,
  type Plugin,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
} from '../../engine/sdk.js';
import { findRuntime, runtimePlatform, type Runtime } from '../../manifests/catalogue/runtimes.js';
import { compileBytecode } from '../shared/bytecode.js';
import { HostCommand } from '../shared/host-command.js';
import { findInterpreters } from '../shared/interpreters.js';
import { privatePaths } from '../shared/private-needles.js';
import { pythonHome, publicPrefix } from '../shared/python-home.js';
import { belongsToRuntime, copyRuntime, normalizeRuntime } from '../shared/runtime-form.js';
import { searchFiles } from '../shared/search-bytes.js';
import { walkFiles } from '../shared/file-walk.js';
import {
  badMirror,
  describeInterpreter,
  downloadFailed,
  noProvider,
  privatePathLeft,
  unfitRuntime,
  unknownPatch,
  type ProviderMiss,
} from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { checkRuntime } from './self-check.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
interface Outputs {
  readonly version: string;
  readonly minor: string;
  readonly provider: string;
}
type Provider = Config['providers'][number];

/** What a provider put below the vendor folder. */
interface Installed {
  readonly version: string;
  /** Folders of this machine that its files may name. */
  readonly privatePrefixes: readonly string[];
}

/** A copy of what happens to be installed is trusted for this long. */
const DEGRADED_MS = 60 * 60 * 1000;

@injectable()
export class FetchRuntime implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(
    @inject(Subprocess) private readonly subprocess: Subprocess,
    @inject(Download) private readonly download: Download,
    @inject(Archive) private readonly archive: Archive,
    @inject(NodeLog) private readonly log: NodeLog,
    @inject(Host) private readonly host: Host,
    @inject(HostCommand) private readonly hostCommand: HostCommand,
  ) {}

  /** The archive is pinned by its digest, so where it is fetched from is not in the key. */
  async reads({ config, inputs }: Node): Promise<Result<Reads, Failure>> {
    const row = config.providers.includes('python-build-standalone') ? this.findRow(inputs.python.version) : undefined;
    return succeed({ facts: row === undefined ? {} : { archive: { build: row.build, sha256: row.sha256 } } });
  }

  async run({ config, inputs }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    const { version, minor, exact } = inputs.python;
    const home = `${context.appDir}/${pythonHome(config.vendorDir)}`;
    const misses: ProviderMiss[] = [];
    for (const [position, provider] of config.providers.entries()) {
      await mkdir(home, { recursive: true });
      const attempt = await this.provide(provider, inputs.python, home, context);
      if (!attempt.ok) return attempt;
      if ('reason' in attempt.value) {
        misses.push(attempt.value);
        const isLast = position === config.providers.length - 1;
        if (!isLast) {
          const next = config.providers[position + 1] ?? '';
          this.log.notice(
            context,
            'runtime::provider-passed-over',
            `${provider} did not give Python ${version}: ${attempt.value.reason}\nTrying ${next} instead.`,
          );
        }
        continue;
      }
      const finished = await this.finish(attempt.value, provider, minor, config.vendorDir, context);
      if (!finished.ok) return finished;
      const outputs = { version: attempt.value.version, minor, provider };
      const isSecondBest = provider === 'system' || position > 0;
      if (!isSecondBest) return succeed({ outputs });
      const instead = misses.map((miss) => `${miss.provider} gave none`).join(', ');
      const reason = `Python ${attempt.value.version} from ${provider}${instead && ` because ${instead}`}`;
      return succeed({ outputs, degraded: { reason, maxAgeMs: DEGRADED_MS } });
    }
    const isUnknown = misses.every((miss) => !miss.isTemporary) && this.findRow(version) === undefined;
    return fail(isUnknown ? unknownPatch(version, this.platformName(), misses) : noProvider(version, exact, misses));
  }

  /** Overridden by tests, which have no archive of a real build. */
  protected findRow(version: string): Runtime | undefined {
    const platform = runtimePlatform(this.host);
    return platform === undefined ? undefined : findRuntime(platform, version);
  }

  private provide(
    provider: Provider,
    python: Node['inputs']['python'],
    home: string,
    context: RunContext,
  ): Promise<Result<Installed | ProviderMiss, Failure>> {
    return provider === 'system'
      ? this.copyFromSystem(python, home, context)
      : this.unpackStandalone(python, home, context);
  }

  private async unpackStandalone(
    { version, minor }: Node['inputs']['python'],
    home: string,
    context: RunContext,
  ): Promise<Result<Installed | ProviderMiss, Failure>> {
    const provider = 'python-build-standalone';
    const row = this.findRow(version);
    if (row === undefined) {
      return succeed({ provider, reason: `there is no build for ${this.platformName()}.`, isTemporary: false });
    }
    const url = this.urlOf(row);
    if (!url.ok) return url;
    this.log.step(context, `Installing Python ${version}`);
    const file = await this.download.fetch(context, {
      url: url.value,
      sha256: row.sha256,
      ...(row.sizeBytes !== undefined && { sizeBytes: row.sizeBytes }),
    });
    if (!file.ok) {
      if (file.failure.code === 'download::host-unreachable') {
        return succeed({ provider, reason: file.failure.title, isTemporary: true });
      }
      return file.failure.code.startsWith('download::') ? fail(downloadFailed(version, url.value, file.failure)) : file;
    }
    const unpacked = await this.archive.unpack(context, {
      file: file.value,
      format: 'tar.gz',
      into: home,
      strip: 1,
      keep: (path) => belongsToRuntime(path, minor),
    });
    if (!unpacked.ok) return unpacked;
    return succeed({ version, privatePrefixes: [] });
  }

  private urlOf(row: Runtime): Result<string, Failure> {
    const mirror = this.host.setting('PYTHON_MIRROR');
    if (mirror === undefined || mirror === '') return succeed(row.url);
    if (!/^(https?|file):\/\//.test(mirror) || !URL.canParse(mirror)) return fail(badMirror(mirror));
    return succeed(`${mirror.replace(/\/+$/, '')}/${row.path}`);
  }

  private async copyFromSystem(
    { version, minor, exact }: Node['inputs']['python'],
    home: string,
    context: RunContext,
  ): Promise<Result<Installed | ProviderMiss, Failure>> {
    const seen = await findInterpreters(minor, this.host, this.hostCommand, context.signal);
    const chosen = seen.find((found) => found.refusal === undefined && (!exact || found.version === version));
    if (chosen === undefined) {
      const wanted = exact ? `CPython ${version}` : `a CPython ${minor}`;
      const others = seen.length === 0 ? `no ${minor} at all` : seen.map(describeInterpreter).join('; ');
      return succeed({
        provider: 'system',
        reason: `${wanted} is needed; this machine has ${others}.`,
        isTemporary: false,
      });
    }
    this.log.step(context, `Installing Python ${chosen.version}, copied from this machine`);
    this.log.info(context, `Copying ${chosen.prefix}`);
    await copyRuntime(chosen.prefix, home, minor, context.signal);
    return succeed({ version: chosen.version, privatePrefixes: [chosen.prefix] });
  }

  /** Normal form, proof that it is the interpreter it claims to be, own bytecode. */
  private async finish(
    installed: Installed,
    provider: Provider,
    minor: string,
    vendorDir: string,
    context: RunContext,
  ): Promise<Result<void, Failure>> {
    const home = pythonHome(vendorDir);
    const real = `${context.appDir}/${home}`;
    const prefix = publicPrefix(vendorDir);
    const formed = await normalizeRuntime(real, minor, prefix, installed.privatePrefixes);
    if (!formed.ok) return fail(unfitRuntime(installed.version, provider, formed.failure));
    const python = `${context.paths.app}/${home}/bin/python`;
    const checked = await checkRuntime(this.subprocess, context, { home, version: installed.version });
    if (!checked.ok) return checked;
    const compiled = await compileBytecode(this.subprocess, context, {
      python,
      files: formed.value.pythonFiles.map((file) => `${home}/${file}`),
    });
    if (!compiled.ok) return compiled;
    const files = await walkFiles(real);
    const needles = [
      ...installed.privatePrefixes.filter((path) => path.split('/').length > 3),
      ...privatePaths(context),
    ];
    const found = await searchFiles(
      real,
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

  private platformName(): string {
    return `${this.host.os}-${this.host.arch}-${this.host.libc.name}`;
  }
}
