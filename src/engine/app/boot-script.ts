// How a built app starts: the profile scripts of the slug, sourced in order, and then the command.

const PROFILE_FOLDER = '.profile.d';
/** Where the app is at run time. */
export const APP_ROOT = '/app';

/** Of the names in the folder of profile scripts, those that are sourced. By code unit, since a shell's order depends on the locale. */
export const profileScripts = (names: Iterable<string>): readonly string[] =>
  [...names].filter((name) => name.endsWith('.sh')).sort();

export { PROFILE_FOLDER };

/** Shell code that sources them. `home`: the folder of the app. */
export const sourceProfiles = (home: string, scripts: readonly string[]): readonly string[] =>
  scripts.map((name) => `. ${shellQuote(`${home}/${PROFILE_FOLDER}/${name}`)}`);

export const shellQuote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/**
 * The launcher of an image: its arguments are the command. A profile script may change `$@` and the working directory.
 */
export const launcherScript = (scripts: readonly string[]): string =>
  [
    '#!/bin/bash',
    'pyflow_command=("$@")',
    ...sourceProfiles(APP_ROOT, scripts),
    'exec "${pyflow_command[@]}"',
    '',
  ].join('\n');
