// Runs a declared program. Lean on purpose: beyond the one subprocess there is next to no work, since generated
// pipelines have thousands of these nodes. That nothing is written outside `writes` is the engine's check.

import { inject, injectable } from 'inversify';
import { fail, hasCode, pathBeneath, Services, succeed } from '../../engine/sdk.js';
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
import { fixedPart, filesMentionPrivatePath, mentionsPrivatePath } from '../shared/relocate/private-path.js';
import { commandFailed, wrongCwd, wrongProgram } from './failures.js';
import { manifest, type config, type inputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Config = Node['config'];
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
    if (!exit.ok) return fail(ofPipeline(app, config, exit.failure));
    if (exit.value.exitCode !== 0) return fail(commandFailed(config.argv, exit.value));
    const stdout = tail?.text() ?? '';
    const uncacheable =
      mentionsPrivatePath(context, stdout) ??
      (await filesMentionPrivatePath(context, app, new Set(config.writes.map(fixedPart))));
    return succeed({ outputs: { stdout }, ...(uncacheable && { uncacheable }) });
  }
}

function whyNoCwd(app: Folder, cwd: string): Failure | undefined {
  const path = pathBeneath('', cwd);
  if (path === undefined) return wrongCwd(cwd, 'missing');
  const found = path === '' ? '' : app.resolve(path);
  if (found !== undefined) {
    const kind = found === '' ? 'directory' : app.kindOf(found);
    return kind === 'directory' ? undefined : wrongCwd(cwd, 'file');
  }
  return wrongCwd(cwd, leadsThroughLink(app, path) ? 'link' : 'missing');
}

/** Before files are selected, which would refuse the link for its own sake. */
function isLostLink(view: ViewReader, cwd: string): boolean {
  const path = pathBeneath('', cwd);
  if (path === undefined || path === '' || view.exists(path)) return false;
  const parts = path.split('/');
  return parts.some((_, index) => view.kindOf(parts.slice(0, index + 1).join('/')) === 'symlink');
}

function leadsThroughLink(app: Folder, path: string): boolean {
  for (let slash = path.indexOf('/'); ; slash = path.indexOf('/', slash + 1)) {
    const kind = app.kindOf(slash < 0 ? path : path.slice(0, slash));
    if (kind === 'symlink') return true;
    if (kind === undefined || slash < 0) return false;
  }
}

/** A script of the app that is there but names no interpreter that is, is the app's; any other wrong program the pipeline's. */
function ofPipeline(app: Folder, { argv, cwd }: Config, failure: Failure): Failure {
  const [program = ''] = argv;
  const isOdd = program === '' || argv.some((word) => word.includes('\0'));
  if (!hasCode(failure, 'command::not-found', 'command::not-executable') && !isOdd) return failure;
  const path = program.includes('/') ? pathBeneath(pathBeneath('', cwd ?? '.') ?? '', program) : undefined;
  const isScript = path !== undefined && path !== '' && app.resolve(path) !== undefined;
  return isScript && hasCode(failure, 'command::not-found') ? failure : wrongProgram(program, failure);
}

/** The last bytes of a stream of lines, without keeping the stream. */
class Tail {
  #lines: string[] = [];
  #bytes = 0;

  constructor(private readonly limit: number) {}

  add(line: string): void {
    this.#lines.push(line);
    this.#bytes += Buffer.byteLength(line) + 1;
    // Halving keeps the cost of a long stream linear.
    if (this.#bytes > 4 * this.limit) {
      this.#lines = [this.text()];
      this.#bytes = Buffer.byteLength(this.#lines[0] ?? '') + 1;
    }
  }

  text(): string {
    const bytes = Buffer.from(this.#lines.join('\n'));
    let start = Math.max(0, bytes.length - this.limit);
    // Not in the middle of a character: continuation bytes look like 10xxxxxx.
    while (start > 0 && start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
    return bytes.toString('utf8', start).trimEnd();
  }
}
