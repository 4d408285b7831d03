// Writes the profile script. Reads nothing: memory and cores are those of the container the app boots in.

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
} from '../../engine/sdk.js';
import { manifest, PROFILE_SCRIPT, type config, type inputs } from './manifest.js';
import { concurrencyScript } from './script.js';

type Config = FromSchema<typeof config>;
interface Node {
  readonly config: Config;
  readonly inputs: FromSchema<typeof inputs>;
}
type Outputs = Readonly<Record<string, never>>;

@injectable()
export class ConcurrencyProfile implements Plugin<Config, Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(@inject(Files) private readonly files: Files) {}

  async reads(): Promise<Result<Reads, Failure>> {
    return succeed({});
  }

  async run({ config: { setBy } }: Node, context: RunContext): Promise<Result<RunOutput<Outputs>, Failure>> {
    this.files.of(context).app.write(PROFILE_SCRIPT, concurrencyScript(setBy));
    return succeed({ outputs: {} });
  }
}
