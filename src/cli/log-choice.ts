// Which log a run prints, and the renderer for it. winston is loaded for what is worth a log.

import { randomUUID } from 'node:crypto';
import { buildpackRenderer } from '../engine/render/buildpack.js';
import { githubRenderer } from '../engine/render/github.js';
import { liveRenderer } from '../engine/render/live.js';
import { ndjsonRenderer } from '../engine/render/ndjson.js';
import { plainRenderer } from '../engine/render/plain.js';
import type { Renderer } from '../engine/render/renderer.js';
import type { Given } from './command.js';
import type { World } from './world.js';

export const LOG_NAMES = ['auto', 'live', 'plain', 'ndjson', 'github', 'buildpack'] as const;
type LogName = Exclude<(typeof LOG_NAMES)[number], 'auto'>;

export function chooseLog(given: Given, world: World): LogName {
  const asked = (given.value('log') ?? 'auto') as (typeof LOG_NAMES)[number];
  const canRedraw = world.stdout.isTerminal && world.env['TERM'] !== 'dumb';
  // Frames in a file would be garbage, also for somebody who asked for them.
  if (asked === 'live') return canRedraw ? 'live' : 'plain';
  if (asked !== 'auto') return asked;
  if (world.env['GITHUB_ACTIONS'] === 'true') return 'github';
  return canRedraw && !isSet(world.env['CI']) ? 'live' : 'plain';
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== '' && value !== 'false';

/** https://no-color.org: any value but the empty one. */
export const hasColor = (world: World, output = world.stdout): boolean =>
  output.isTerminal && (world.env['NO_COLOR'] ?? '') === '' && world.env['TERM'] !== 'dumb';

export interface OpenRenderer {
  readonly renderer: Renderer;
  /** After `renderer.close()`: resolves when all is written. */
  flush(): Promise<void>;
}

export async function openRenderer(
  log: LogName,
  verbose: boolean,
  world: World,
  { light }: { readonly light: boolean },
): Promise<OpenRenderer> {
  const color = hasColor(world);
  if (log === 'live') {
    const renderer = liveRenderer(world.stdout.write, {
      verbose,
      color,
      now: world.now,
      later: world.later,
      size: () => usable(world.stdout.size()),
    });
    return { renderer, flush: () => Promise.resolve() };
  }
  if (log === 'buildpack') {
    const renderer = openBuildpackLog(world, verbose, hasColor(world, world.stderr));
    return { renderer, flush: () => Promise.resolve() };
  }
  const { write, close: flush } = light
    ? { write: world.stdout.write, close: () => Promise.resolve() }
    : (await import('../engine/render/log.js')).openLog(world.stdout.write);
  switch (log) {
    case 'plain':
      return { flush, renderer: plainRenderer(write, { verbose, color }) };
    case 'ndjson':
      return { flush, renderer: ndjsonRenderer(write) };
    case 'github': {
      return { flush, renderer: githubRenderer(write, { verbose, color: false, resumeToken: randomUUID() }) };
    }
  }
}

/** Both streams mostly end in one log, so what stands in the one must be out before the other goes on. */
export const openBuildpackLog = (world: World, verbose: boolean, color: boolean): Renderer =>
  buildpackRenderer(world.stdout.write, {
    verbose,
    color,
    shout: (text) => {
      world.stdout.flush();
      world.stderr.write(text);
    },
  });

/** Some terminals say 0 when they do not know. */
const usable = (size: { readonly columns: number; readonly rows: number } | undefined) => ({
  columns: size !== undefined && size.columns > 0 ? size.columns : 80,
  rows: size !== undefined && size.rows > 0 ? size.rows : 24,
});
