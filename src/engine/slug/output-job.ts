// What an output is made from, and what writing one returns.

import type { SlugTrace } from '../app/slug-marker.js';
import type { OutputReport } from '../events.js';
import type { DirectoryTable } from '../trees/tree.js';
import type { SlugContent } from './content.js';
import type { Packing } from './packed-part.js';
import type { SlugPart } from './slug-parts.js';

export interface OutputJob {
  readonly place: { readonly cacheDir: string; readonly appId: string };
  readonly content: SlugContent;
  readonly table: DirectoryTable;
  readonly parts: readonly SlugPart[];
  /** Of the files of a part, in seconds since the epoch. */
  readonly mtimeOf: (part: SlugPart) => number;
  /** Of the source's files, and of the image. */
  readonly sourceTimeS: number;
  readonly packing: Packing;
}

export interface Written {
  readonly report: Omit<OutputReport, 'form' | 'path'>;
  readonly traces: readonly SlugTrace[];
  /** False if all of it was there. */
  readonly changed: boolean;
}
