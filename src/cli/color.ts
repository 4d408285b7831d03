// Whether output is colored. See https://no-color.org: any value of NO_COLOR but the empty one turns colors off.

import type { Output, World } from './world.js';

const mayColor = ({ env }: World): boolean => (env['NO_COLOR'] ?? '') === '';

export const hasColor = (world: World, output: Output = world.stdout): boolean =>
  output.isTerminal && mayColor(world) && world.env['TERM'] !== 'dumb';

/** The platform shows its build log in color although neither stream is a terminal. */
export const hasPlatformColor = mayColor;
