// The folder of the app that holds its project files, for an app that is one of several in a repository: `root`. All
// other paths of a kind stay relative to the app, which is the whole repository.

/** The schema of every `root`: a plain relative path, since it becomes part of patterns and of scripts. */
export const rootSchema = {
  type: 'string',
  pattern: '^(\\.|(?!\\.{1,2}(/|$)|-)[A-Za-z0-9@+._-]+(/(?!\\.{1,2}(/|$))[A-Za-z0-9@+._-]+)*)$',
  default: '.',
  description:
    'Folder that holds the files of the project, relative to the app, e.g. services/web; `.` is the app itself.',
} as const;

/** A path below the root, app-relative. An empty path gives the root itself, spelled as views spell it: '' for the app. */
export function inRoot(root: string, path: string): string {
  if (root === '.') return path;
  return path === '' ? root : `${root}/${path}`;
}

/** The root below a folder that stands for the app (`context.appDir`, `context.paths.app`, `$HOME`): a `cwd` for commands. */
export const rootIn = (appDir: string, root: string): string => (root === '.' ? appDir : `${appDir}/${root}`);
