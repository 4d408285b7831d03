// The build log of a run, as a platform shows it.

import type { Event } from '../../src/engine/events.js';
import { buildpackRenderer } from '../../src/engine/render/buildpack.js';

/** Both streams, without colours. */
export function platformLog(events: readonly Event[]): string {
  let text = '';
  const write = (more: string): void => void (text += more);
  const renderer = buildpackRenderer(write, { verbose: false, color: false, shout: write });
  for (const event of events) renderer.consume(event);
  renderer.close();
  return text;
}
