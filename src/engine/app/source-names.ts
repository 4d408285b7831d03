// Names at the root of an app or slug that pyflow keeps for itself. Imports nothing, since an up-to-date run needs it.

export const SLUG_MARKER = '.pyflow-slug.json';
/** A slug that is being written, or whose writing was cut off. */
export const UNFINISHED_MARKER = '.pyflow-slug.unfinished';
/** A marker that is being written. */
export const NEW_MARKER = '.pyflow-slug.new';
/** Not even a node makes one of these. */
export const SLUG_MARKERS: ReadonlySet<string> = new Set([SLUG_MARKER, UNFINISHED_MARKER, NEW_MARKER]);
/** At the root; the first two at any depth. */
export const NEVER_SOURCE: ReadonlySet<string> = new Set(['.pyflow', '.git', ...SLUG_MARKERS]);
