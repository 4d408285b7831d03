// Groups paths by the folder they are in.

/** Folder ('' for the root) -> names in it, in the order of `paths`. */
export function namesByFolder(paths: Iterable<string>): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const path of paths) {
    const slash = path.lastIndexOf('/');
    const folder = slash < 0 ? '' : path.slice(0, slash);
    const known = names.get(folder);
    if (known === undefined) names.set(folder, [path.slice(slash + 1)]);
    else known.push(path.slice(slash + 1));
  }
  return names;
}
