// Replaces private folders of a run in the text of a failure, because they are gone when a user reads it, and differ in
// every run.

import type { Failure } from '../failure.js';

export interface RunFolders {
  /** The folder that contains all private folders of the node. */
  readonly root: string;
  readonly app: string;
}

/** The rest of a path, up to a character that ends it. */
const REST = String.raw`[^\s'"\`,;:()<>]*`;

/** Spells files of the app relative to it, and replaces all other paths. */
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
