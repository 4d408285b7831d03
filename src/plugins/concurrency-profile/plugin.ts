// Writes the profile script. It reads nothing: the script looks at the memory and cores of the container when the app boots.

import { inject, injectable } from 'inversify';
import { Services, succeed } from '../../engine/sdk.js';
import type { NodeOf, Plugin, ReadsPromise, RunContext, RunPromise } from '../../engine/sdk.js';
import { manifest, PROFILE_SCRIPT, type config, type inputs } from './manifest.js';
import { concurrencyScript } from './script.js';

type Node = NodeOf<typeof config, typeof inputs>;
type Outputs = Readonly<Record<string, never>>;

@injectable()
export class ConcurrencyProfile implements Plugin<Node['config'], Node['inputs'], Outputs> {
  readonly manifest = manifest;

  constructor(@inject(Services) private readonly services: Pick<Services, 'files'>) {}

  async reads(): ReadsPromise {
    return succeed({});
  }

  async run({ config: { setBy } }: Node, context: RunContext): RunPromise<Outputs> {
    this.services.files.of(context).app.write(PROFILE_SCRIPT, concurrencyScript(setBy));
    return succeed({ outputs: {} });
  }
}
