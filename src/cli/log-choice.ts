// Chooses the log that a run prints, and opens its renderer. Loads winston only if a run needs more than a few lines.

import { randomUUID } from 'node:crypto';
import { buildpackRenderer } from '../engine/render/buildpack.js';
import { githubRenderer } from '../engine/render/github.js';
import { liveRenderer } from '../engine/render/live.js';
import { ndjsonRenderer } from '../engine/render/ndjson.js';
import { plainRenderer } from '../engine/render/plain.js';
import type { Renderer } from '../engine/render/renderer.js';
import { hasColor } from './color.js';
import type { Given } from './command.js';
import type { World } from './world.js';

export const LOG_NAMES = ['auto', 'live', 'plain', 'ndjson', 'github', 'buildpack'] as const;
type LogName = Exclude<(typeof LOG_NAMES)[number], 'auto'>;

export function chooseLog(given: Given, world: World): LogName {
  const asked = (given.value('log') ?? 'auto') as (typeof LOG_NAMES)[number];
  const canRedraw = world.stdout.isTerminal && world.env['TERM'] !== 'dumb';
  // In a file, frames would be garbage, even for a user who asked for them.
  if (asked === 'live') return canRedraw ? 'live' : 'plain';
  if (asked !== 'auto') return asked;
  if (world.env['GITHUB_ACTIONS'] === 'true') return 'github';
  return canRedraw && !isSet(world.env['CI']) ? 'live' : 'plain';
}

const isSet = (value: string | undefined): boolean => value !== undefined && value !== '' && value !== 'false';

interface OpenRenderer {
  readonly renderer: Renderer;
  /** Call it after `renderer.close()`. Resolves when everything is written. */
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

/** Both streams usually end in one log, so one must be flushed before the other continues. */
export const openBuildpackLog = (world: World, verbose: boolean, color: boolean): Renderer =>
  buildpackRenderer(world.stdout.write, {
    verbose,
    color,
    shout: (text) => {
      world.stdout.flush();
      world.stderr.write(text);
    },
  });

/** Some terminals report a size of 0 if they don't know it. */
const usable = (size: { readonly columns: number; readonly rows: number } | undefined) => ({
  columns: size !== undefined && size.columns > 0 ? size.columns : 80,
  rows: size !== undefined && size.rows > 0 ? size.rows : 24,
});
