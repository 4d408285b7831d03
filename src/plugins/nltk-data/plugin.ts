// Downloads corpora for NLTK into the slug with NLTK's own downloader, and tells the app at boot where they are. It sees the
// dependencies but not the source, because `reads` reads nltk.txt.

import { inject, injectable } from 'inversify';
import { fail, Services, succeed } from '../../engine/sdk.js';
import type { FromSchema, NodeOf, Plugin, ReadsPromise, RunContext, RunPromise, ViewReader } from '../../engine/sdk.js';
import { allowed, buildEnvironment, writeEnvDir } from '../shared/app-code/build-environment.js';
import { isModuleAvailable } from '../shared/app-code/installed-modules.js';
import { misencoded, wrongEncoding } from '../shared/app/file-encoding.js';
import { isWantedFile } from '../shared/app/root-listing.js';
import { inRoot } from '../shared/app/root.js';
import { withoutUserinfo } from '../shared/install/index-url.js';
import { pythonHome } from '../shared/python/home.js';
import { downloadFailed } from './failures.js';
import { manifest, PROFILE_SCRIPT, type config, type inputs, type outputs } from './manifest.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Config = Node['config'];
type Outputs = Omit<FromSchema<typeof outputs>, 'tree'>;
type Facts = Outputs & {
  /** In the order of nltk.txt. */
  readonly packages?: readonly string[];
  /** Without user and password. */
  readonly index?: string;
  /** The commands' environment contains the mode. */
  readonly mode?: 'build' | 'test';
};

const LIST = 'nltk.txt';
@injectable()
export class NltkData implements Plugin<Node['config'], Node['inputs'], Outputs, Facts> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files' | 'host' | 'log' | 'subprocess'>) {}

  async reads({ config }: Node, view: ViewReader): ReadsPromise<Facts> {
    if (!(await isModuleAvailable(view, config, 'nltk'))) return succeed({ facts: {}, pure: true });
    const list = inRoot(config.root, LIST);
    if (!(await isWantedFile(view, list))) return succeed({ facts: { status: 'skipped-no-nltk-file' }, pure: true });
    const bytes = (await view.read(list)) ?? Buffer.alloc(0);
    const encoding = wrongEncoding(bytes);
    if (encoding !== undefined) return fail(misencoded('nltk-downloader', list, encoding));
    const packages = linesOf(bytes.toString('utf8'));
    const index = this.#index(config);
    const facts: Facts = {
      status: 'enabled',
      packages,
      mode: view.run.mode,
      ...(index !== undefined && { index: withoutUserinfo(index) }),
    };
    return succeed({ facts, env: seenVariables(view), scope: 'app' });
  }

  async run({ config }: Node, context: RunContext<Facts>): RunPromise<Outputs> {
    const { status, packages = [] } = context.facts;
    if (status === undefined) return succeed({ outputs: {} });
    this.services.log.step(context, 'Downloading NLTK data');
    if (status === 'skipped-no-nltk-file') {
      this.services.log.info(context, `${inRoot(config.root, LIST)} not found, so no corpora are downloaded`);
      return succeed({ outputs: { status } });
    }
    if (packages.length === 0) {
      this.services.log.info(context, `${inRoot(config.root, LIST)} lists no corpora`);
      return succeed({ outputs: { status } });
    }
    this.services.log.step(context, `Downloading NLTK packages: ${packages.join(' ')}`);
    return this.#download(config, packages, context);
  }

  async #download(config: Config, packages: readonly string[], context: RunContext): RunPromise<Outputs> {
    const home = pythonHome(config.vendorDir);
    const python = `${context.paths.app}/${home}`;
    const index = this.#index(config);
    const names = seenVariables(context.view);
    const exit = await this.services.subprocess.run(context, {
      argv: [
        `${python}/bin/python`,
        '-m',
        'nltk.downloader',
        `--dir=${python}/nltk_data`,
        ...(index === undefined ? [] : [`--url=${index}`]),
        ...packages,
      ],
      // The view may not contain the root of the app.
      cwd: context.paths.app,
      env: buildEnvironment(context, {
        vendorDir: config.vendorDir,
        envDir: writeEnvDir(context, this.services.files, names),
        names,
      }),
      network: true,
    });
    if (!exit.ok) return exit;
    if (exit.value.exitCode !== 0) return fail(downloadFailed(packages, exit.value));
    this.services.files.of(context).app.write(PROFILE_SCRIPT, profileScript(home));
    return succeed({ outputs: { status: 'enabled' } });
  }

  #index({ index }: Config): string | undefined {
    return index ?? this.services.host.setting('NLTK_INDEX');
  }
}

/**
 * The app variables that a download can depend on. Others are left out, so that a changed database password does not download
 * everything again.
 */
const seenVariables = (view: ViewReader): readonly string[] =>
  allowed(view.envNames()).filter((name) =>
    /^(NLTK_|PYTHON|SSL_CERT_|REQUESTS_CA|(HTTPS?|FTP|ALL|NO)_PROXY$)/i.test(name),
  );

const linesOf = (text: string): readonly string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

const profileScript = (home: string): string => `\
# Where the corpora of nltk.txt were put.
export NLTK_DATA="\${HOME:-/app}/${home}/nltk_data"
`;
