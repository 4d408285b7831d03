// Names at the root of an app or slug that are reserved for pyflow. Imports nothing, because an up-to-date run needs it.

export const SLUG_MARKER = '.pyflow-slug.json';
/** Marks a slug that is being written, or was interrupted while being written. */
export const UNFINISHED_MARKER = '.pyflow-slug.unfinished';
/** A marker that is being written. */
export const NEW_MARKER = '.pyflow-slug.new';
/** Even nodes must not create these. */
export const SLUG_MARKERS: ReadonlySet<string> = new Set([SLUG_MARKER, UNFINISHED_MARKER, NEW_MARKER]);
/** Ignored at the root; the first two at any depth. */
export const NEVER_SOURCE: ReadonlySet<string> = new Set(['.pyflow', '.git', ...SLUG_MARKERS]);
