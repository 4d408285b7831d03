// Reads the operator's policy file and the advisories that it names, before a run uses them.

import { dirname, resolve } from 'node:path';
import type { Diagnostic } from '../../manifests/pipeline/diagnostic.js';
import { fail, succeed, type Failure, type Result } from '../failure.js';
import { isBelow, readOperatorText } from '../files/operator-file.js';
import { shownPath } from '../files/shown-path.js';
import type { AdvisoryFolder } from './advisory-folder.js';
import { unreadableText } from './policy-meaning.js';
import { makePolicy, type Policy } from './policy.js';

/** The shape of a `Refusal` of a run, whose request has the opened policy. */
export type PolicyRefusal =
  | { readonly type: 'diagnostics'; readonly diagnostics: readonly Diagnostic[]; readonly text: string }
  | { readonly type: 'failure'; readonly failure: Failure };

export interface OpenedPolicy {
  readonly policy: Policy;
  readonly text: string;
  /** Of the file, and of the folder of advisories. */
  readonly warnings: readonly Diagnostic[];
  /** Files of the folder of advisories that are no records. */
  readonly unreadable: readonly string[];
  /** Both as notices of a run: code and text. */
  readonly notices: readonly (readonly [code: string, text: string])[];
}

interface Where {
  /** Absolute. */
  readonly path: string;
  /** An app must not choose its policy, so the file must not be in it. Absent if there is no app. */
  readonly appDir?: string;
  /** Keeps what the advisories say. */
  readonly cacheDir?: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export async function openPolicy({ path, appDir, cacheDir, now }: Where): Promise<Result<OpenedPolicy, PolicyRefusal>> {
  if (appDir !== undefined && isBelow(path, appDir)) return refuse(policyInApp(path));
  const text = readOperatorText(path);
  if (!text.ok) return refuse(unreadablePolicy(path, text.failure));
  const { parsePolicyFile } = await import('../../manifests/packages/policy.js');
  const parsed = await parsePolicyFile(path, text.value, now);
  if (!parsed.ok) return fail({ type: 'diagnostics', ...parsed.failure });
  const { policy, warnings } = parsed.value;
  const opened = { text: text.value, warnings, notices: warnings.map(noticeOf), unreadable: [] };
  if (policy.advisories === undefined) return succeed({ ...opened, policy: makePolicy(policy, undefined) });
  const folder = await advisoriesOf(resolve(dirname(path), policy.advisories), cacheDir);
  if (!folder.ok) return folder;
  const { advisories, unreadable } = folder.value;
  const broken =
    unreadable.length === 0 ? [] : [['policy::unreadable-advisories', unreadableText(unreadable)] as const];
  const notices = [...opened.notices, ...broken];
  return succeed({ ...opened, policy: makePolicy(policy, advisories), unreadable, notices });
}

const noticeOf = ({ code, start, message }: Diagnostic) =>
  [code, `Line ${start.line} of the policy file: ${message}`] as const;

async function advisoriesOf(
  folder: string,
  cacheDir: string | undefined,
): Promise<Result<AdvisoryFolder, PolicyRefusal>> {
  const { readAdvisoryFolder } = await import('./advisory-folder.js');
  const read = readAdvisoryFolder(folder, cacheDir);
  return read.ok ? read : refuse(unreadableAdvisories(folder, read.failure));
}

const refuse = (failure: Failure): { readonly ok: false; readonly failure: PolicyRefusal } =>
  fail({ type: 'failure', failure });

const policyInApp = (path: string): Failure => ({
  code: 'policy::in-app',
  blame: 'pipeline',
  title: `The policy file ${shownPath(path)} is inside the app`,
  detail: 'An app must not choose which packages its build may install.',
  remedy: 'Move the file out of the app, and name it with --policy or PYFLOW_POLICY.',
});

const unreadablePolicy = (path: string, why: string): Failure => ({
  code: 'policy::unreadable',
  blame: 'pipeline',
  title: `pyflow can't read the policy file ${shownPath(path)}`,
  detail: why,
  remedy: 'Check the path in --policy or PYFLOW_POLICY, and the permissions of the file.',
});

const unreadableAdvisories = (folder: string, why: string): Failure => ({
  code: 'policy::unreadable-advisories',
  blame: 'pipeline',
  title: `pyflow can't read the folder of advisories ${shownPath(folder)}`,
  detail: why,
  remedy: 'Correct `advisories` in the policy file: it names a folder with OSV records as JSON files.',
});
