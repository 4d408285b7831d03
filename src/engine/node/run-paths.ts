// Private folders of a run in the text of a failure: they are gone when it is read, and other ones in every run.

import type { Failure } from '../failure.js';

export interface RunFolders {
  /** Of the node; all its private folders lie below. */
  readonly root: string;
  readonly app: string;
}

/** A path ends before these. */
const REST = String.raw`[^\s'"\`,;:()<>]*`;

/** Files of the app by their path in the app, and no name of the others. */
export function withoutRunPaths(failure: Failure, { root, app }: RunFolders): Failure {
  const shown = (text: string): string => {
    if (!text.toLowerCase().includes(root.toLowerCase())) return text;
    return text
      .replace(new RegExp(String.raw`(?:file://)?${quoted(app)}/+`, 'gi'), '')
      .replace(new RegExp(String.raw`(?:file://)?${quoted(app)}(?![\w.-])`, 'gi'), '.')
      .replace(new RegExp(`${quoted(root)}${REST}`, 'gi'), '(a folder of the run)');
  };
  const { title, detail, remedy, subject } = failure;
  return {
    ...failure,
    title: shown(title),
    detail: shown(detail),
    remedy: shown(remedy),
    ...(subject !== undefined && { subject: shown(subject) }),
  };
}

const quoted = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
