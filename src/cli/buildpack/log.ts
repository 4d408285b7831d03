// The log of the adapter's steps: the platform shows it in colour although neither stream is a terminal.

import type { Failure } from '../../engine/failure.js';
import { styledBlock } from '../../engine/render/buildpack.js';
import { formatFailure } from '../../engine/render/messages.js';
import { styleOf } from '../../engine/render/style.js';
import type { World } from '../world.js';

/** https://no-color.org: any value but the empty one. */
export const hasLogColor = ({ env }: World): boolean => (env['NO_COLOR'] ?? '') === '';

export const shout = (level: 'notice' | 'warning' | 'error', lines: readonly string[], world: World): void => {
  world.stdout.flush();
  world.stderr.write(styledBlock(level, lines, hasLogColor(world)));
};

export const shoutFailure = (failure: Failure, world: World): void =>
  shout('error', formatFailure(failure, styleOf(false)), world);
