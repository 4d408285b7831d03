// Which nodes run again after an edit, for each package manager, and what the platform's log says: real tools, real
// packages and the shipped pipeline. The tools made the lockfiles in fixtures/managers.

import { expect } from 'chai';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import type { RunRequest } from '../../src/engine/request.js';
import { knownVersions, toolVersion } from '../../src/manifests/catalogue/tools.js';
import { formatReason } from '../../src/engine/render/reasons.js';
import { platformLog } from '../support/platform-log.js';
import { pyenvVersions } from '../support/runtimes.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

const ROOT = resolve(import.meta.dirname, '../..');
const FIXTURES = join(ROOT, 'test/fixtures/managers');
const MANAGERS = ['pip', 'pipenv', 'poetry', 'uv'] as const;
type Manager = (typeof MANAGERS)[number];
const MINOR = '3.13';
const OTHER_MINOR = '3.12';
const STACK = 'scalingo-24';

interface Edit {
  readonly name: string;
  /** Folder with the lockfile. */
  readonly lock?: string;
  readonly minor?: string;
  readonly hasOtherTool?: true;
  readonly stack?: string;
  /** Packages of the lockfiles that the slug then contains. */
  readonly packages: readonly string[];
}
const BASE = ['iniconfig-2.1.0', 'six-1.17.0'];
const EDITS: readonly Edit[] = [
  { name: 'unchanged', packages: BASE },
  { name: 'changed pin', lock: 'changed-pin', packages: ['iniconfig-2.0.0', 'six-1.17.0'] },
  { name: 'removed package', lock: 'removed-package', packages: ['iniconfig-2.1.0'] },
  { name: 'added package', lock: 'added-package', packages: ['blinker-1.9.0', ...BASE] },
  { name: 'other Python minor', minor: OTHER_MINOR, packages: BASE },
  { name: 'other tool version', hasOtherTool: true, packages: BASE },
  { name: 'other stack', stack: 'scalingo-22', packages: BASE },
];

/** Manager -> nodes that install, in plan order, and nodes that read their tree. */
const INSTALL: Readonly<Record<Manager, string>> = {
  pip: 'pip dependencies nltk collectstatic post-compile',
  pipenv: 'pipenv dependencies nltk collectstatic post-compile',
  poetry: 'poetry poetry-project dependencies nltk collectstatic post-compile',
  uv: 'uv uv-project dependencies nltk collectstatic post-compile',
};
/** Edit -> manager -> nodes that run again, in plan order. */
const EXPECTED: Readonly<Record<string, Readonly<Record<Manager, string>>>> = {
  unchanged: { pip: '', pipenv: '', poetry: '', uv: '' },
  'changed pin': INSTALL,
  'removed package': INSTALL,
  'added package': INSTALL,
  'other Python minor': {
    pip: `version runtime sqlite pip-tool setuptools-tool runtime-tools ${INSTALL.pip}`,
    pipenv: `version runtime sqlite pipenv-tool runtime-tools ${INSTALL.pipenv}`,
    poetry: `version runtime sqlite runtime-tools poetry-tool ${INSTALL.poetry}`,
    uv: `version runtime sqlite runtime-tools uv-tool ${INSTALL.uv}`,
  },
  // The tools of pip and Pipenv are in the slug too, below the packages. Poetry writes its version next to each
  // package. Another uv installs the same files, so only the hook runs again, because it can call uv.
  'other tool version': {
    pip: `pip-tool runtime-tools ${INSTALL.pip}`,
    pipenv: `pipenv-tool runtime-tools ${INSTALL.pipenv}`,
    poetry: `poetry-tool ${INSTALL.poetry}`,
    uv: 'uv-tool uv uv-project post-compile',
  },
  'other stack': {
    pip: 'version runtime sqlite',
    pipenv: 'version runtime sqlite',
    poetry: 'version runtime sqlite',
    uv: 'version runtime sqlite',
  },
};
const otherVersion = (manager: Manager): string =>
  knownVersions(manager).find((version) => version !== toolVersion(manager)) ?? 'none';
const otherTool = (manager: Manager): string => `version ${toolVersion(manager)} -> ${otherVersion(manager)}`;
const otherMinor: readonly [id: string, line: string] = ['cache.reason-python', `minor ${MINOR} -> ${OTHER_MINOR}`];

/** Edit -> manager -> the behaviour of the buildpack that it tests, and the reasons in the log. */
const TOLD: Readonly<Record<string, Readonly<Partial<Record<Manager, readonly [id: string, ...lines: string[]]>>>>> = {
  'changed pin': {
    pip: ['cache.reason-requirements', 'iniconfig 2.1.0 -> 2.0.0', 'requirements.txt changed'],
    pipenv: ['cache.reason-pipfile-lock', 'iniconfig 2.1.0 -> 2.0.0', 'Pipfile.lock changed'],
  },
  'other Python minor': { pip: otherMinor, pipenv: otherMinor, poetry: otherMinor, uv: otherMinor },
  'other tool version': {
    pip: ['cache.reason-pip', otherTool('pip')],
    pipenv: ['cache.reason-pipenv', otherTool('pipenv')],
    poetry: ['cache.reason-poetry', otherTool('poetry')],
    uv: ['cache.reason-uv', otherTool('uv')],
  },
  // The others restore the runtime of the first manager.
  'other stack': { pip: ['cache.reason-stack', `config stack ${STACK} -> scalingo-22`] },
};
/** Files that the buildpack stores next to the packages. */
const CACHED: Readonly<Record<Manager, string>> = {
  pip: 'python.cached',
  pipenv: 'pipenv.cached',
  poetry: 'poetry.cached',
  uv: 'uv.cached',
};
/** The same for all managers, so that the second one finds it in the store. */
const SHARED: ReadonlySet<string> = new Set(['runtime', 'runtime-tools']);

