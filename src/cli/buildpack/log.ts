// What the steps of the buildpack print on their own, in the style of the platform's log.

import type { Failure } from '../../engine/failure.js';
import { styledBlock } from '../../engine/render/buildpack.js';
import { formatFailure } from '../../engine/render/messages.js';
import { styleOf } from '../../engine/render/style.js';
import { hasPlatformColor } from '../color.js';
import type { World } from '../world.js';

export const shout = (level: 'notice' | 'warning' | 'error', lines: readonly string[], world: World): void => {
  world.stdout.flush();
  world.stderr.write(styledBlock(level, lines, hasPlatformColor(world)));
};

export const shoutFailure = (failure: Failure, world: World): void =>
  shout('error', formatFailure(failure, styleOf(false)), world);
