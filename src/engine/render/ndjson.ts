// For machines: the event stream, one JSON object a line. The shape of the events is a public format.

import { escapeUnsafe } from '../files/shown-path.js';
import type { Renderer, Write } from './renderer.js';

export function ndjsonRenderer(write: Write): Renderer {
  return {
    consume: (event) => write(`${escapeUnsafe(JSON.stringify(event))}\n`),
    close: () => undefined,
  };
}
