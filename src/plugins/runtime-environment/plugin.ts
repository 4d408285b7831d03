// Writes the profile scripts: what they set depends on config and the package manager only. A platform looks for the
// Procfile at the top of the slug, so that of an app in a subfolder is copied there, unless there is one.

import { inject, injectable } from 'inversify';
import {
  Files,
  succeed,
  type Failure,
  type FromSchema,
  type Plugin,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
  type ViewReader,
} from '../../engine/sdk.js';
import { inRoot } from '../shared/app-root.js';
import { literalPattern } from '../shared/literal-pattern.js';
import { isWantedFile } from '../shared/root-listing.js';
import {
  GUNICORN_SCRIPT,
  manifest,
  PROCFILE,
  PYTHON_SCRIPT,
  ROOT_SCRIPT,
  SQLALCHEMY_SCRIPT,
  type config,
  type inputs,
} from './manifest.js';
import { GUNICORN, pythonScript, rootScript, sqlalchemyScript } from './scripts.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
type Outputs = Readonly<Record<string, never>>;

@injectable()
export class RuntimeEnvironment implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(@inject(Files) private readonly files: Files) {}

  async reads({ config: { root } }: Node, view: ViewReader): Promise<Result<Reads, Failure>> {
    if (root === '.') return succeed({});
    const procfile = inRoot(root, PROCFILE);
    const isCopied = view.kindOf(PROCFILE) === undefined && (await isWantedFile(view, procfile));
    return succeed({ files: isCopied ? [literalPattern(procfile)] : [], facts: { isCopied } });
  }

  async run({ config, inputs }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    const { root, vendorDir } = config;
    const { app } = this.files.of(context);
    app.write(PYTHON_SCRIPT, pythonScript(vendorDir, root, inputs.manager));
    app.write(GUNICORN_SCRIPT, GUNICORN);
    app.write(SQLALCHEMY_SCRIPT, sqlalchemyScript(root));
    if (root === '.') return succeed({ outputs: {} });

    app.write(ROOT_SCRIPT, rootScript(root));
    const { isCopied } = context.facts as { readonly isCopied: boolean };
    const procfile = isCopied ? app.resolve(inRoot(root, PROCFILE)) : undefined;
    if (procfile !== undefined) app.withFile(procfile, (file) => app.copyFrom(file, PROCFILE));
    return succeed({ outputs: {} });
  }
}
