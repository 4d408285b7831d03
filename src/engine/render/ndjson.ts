// For programs: the event stream, one JSON object per line. The events are a public format.

import { escapeUnsafe } from '../files/shown-path.js';
import type { Renderer, Write } from './renderer.js';

export function ndjsonRenderer(write: Write): Renderer {
  return {
    consume: (event) => write(`${escapeUnsafe(JSON.stringify(event))}\n`),
    close: () => undefined,
  };
}
