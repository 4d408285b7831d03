// Collects the static files of a Django app with the variables of the app. The settings may import anything, so the node sees the
// whole app, and its result is restored only for this app while nothing changes. Files that are uploaded instead of written into the
// slug are uploaded in every run.

import { posix } from 'node:path';
import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { FromSchema, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { allowed, buildEnvironment, writeEnvDir } from '../shared/app-code/build-environment.js';
import { isModuleAvailable } from '../shared/app-code/installed-modules.js';
import { changedFiles, takeSnapshot } from '../shared/app/changes.js';
import { isFile } from '../shared/app/root-listing.js';
import { inRoot, rootIn, viewOfRoot } from '../shared/app/root.js';
import { pythonHome } from '../shared/python/home.js';
import { filesMentionPrivatePath } from '../shared/relocate/private-path.js';
import { CollectLog } from './collect-log.js';
import { collectstaticFailed } from './failures.js';
import { manifest, type config, type inputs, type outputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Config = Node['config'];
type Outputs = Omit<FromSchema<typeof outputs>, 'tree'>;
type Facts = Outputs & {
  /** Relative to the root. */
  readonly managePy?: string;
  /** Other files of that name. */
  readonly others?: readonly string[];
  /** The command's environment contains the mode. */
  readonly mode?: 'build' | 'test';
};

const DISABLE = 'DISABLE_COLLECTSTATIC';
const DEBUG = 'DEBUG_COLLECTSTATIC';
const KEPT_LINES = 400;

@injectable()
export class DjangoCollectstatic implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'log' | 'subprocess'>) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    const facts = await decide(config, view);
    if (facts.managePy === undefined) return succeed({ facts, pure: true });
    return succeed({ files: ['**'], facts, env: allowed(view.envNames()), scope: 'app' });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { status, managePy, others = [] } = context.facts;
    if (managePy !== undefined) {
      if (others.length > 0) this.services.log.info(context, othersText(managePy, others));
      return this.#collect(config, managePy, context);
    }
    switch (status) {
      case undefined:
        return succeed({ outputs: {} });
      case 'disabled-file':
        this.services.log.step(context, `Not collecting static files, because ${markerOf(config)} exists`);
        this.services.log.notice(
          context,
          'collectstatic::disabled-by-file',
          `The file ${markerOf(config)} is deprecated. Delete it, and set the variable ${DISABLE} to 1 instead.`,
        );
        break;
      case 'disabled-env-var':
        this.services.log.step(context, `Not collecting static files, because ${DISABLE} is set`);
        break;
      default:
        this.services.log.step(context, 'Not collecting static files, because no manage.py was found');
    }
    return succeed({ outputs: status === undefined ? {} : { status } });
  }

  async #collect(config: Config, managePy: string, context: RunContext): RunPromise<Outputs> {
    const shown = `python ${managePy} collectstatic --noinput`;
    this.services.log.step(context, `$ ${shown}`);
    const env = buildEnvironment(context, {
      vendorDir: config.vendorDir,
      envDir: writeEnvDir(context, this.services.files),
      extra: { PYTHONPATH: '.' },
    });
    const { app } = this.services.files.of(context);
    const before = await takeSnapshot(app, '', context.signal);
    const output = new CollectLog();
    const cwd = rootIn(context.paths.app, config.root);
    const python = `${context.paths.app}/${pythonHome(config.vendorDir)}/bin/python`;
    const exit = await this.services.subprocess.run(context, {
      argv: [python, managePy, 'collectstatic', '--noinput', '--traceback'],
      cwd,
      env,
      network: true,
      keepLines: KEPT_LINES,
      filter: (_, text) => output.line(text),
    });
    if (!exit.ok) return exit;
    if (exit.value.exitCode !== 0) {
      // The app asked for it. Values of secrets are masked here as everywhere.
      if (context.env[DEBUG] === '1')
        await this.services.subprocess.run(context, { argv: ['env'], cwd, env, network: false });
      return fail(collectstaticFailed(shown, exit.value, output.cause()));
    }
    const changed = changedFiles(before, await takeSnapshot(app, '', context.signal));
    const uncacheable = output.isUpload(changed.length > 0)
      ? 'the static files were not written into the slug, so they are collected in every run'
      : await filesMentionPrivatePath(context, app, changed);
    return succeed({ outputs: { status: 'enabled' }, ...(uncacheable !== undefined && { uncacheable }) });
  }
}

const SHOWN_OTHERS = 5;

const othersText = (taken: string, others: readonly string[]): string => {
  const more = others.length > SHOWN_OTHERS ? ` and ${others.length - SHOWN_OTHERS} more` : '';
  const names = others.slice(0, SHOWN_OTHERS).join(', ');
  return `pyflow uses ${taken}. The app also has ${names}${more}. To use another one, create a link to it named manage.py at the top of the app, or set \`root\`.`;
};

const markerOf = ({ root, vendorDir }: Config): string => inRoot(root, `${vendorDir}/collectstatic_disabled`);

async function decide(config: Config, view: ViewReader): Promise<Facts> {
  // Both come first, also for apps without Django, because people look in the log for the effect of these settings.
  if (await isFile(view, markerOf(config))) return { status: 'disabled-file' };
  const disabled = view.env(DISABLE) ?? (view.run.mode === 'test' ? '1' : '');
  if (disabled !== '' && disabled !== '0') return { status: 'disabled-env-var' };

  if (!(await isModuleAvailable(view, config, 'django'))) return {};
  const [managePy, ...others] = await findManagePy(viewOfRoot(view, config.root));
  if (managePy === undefined) return { status: 'skipped-no-manage-py' };
  return { status: 'enabled', managePy, ...(others.length > 0 && { others }), mode: view.run.mode };
}

/** Paths at most three levels deep: the shallowest first, then by name. */
async function findManagePy(view: ViewReader): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pattern of ['manage.py', '*/manage.py', '*/*/manage.py']) {
    const paths = view.match(pattern).filter((path) => posix.basename(path) === 'manage.py');
    for (const path of paths) if (await isFile(view, path)) found.push(path);
  }
  return found;
}
