// The package policy in runs: real managers and a test index, through the gateway.

import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { RunReport } from '../../src/engine/events.js';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { lockerOf, MANAGERS, type Files, type Lock, type Manager } from '../support/manager-apps.js';
import { managerPipeline } from '../support/manager-pipeline.js';
import { PackageIndex } from '../support/package-index.js';
import { prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { makeUnstableArchive, makeWheel, type Wheel } from '../support/wheels.js';
import { outcomesOf, Workspace } from '../support/workspace.js';

const DAY = 86_400_000;
const NOW = Date.now();

const old = makeWheel('probe', '1.0');
const young = makeWheel('probe', '2.0');
const acme = makeWheel('acmecore', '1.0');
const source = makeUnstableArchive();
const withdrawn = makeWheel('withdrawn', '1.0');
const ALL = [old, young, acme, source, withdrawn];

const pipelineOf = (manager: Manager): string =>
  managerPipeline(
    'policy',
    manager,
    `  install:
    uses: install-deps-${manager}
    inputs: { runtime: runtime.tree, ${manager}: tool.tool }
`,
  );

describe('the package policy, online', function () {
  this.timeout(300_000);
  let runtime: PreparedRuntime;
  let index: PackageIndex;
  const space = new Workspace();
  const policyFile = join(space.root, 'operator/policy.yml');

  before(async function () {
    runtime = await prepareRuntime(this);
    index = await PackageIndex.start(ALL, { servesJson: true });
    for (const { file } of ALL) index.tell(file, { uploadTime: NOW - 100 * DAY });
    index.tell(young.file, { uploadTime: NOW - DAY });
    index.tell(withdrawn.file, { uploadTime: NOW - 100 * DAY, yanked: 'has a bug' });
    mkdirSync(join(space.root, 'operator/osv'), { recursive: true });
    const affected = [{ package: { ecosystem: 'PyPI', name: 'probe' }, versions: ['2.0'] }];
    writeFileSync(join(space.root, 'operator/osv/MAL-1.json'), JSON.stringify({ id: 'MAL-1', affected }));
  });
  after(async () => {
    await index?.stop();
    space.cleanUp();
  });

  /** One cache for all, so that each case only pays for the install. */
  async function install(manager: Manager, files: Files, policy?: string): Promise<RunReport> {
    space.remove('requirements.txt', 'Pipfile', 'Pipfile.lock', 'pyproject.toml', 'poetry.lock', 'uv.lock');
    space.write({ '.python-version': `${runtime.version}\n`, ...files }).pipeline(pipelineOf(manager));
    writeFileSync(policyFile, policy ?? '');
    const settings = { SYSTEM_PYTHONS: join(homedir(), '.pyenv/versions', runtime.version) };
    return space.run({
      appId: manager,
      sandbox: 'auto',
      passThrough: passThroughOf(process.env),
      // The tool comes from the real index, and is in the store afterwards.
      ...(policy === undefined
        ? { until: 'tool', settings }
        : { policyFile, settings: { ...settings, INDEX: index.url } }),
    });
  }
  const site = (): readonly string[] =>
    space.slugNames().flatMap((name) => /site-packages\/([^/]+)\.dist-info$/.exec(name)?.[1] ?? []);

  const CASES: readonly {
    readonly rule: string;
    readonly wheel: Wheel;
    readonly policy: string;
    readonly says: RegExp;
    readonly managers: readonly Manager[];
  }[] = [
    {
      rule: 'deny',
      wheel: young,
      policy: 'deny: [Probe ==2.*]\n',
      says: /policy denies `probe ==2\.\*`/,
      managers: ['uv', 'pipenv'],
    },
    { rule: 'malicious', wheel: young, policy: 'advisories: osv\n', says: /MAL-1/, managers: ['pip', 'poetry'] },
    {
      rule: 'private',
      wheel: acme,
      policy: 'indexes: { private: [{ packages: [acme*], from: [https://own.example/simple] }] }\n',
      says: /only https:\/\/own\.example\/simple may serve it/,
      managers: ['uv', 'pipenv'],
    },
    {
      rule: 'wheelsOnly',
      wheel: source,
      policy: 'wheelsOnly: true\n',
      says: /not a wheel/,
      managers: ['pip', 'poetry'],
    },
    {
      rule: 'yanked',
      wheel: withdrawn,
      policy: 'yanked: refuse\n',
      says: /withdrew it: has a bug/,
      managers: ['uv', 'pipenv'],
    },
  ];

  for (const manager of MANAGERS) {
    describe(manager, () => {
      let lock: Lock;
      before(async () => {
        lock = await lockerOf(manager, runtime);
        expect((await install(manager, await lock(index, []))).failure).to.equal(undefined);
      });

      const expectRefused = (report: RunReport, wheel: Wheel, rule: string): string => {
        const failure = report.nodes['install']?.failure;
        expect(failure, JSON.stringify(report.failure)).to.include({ code: 'packages::refused', blame: 'app' });
        const { title = '', detail = '', remedy = '' } = failure ?? {};
        expect(title).to.contain(wheel.name);
        expect(detail).to.contain(`rule \`${rule}\``);
        return `${title}\n${detail}\n${remedy}`;
      };

      it('refuses a young release, and installs it once a waiver lifts the rule', async () => {
        const files = await lock(index, [young]);
        const policy = 'contact: jane@example.com\nminimumAge: 7d\n';
        const text = expectRefused(await install(manager, files, policy), young, 'minimumAge');
        expect(text).to.contain('The newest allowed version is 1.0.').and.to.contain('jane@example.com');
        const waiver = 'waivers: [{ package: probe ==2.0, rule: minimumAge, until: 2999-12-31, by: jane }]\n';
        const waived = await install(manager, files, `${policy}${waiver}`);
        expect(outcomesOf(waived)['install'], JSON.stringify(waived.failure)).to.equal('executed');
        expect(site()).to.include('probe-2.0');
      });

      if (manager === 'pip') {
        it('judges again with another policy, and chooses the newest version that is allowed', async () => {
          const files = await lock(index, [young]);
          const exception = 'minimumAge: { age: 7d, except: [{ package: probe }] }\n';
          expect(outcomesOf(await install(manager, files, exception))['install']).to.equal('executed');
          expect(outcomesOf(await install(manager, files, exception))['install']).to.equal('up-to-date');
          expectRefused(await install(manager, files, 'minimumAge: 7d\n'), young, 'minimumAge');
          const report = await install(manager, { 'requirements.txt': 'probe\n' }, 'minimumAge: 7d\n');
          expect(outcomesOf(report)['install'], JSON.stringify(report.failure)).to.equal('executed');
          expect(site()).to.include('probe-1.0');
        });

        it('refuses and warns by the licence of what was installed', async () => {
          const licensed = makeWheel('licensed', '1.0', { license: 'AGPL-3.0-only' });
          index.add(licensed.file, licensed.bytes);
          index.tell(licensed.file, { uploadTime: 0 });
          const files = { 'requirements.txt': 'licensed\n' };
          const refused = await install(manager, files, 'licences: { refuse: [AGPL-*] }\n');
          expect(refused.nodes['install']?.failure).to.include({ code: 'packages::refused', blame: 'app' });
          expect(refused.nodes['install']?.failure?.detail).to.contain('licensed 1.0: Its licence is AGPL-3.0-only.');
          const warned = await install(manager, files, 'licences: { warn: [AGPL-*] }\n');
          expect(outcomesOf(warned)['install'], JSON.stringify(warned.failure)).to.equal('executed');
          const notices = space.events.flatMap((event) => (event.type === 'node-printed' ? [event.text] : []));
          expect(notices.join('\n')).to.contain('[packages::warned] licensed 1.0: Its licence is AGPL-3.0-only.');
        });
      }

      // Each refusal by lockfile or by page, with one manager of either way.
      for (const { rule, wheel, policy, says, managers } of CASES) {
        if (!managers.includes(manager)) continue;
        it(`refuses by the rule ${rule}`, async () => {
          const report = await install(manager, await lock(index, [wheel]), policy);
          expect(expectRefused(report, wheel, rule)).to.match(says);
        });
      }
    });
  }

  it('needs the gateway', async () => {
    writeFileSync(policyFile, 'yanked: refuse\n');
    const error = await space.run({ policyFile, settings: { PACKAGES: 'direct' } }).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.contain('policy::needs-gateway');
  });
});
