// What can be wrong with the settings of the remote cache. No failure shows a header, a key or a password.

import type { Failure } from '../failure.js';
import { shownPath } from '../files/shown-path.js';

type Words = Pick<Failure, 'title' | 'detail' | 'remedy'>;

const SEE_SCHEMA = 'schemas/remote.schema.json describes all fields.';

export const invalidSettings = (path: string, problems: readonly string[]): Failure => ({
  code: 'remote::settings-invalid',
  blame: 'pipeline',
  title: `The remote settings ${shownPath(path)} are not valid`,
  detail: problems.slice(0, 20).join('\n'),
  remedy: `Fix the file. ${SEE_SCHEMA}`,
});

export const settingsInApp = (path: string): Failure => ({
  code: 'remote::settings-in-app',
  blame: 'pipeline',
  title: `The remote settings ${shownPath(path)} are inside the app`,
  detail: 'An app must not choose the server that its build reads from, or what the server gets to see.',
  remedy: 'Move the file out of the app, and name it with --remote-settings or PYFLOW_REMOTE_SETTINGS.',
});

export const unreadableFile = (what: string, path: string, why: string): Failure => ({
  code: 'remote::unreadable-file',
  blame: 'pipeline',
  title: `pyflow can't read ${what}`,
  detail: `${shownPath(path)}: ${why}`,
  remedy: 'Check the path and the permissions of the file.',
});

export const unusableKey = (what: string, why: string, remedy: string): Failure => ({
  code: 'remote::unusable-key',
  blame: 'pipeline',
  title: `pyflow can't use ${what}`,
  detail: why,
  remedy,
});

export const badAddress = (words: Words): Failure => ({ code: 'remote::bad-address', blame: 'pipeline', ...words });

export const badHeader = (words: Words): Failure => ({ code: 'remote::bad-header', blame: 'pipeline', ...words });
