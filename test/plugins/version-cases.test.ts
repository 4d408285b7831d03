// The table of cases in test/fixtures/versions: each folder has the files of an app and case.json, which says what the catalogue
// has and what is expected. The whole trace is a golden file.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { traceVersions } from '../../src/manifests/app/versions/choose.js';
import { traceLines } from '../../src/manifests/app/versions/words.js';
import type { Choice, VersionTrace } from '../../src/manifests/app/versions/trace.js';
import type { WheelMachine } from '../../src/manifests/app/wheel-tags.js';
import { readAppFiles } from '../../src/plugins/version-resolve/app-files.js';
import { expectGolden } from '../support/golden.js';
import { memoryView } from '../support/memory-view.js';

interface Case {
  readonly about: string;
  readonly manager: string;
  readonly groups?: readonly string[];
  readonly root?: string;
  /** The version that the app sets, that of the last build, or the default. */
  readonly wanted: { readonly minor: string; readonly by: 'app' | 'last-build' | 'default' };
  readonly policy?: VersionTrace['policy'];
  readonly machine?: WheelMachine;
  /** Minor -> the newest patch that the catalogue has for the stack and machine, or false. Oldest first. */
  readonly catalogue: Readonly<Record<string, string | false>>;
  readonly expected: { readonly chosen: string; readonly choice: Choice; readonly rejected: readonly string[] };
}

const CASES = fileURLToPath(new URL('../fixtures/versions', import.meta.url));
const UBUNTU: WheelMachine = { os: 'linux', machine: 'x86_64', libc: { name: 'glibc', version: '2.39' } };
const OURS = new Set(['case.json', 'trace.json', 'trace.txt']);

async function traceOf(folder: string, given: Case): Promise<VersionTrace> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = Object.fromEntries(
    names
      .map(({ parentPath, name }) => join(parentPath, name))
      .filter((path) => !OURS.has(path.slice(folder.length + 1)))
      .map((path) => [path.slice(folder.length + 1).replace(/\.fixture$/, ''), readFileSync(path)]),
  );
  const { manager, groups = [], root = '.', wanted, policy = 'default', machine = UBUNTU, catalogue } = given;
  return traceVersions({
    ...(await readAppFiles(memoryView(files), { root, manager, groups })),
    wanted,
    file: '.python-version',
    policy,
    stack: 'scalingo-24',
    machine,
    builds: Object.entries(catalogue).map(([minor, version]) => (version === false ? { minor } : { minor, version })),
  });
}

describe('choice of a Python', () => {
  const names = readdirSync(CASES).sort();

  it('has at least 30 cases', () => {
    expect(names.length).to.be.at.least(30);
  });

  for (const name of names) {
    const folder = join(CASES, name);
    const given = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as Case;
    it(`${name}: ${given.about}`, async () => {
      const trace = await traceOf(folder, given);
      const rejected = trace.candidates.filter(({ accepted }) => !accepted).map(({ minor }) => minor);
      expect({ chosen: trace.chosen, choice: trace.choice, rejected }).to.deep.equal(given.expected);
      expectGolden(join(folder, 'trace.json'), `${JSON.stringify(trace, undefined, 2)}\n`);
      expectGolden(join(folder, 'trace.txt'), `${traceLines(trace).join('\n')}\n`);
    });
  }
});
