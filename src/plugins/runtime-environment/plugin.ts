// Writes the profile scripts, which depend only on config and the package manager. Platforms look for the Procfile at the top of
// the slug, so the one of an app in a subfolder is copied there unless the app has one.

import { inject, injectable } from 'inversify';
import { Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { describeWindowsLines, saveWithLf, windowsLinesOf, type WindowsLines } from '../shared/app/line-ends.js';
import { literalPattern } from '../shared/app/literal-pattern.js';
import { isFile, isWantedFile } from '../shared/app/root-listing.js';
import { inRoot } from '../shared/app/root.js';
import {
  GUNICORN_SCRIPT,
  manifest,
  PROCFILE,
  PROFILE_FOLDER,
  PYTHON_SCRIPT,
  ROOT_SCRIPT,
  SQLALCHEMY_SCRIPT,
} from './manifest.js';
import type { config, inputs } from './manifest.js';
import { GUNICORN, pythonScript, rootScript, sqlalchemyScript } from './scripts.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Outputs = Readonly<Record<string, never>>;
/** What `reads` found out; keyed verbatim. */
type Facts = {
  readonly isCopied?: boolean;
  /** The app's own scripts with Windows line endings. */
  readonly crlf?: Readonly<Record<string, WindowsLines>>;
} | null;

@injectable()
export class RuntimeEnvironment implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'log'>) {}

  async reads({ config: { root } }: Node, view: ViewReader): ReadsPromise<Facts> {
    const crlf = await scriptsWithWindowsLines(view);
    const odd = Object.keys(crlf).length > 0 && { crlf };
    if (root === '.') return succeed({ facts: odd || null });
    const procfile = inRoot(root, PROCFILE);
    const isCopied = view.kindOf(PROCFILE) === undefined && (await isWantedFile(view, procfile));
    return succeed({ files: isCopied ? [literalPattern(procfile)] : [], facts: { isCopied, ...odd } });
  }

  async run({ config, inputs }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { root, vendorDir } = config;
    const { app } = this.services.files.of(context);
    const { isCopied, crlf = {} } = context.facts ?? {};
    for (const [script, windows] of Object.entries(crlf)) {
      const why = 'When the app boots, the CR becomes part of the values that the script sets.';
      this.services.log.notice(
        context,
        'profile::crlf',
        `${describeWindowsLines(script, windows)} ${why}\n${saveWithLf(script)}.`,
      );
    }
    app.write(PYTHON_SCRIPT, pythonScript(vendorDir, root, inputs.manager));
    app.write(GUNICORN_SCRIPT, GUNICORN);
    app.write(SQLALCHEMY_SCRIPT, sqlalchemyScript(root));
    if (root === '.') return succeed({ outputs: {} });

    app.write(ROOT_SCRIPT, rootScript(root));
    const procfile = isCopied === true ? app.resolve(inRoot(root, PROCFILE)) : undefined;
    if (procfile !== undefined) app.withFile(procfile, (file) => app.copyFrom(file, PROCFILE));
    return succeed({ outputs: {} });
  }
}

async function scriptsWithWindowsLines(view: ViewReader): Promise<Readonly<Record<string, WindowsLines>>> {
  const found: Record<string, WindowsLines> = {};
  for (const name of view.list(PROFILE_FOLDER)) {
    const script = `${PROFILE_FOLDER}/${name}`;
    const windows =
      name.endsWith('.sh') && (await isFile(view, script)) ? windowsLinesOf(await view.read(script)) : undefined;
    if (windows !== undefined) found[script] = windows;
  }
  return found;
}
