// Writes the profile scripts. Reads nothing: what they set depends on the vendor folder and the package manager only.

import { injectable } from 'inversify';
import {
  succeed,
  type Failure,
  type FromSchema,
  type Plugin,
  type Reads,
  type Result,
  type RunContext,
  type RunOutput,
} from '../../engine/sdk.js';
import { writeAppFile } from '../shared/app-file.js';
import { GUNICORN_SCRIPT, manifest, PYTHON_SCRIPT, SQLALCHEMY_SCRIPT, type config, type inputs } from './manifest.js';
import { GUNICORN, pythonScript, SQLALCHEMY } from './scripts.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
type Outputs = Readonly<Record<string, never>>;

@injectable()
export class RuntimeEnvironment implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  async reads(): Promise<Result<Reads, Failure>> {
    return succeed({});
  }

  async run({ config, inputs }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    await writeAppFile(context, PYTHON_SCRIPT, pythonScript(config.vendorDir, inputs.manager));
    await writeAppFile(context, GUNICORN_SCRIPT, GUNICORN);
    await writeAppFile(context, SQLALCHEMY_SCRIPT, SQLALCHEMY);
    return succeed({ outputs: {} });
  }
}
