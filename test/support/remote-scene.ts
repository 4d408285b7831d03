// Several machines that share a remote cache: an app and a pipeline, and for each machine a cache of its own. Real processes of the
// program against a real server.

import type { RunReport } from '../../src/engine/events.js';
import { CliScene, type Ended } from './cli-scene.js';

export interface Machine {
  /** Names its cache and the folder of its slug. */
  readonly name: string;
  /** Address of the server; absent to run without. */
  readonly url?: string;
  readonly write?: true;
  readonly sandbox?: 'auto';
  /** Default: the scene's own. */
  readonly pipelineFile?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Program and arguments to prepend to the command line. */
  readonly through?: readonly string[];
}

export interface EndedRun {
  readonly report: RunReport;
  /** Texts of the notices about the remote cache, by code. */
  readonly notices: Readonly<Record<string, readonly string[]>>;
  readonly ended: Ended;
}

export class RemoteScene extends CliScene {
  /** Throws if there is no report. */
  async on({ name, url, write, sandbox, pipelineFile, args = [], env, through }: Machine): Promise<EndedRun> {
    const ended = await this.run({
      cacheDir: `${this.root}/cache-${name}`,
      outDir: `${this.root}/out-${name}`,
      args: [...(url === undefined ? [] : [`--remote=${url}`]), ...(write === true ? ['--remote-write'] : []), ...args],
      ...(sandbox === undefined ? {} : { sandbox }),
      ...(pipelineFile === undefined ? {} : { pipelineFile }),
      ...(env === undefined ? {} : { env }),
      ...(through === undefined ? {} : { through }),
    });
    if (ended.report === undefined) throw new Error(`no report: ${ended.stderr}${ended.stdout.slice(-2000)}`);
    const notices: Record<string, string[]> = {};
    for (const event of ended.events) {
      if (event.type === 'notice' && event.code.startsWith('remote::')) (notices[event.code] ??= []).push(event.text);
    }
    return { report: ended.report, notices, ended };
  }
}

export const eachNode = <T>({ nodes }: RunReport, what: (node: RunReport['nodes'][string]) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(nodes).map(([id, node]) => [id, what(node)]));
export const layersOf = (report: RunReport): Record<string, string | undefined> =>
  eachNode(report, ({ layer }) => layer?.digest);
/** Ids of the nodes that ran on a worker. */
export const ranRemotely = ({ nodes }: RunReport): readonly string[] =>
  Object.keys(nodes).filter((id) => nodes[id]!.executedOn === 'remote');

/** `outcome` of each node, with `remote` behind it if the result came from the server. */
export const outcomesOf = ({ nodes }: RunReport): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(nodes).map(([id, { outcome, restoredFrom }]) => [
      id,
      [outcome, restoredFrom].filter(Boolean).join(' '),
    ]),
  );
