// Parses and writes TOML files.

import { parse as parseToml, stringify } from 'smol-toml';
import type { Fields } from './fields.js';
import { excerpt, parsed, wrong, type Parsed } from './parsed.js';
import { visible } from './text-file.js';

/** The failure is a message for people. */
export function readToml(bytes: Uint8Array): Parsed<Fields, string> {
  try {
    return parsed(parseToml(new TextDecoder().decode(bytes)));
  } catch (error) {
    // The lines after the first are an excerpt of the file.
    const [message = ''] = (error instanceof Error ? error.message : String(error)).split('\n', 1);
    return wrong(visible(excerpt(message, 200)));
  }
}

/** `fields`: as `readToml` returns them. */
export const writeToml = (fields: Fields): string => stringify(fields);
