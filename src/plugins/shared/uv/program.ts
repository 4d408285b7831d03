// Runs uv for an install, in the folder of the project, for the slug's Python.

import { posix } from 'node:path';
import {
  fail,
  succeed,
  type PackageAccess,
  type Result,
  type RunContext,
  type Services,
  type ViewReader,
} from '../../../engine/sdk.js';
import { inRoot } from '../app/root.js';
import { maskUserinfo } from '../install/index-url.js';
import { runWithDownloads } from '../install/kept-downloads.js';
import { runInstaller } from '../install/run-installer.js';
import { uvCommand } from '../install/tool-command.js';
import { PUBLIC_APP_DIR, type SlugPython } from '../python/home.js';
import { UV_CACHE, uvEnvironment } from './command.js';
import { uvFailed } from './failures.js';
import type { UvProject } from './project.js';

interface UvTask {
  readonly python: SlugPython;
  readonly project: UvProject;
  /** The command in failures. */
  readonly shown: string;
  readonly hasSettings: boolean;
  /** Replaces the default index. */
  readonly index: string | undefined;
  readonly access: PackageAccess;
  /** Variables with logins for the indexes of the app. */
  readonly logins: Readonly<Record<string, string>>;
}

export class UvProgram {
  /** Whether uv built a package in one of the runs. */
  builtFromSource = false;
  readonly #env: Readonly<Record<string, string>>;

  constructor(
    private readonly services: Pick<Services, 'files' | 'subprocess'>,
    private readonly context: RunContext,
    private readonly task: UvTask,
  ) {
    const { python, hasSettings, index, access, logins } = task;
    this.#env = uvEnvironment(context, services.files, { home: python.home, hasSettings, index, access, logins });
  }

  /** `more`: additional variables for this run. */
  async run(args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<Result<void>> {
    const { services, context, task } = this;
    const { cache } = services.files.of(context);
    const exit = await runWithDownloads(cache, UV_CACHE, () =>
      runInstaller(services.subprocess, context, {
        argv: [...uvCommand(context), ...args],
        root: task.project.folder,
        env: { ...this.#env, ...more },
        line: (text) => this.#line(text),
      }),
    );
    if (!exit.ok) return exit;
    if (exit.value.exitCode === 0) return succeed(undefined);
    const requiredIn = await requiredVersionIn(context.view, posix.dirname(task.project.lockFile));
    return fail(
      task.access.explain(uvFailed(task.shown, exit.value, { place: context, minor: task.python.minor, requiredIn })),
    );
  }

  #line(text: string): string {
    this.builtFromSource ||= /^\s*Building /.test(text);
    // The path of a private folder doesn't help users.
    return maskUserinfo(text).replaceAll(this.context.paths.app, PUBLIC_APP_DIR);
  }
}

/** The file that sets the required version of uv. Like in uv, uv.toml comes first. `folder`: of the lockfile. */
async function requiredVersionIn(view: ViewReader, folder: string): Promise<string | undefined> {
  for (const name of ['uv.toml', 'pyproject.toml']) {
    const file = inRoot(folder, name);
    if (/^[^#]*\brequired-version"?\s*=/m.test((await view.read(file))?.toString() ?? '')) return file;
  }
  return undefined;
}
