// Runs a declared program. It does hardly any work beyond that, because generated pipelines have thousands of these nodes.
// The engine checks that nothing is written outside `writes`.

import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { filesMentionPrivatePath, fixedPart, mentionsPrivatePath } from '../shared/relocate/private-path.js';
import { isLostLink, whyNoCwd } from './cwd.js';
import { commandFailed, wrongCwd } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';
import { startFailure } from './start-failure.js';
import { Tail } from './tail.js';

type Node = NodeOf<typeof config, typeof inputs>;
interface Outputs {
  readonly stdout: string;
}

const CAPTURED_BYTES = 64 * 1024;

@injectable()
export class Command implements Plugin<Node['config'], Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'subprocess'>) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise {
    if (config.cwd !== undefined && isLostLink(view, config.cwd)) return fail(wrongCwd(config.cwd, 'link'));
    return succeed({
      files: config.reads,
      ...(config.exists && { exists: config.exists }),
      ...(config.appEnv && { env: config.appEnv }),
    });
  }

  async run({ config }: Node, context: RunContext): RunPromise<Outputs> {
    const { app } = this.services.files.of(context);
    const wrong = config.cwd === undefined ? undefined : whyNoCwd(app, config.cwd);
    if (wrong !== undefined) return fail(wrong);
    const tail = config.capture === true ? new Tail(CAPTURED_BYTES) : undefined;
    const exit = await this.services.subprocess.run(context, {
      argv: config.argv,
      ...(config.cwd !== undefined && { cwd: `${context.paths.app}/${config.cwd}` }),
      ...(tail && {
        filter: (stream: 'stdout' | 'stderr', text: string) => {
          if (stream === 'stdout') tail.add(text);
          return text;
        },
      }),
    });
    if (!exit.ok) return fail(startFailure(app, config, exit.failure));
    if (exit.value.exitCode !== 0) return fail(commandFailed(config.argv, exit.value));
    const stdout = tail?.text() ?? '';
    const uncacheable =
      mentionsPrivatePath(context, stdout) ??
      (await filesMentionPrivatePath(context, app, new Set(config.writes.map(fixedPart))));
    return succeed({ outputs: { stdout }, ...(uncacheable && { uncacheable }) });
  }
}