/**
 * One cache and one place for all, so that everything an edit does not affect is in the cache, as on a busy build
 * machine.
 */
class ManagerApp extends Workspace {
  tool: { readonly name: Manager; readonly version: string } | undefined;
  stack = STACK;

  /** Only the files of one manager. */
  put(manager: Manager, { lock = 'base', minor = MINOR }: Pick<Edit, 'lock' | 'minor'> = {}): void {
    rmSync(this.appDir, { recursive: true });
    cpSync(join(FIXTURES, manager, lock), this.appDir, { recursive: true });
    this.write({ '.python-version': `${minor}\n` });
  }

  /** The shipped pipeline, optionally with another version of a tool. */
  override request(overrides: Partial<RunRequest> = {}): RunRequest {
    const shipped = readFileSync(join(ROOT, 'pipelines/python.yml'), 'utf8');
    const { name = '', version = '' } = this.tool ?? {};
    this.pipeline(shipped.replaceAll(`with: { name: ${name},`, `with: { name: ${name}, version: '${version}',`));
    return super.request({
      sandbox: 'auto',
      params: { providers: '["system"]', stack: this.stack },
      passThrough: passThroughOf(process.env),
      ...overrides,
    });
  }

  packages(): readonly string[] {
    const lib = join(this.outDir, '.scalingo/python/lib');
    const [python = ''] = readdirSync(lib).filter((name) => /^python\d/.test(name));
    return readdirSync(join(lib, python, 'site-packages'))
      .flatMap((name) => /^(blinker|iniconfig|six)-.*(?=\.dist-info$)/.exec(name)?.[0] ?? [])
      .sort();
  }
}

const nodesWith = (report: RunReport, ...outcomes: readonly string[]): readonly string[] =>
  Object.entries(outcomesOf(report)).flatMap(([id, outcome]) => (outcomes.includes(outcome) ? [id] : []));

const missing = [MINOR, OTHER_MINOR].filter((minor) => !pyenvVersions().some((name) => name.startsWith(`${minor}.`)));

describe(`edits by package manager${missing.length === 0 ? '' : ` (skipped: no CPython ${missing.join()} under pyenv)`}`, function () {
  this.timeout(300_000);
  const rows: string[][] = [];
  let app: ManagerApp;
  before(function () {
    if (missing.length > 0) return this.skip();
    app = new ManagerApp();
  });
  after(() => {
    app?.cleanUp();
    if (rows.length > 0)
      console.log(tableOf([['manager', 'edit', 'nodes that ran (or came from the store)'], ...rows]));
  });

  const build = async (): Promise<RunReport> => {
    const report = await app.run();
    if (report.failure) throw new Error(`${report.failure.code}: ${report.failure.title}\n${report.failure.detail}`);
    return report;
  };

  for (const manager of MANAGERS) {
    describe(manager, () => {
      before(async () => {
        app.tool = undefined;
        app.put(manager);
        await build();
        expect(app.packages()).to.deep.equal(BASE);
      });

      // Back to the start: everything is in the store.
      afterEach(async () => {
        app.tool = undefined;
        app.stack = STACK;
        app.put(manager);
        expect(nodesWith(await build(), 'executed')).to.deep.equal([]);
        expect(app.packages()).to.deep.equal(BASE);
      });

      for (const edit of EDITS) {
        const [id, ...told] = TOLD[edit.name]?.[manager] ?? [];
        const title = `${edit.name}: ${EXPECTED[edit.name]?.[manager] || 'nothing'}`;
        const showsIt = async (): Promise<void> => {
          app.put(manager, edit);
          if (edit.stack !== undefined) app.stack = edit.stack;
          if (edit.hasOtherTool) app.tool = { name: manager, version: otherVersion(manager) };
          const report = await build();
          const restored = nodesWith(report, 'restored');
          const moved = nodesWith(report, 'executed', 'restored');
          rows.push([manager, edit.name, moved.map((id) => (restored.includes(id) ? `(${id})` : id)).join(' ') || '-']);
          expect(moved.join(' ')).to.equal(EXPECTED[edit.name]?.[manager]);
          expect(restored.filter((id) => !SHARED.has(id))).to.deep.equal([]);
          expect(app.packages()).to.deep.equal(edit.packages);
          if (edit.lock === 'changed-pin') {
            const reasons = report.nodes[manager]?.reasons.map(formatReason);
            expect(reasons).to.include('iniconfig 2.1.0 -> 2.0.0');
          }
          const changes = changesIn(platformLog(app.events));
          expect(changes).to.include.members(told);
          expect(changes.join('\n')).not.to.match(/[0-9a-f]{40}/);
        };
        if (id === undefined) it(title, showsIt);
        else it(`[${id}] ${title}`, showsIt);
      }

      const id = CACHED[manager];
      it(`[${id}] restores Python and ${manager} from the cache, and says so`, async () => {
        app.put(manager, { minor: OTHER_MINOR });
        await build();
        app.put(manager);
        await build();
        for (const what of [`Python ${MINOR}`, `${manager} ${toolVersion(manager)}`]) {
          const lines = new RegExp(`^-----> Installing ${what}.*\n {7}Restored from the cache, saving `, 'im');
          expect(platformLog(app.events)).to.match(lines);
        }
      });
    });
  }
});

/** The reasons of all nodes that were executed. */
const changesIn = (log: string): readonly string[] =>
  [...log.matchAll(/because of changes:\n((?: {7}- .*\n)+)/g)].flatMap(([, lines = '']) =>
    lines
      .trimEnd()
      .split('\n')
      .map((line) => line.slice('       - '.length)),
  );

function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `    ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`).join('\n');
}
