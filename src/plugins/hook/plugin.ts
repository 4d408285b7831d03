// Runs a script of the app as the original buildpack does: in every build, with the app's variables, and free to change anything.

import { inject, injectable } from 'inversify';
import { fail, hasCode, Services, succeed } from '../../engine/sdk.js';
import type {
  Failure,
  Folder,
  NodeOf,
  Plugin,
  ReadsPromise,
  RunContext,
  RunPromise,
  ViewReader,
} from '../../engine/sdk.js';
import { allowed, buildEnvironment, writeEnvDir } from '../shared/app-code/build-environment.js';
import { managerEnvironment } from '../shared/app-code/manager-environment.js';
import { changedFiles, dropStaleBytecode, takeSnapshot } from '../shared/app/changes.js';
import { windowsLinesOf } from '../shared/app/line-ends.js';
import { isWantedFile } from '../shared/app/root-listing.js';
import { inRoot, rootIn } from '../shared/app/root.js';
import { filesMentionPrivatePath } from '../shared/relocate/private-path.js';
import { hookCannotStart, hookFailed, passedWithWindowsLines } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
interface Outputs {
  readonly ran: boolean;
}
/** Whether the script is there. */
type Facts = { readonly present: boolean };

/** Bytes of a script that are searched for line endings. */
const MOST_LOOKED_AT = 1024 * 1024;

@injectable()
export class Hook implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'log' | 'subprocess'>) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const script = inRoot(config.root, config.script);
    const present = await isWantedFile(view, script);
    if (!present) return succeed({ exists: [script], facts: { present }, pure: true });
    return succeed({ files: ['**'], facts: { present }, env: allowed(view.envNames()), sideEffects: true });
  }

  async run({ config, inputs }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { root, vendorDir } = config;
    const script = inRoot(root, config.script);
    if (!context.facts.present) return succeed({ outputs: { ran: false } });
    this.services.log.step(context, `Running ${script}`);
    const { app } = this.services.files.of(context);
    const argv = argvFor(context, app, script);
    // Look before it runs, because a script may rewrite itself.
    const windows = windowsLinesOf(app.readStart(app.resolve(script) ?? script, MOST_LOOKED_AT));
    const envDir = writeEnvDir(context, this.services.files);
    const { path, variables } = managerEnvironment(context, this.services.files, inputs.manager, vendorDir);
    const before = await takeSnapshot(app, '', context.signal);
    const exit = await this.services.subprocess.run(context, {
      argv,
      cwd: rootIn(context.paths.app, root),
      env: buildEnvironment(context, { vendorDir, envDir, path, extra: variables }),
      network: true,
    });
    if (!exit.ok)
      return fail(hasNoInterpreter(exit.failure) ? hookCannotStart(script, exit.failure, windows) : exit.failure);
    if (exit.value.exitCode !== 0) return fail(hookFailed(script, exit.value, windows));
    if (windows !== undefined)
      this.services.log.notice(context, 'hooks::crlf', passedWithWindowsLines(script, windows));
    const after = await takeSnapshot(app, '', context.signal);
    dropStaleBytecode(app, vendorDir, before, after);
    const uncacheable = await filesMentionPrivatePath(context, app, changedFiles(before, after));
    return succeed({ outputs: { ran: true }, ...(uncacheable && { uncacheable }) });
  }
}

/** The script exists, so the program in its first line is missing. */
const hasNoInterpreter = (failure: Failure): boolean =>
  failure.blame === 'app' && hasCode(failure, 'command::not-found', 'command::not-executable');

/** Starts the script by its first line, or with bash if that names no interpreter. */
function argvFor(context: RunContext, app: Folder, script: string): readonly string[] {
  const seen = `${context.paths.app}/${script}`;
  const file = app.resolve(script) ?? script;
  if (!context.view.isExecutable(script)) app.chmod(file, 0o755);
  return app.readStart(file, 2)?.toString('latin1') === '#!' ? [seen] : ['bash', seen];
}
