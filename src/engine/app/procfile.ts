// The process types of an app, as its Procfile names them.

export const PROCFILE = 'Procfile';
/** Bytes. */
export const LARGEST_PROCFILE = 1024 * 1024;

/** Process type -> command, in the order of the file. Other lines are ignored, as on platforms. */
export function parseProcfile(text: string): ReadonlyMap<string, string> {
  const processes = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const [, type, command] = /^([A-Za-z0-9_-]+):\s*(\S.*?)\s*$/.exec(line) ?? [];
    if (type !== undefined && command !== undefined) processes.set(type, command);
  }
  return processes;
}
