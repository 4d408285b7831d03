import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { filesService } from '../../src/engine/services/files.js';
import { ConcurrencyProfile } from '../../src/plugins/concurrency-profile/plugin.js';
import { PluginScene } from '../support/plugin-scene.js';

interface Vector {
  readonly cgroup_v1_bytes: string | null;
  readonly cgroup_v2: string | null;
  readonly cores: number | null;
  readonly container: string | null;
  readonly preset: string | null;
  readonly WEB_CONCURRENCY: number | null;
  readonly DYNO_RAM: number | null;
  readonly WEB_CONCURRENCY_SET_BY: string | null;
  readonly log_lines: number;
}
interface Stacks {
  readonly webConcurrency: readonly Vector[];
  readonly dynos: readonly { dyno: string; memory_mb: number; cores: number; web_concurrency: number }[];
  readonly containerSizes: readonly { size: string; memory_mb: number; computed: Readonly<Record<string, number>> }[];
}

const stacks = JSON.parse(readFileSync(new URL('../fixtures/stacks.json', import.meta.url), 'utf8')) as Stacks;
const NAMES = ['WEB_CONCURRENCY', 'DYNO_RAM', 'WEB_CONCURRENCY_SET_BY'] as const;
const SHELLS: readonly (readonly string[])[] = [['bash'], ['bash', '-euo', 'pipefail'], ['dash', '-eu']];

describe('plugins/concurrency-profile', function () {
  const scene = new PluginScene();
  const root = mkdtempSync(join(tmpdir(), 'pyflow-cgroup-'));
  const programs = join(root, 'bin');
  const profile = '.profile.d/WEB_CONCURRENCY.sh';

  before(async () => {
    mkdirSync(programs);
    writeFileSync(join(programs, 'nproc'), '#!/bin/sh\n[ -n "$CORES" ] && echo "$CORES"\n', { mode: 0o755 });
    const { reads, result } = await scene.play(
      new ConcurrencyProfile({ files: filesService }),
      { setBy: 'scalingo/python' },
      {},
    );
    expect([reads, result]).to.deep.equal([{}, { ok: true, value: { outputs: {} } }]);
  });
  after(() => {
    scene.close();
    rmSync(root, { recursive: true });
  });

  /** The variables of an app that sources the script in such a container. */
  function boot(
    shell: readonly string[],
    container: Partial<Pick<Vector, 'cgroup_v1_bytes' | 'cgroup_v2' | 'cores' | 'container' | 'preset'>>,
  ): { readonly set: Record<string, string>; readonly log: readonly string[]; readonly status: number | null } {
    const cgroup = mkdtempSync(join(root, 'cgroup-'));
    mkdirSync(join(cgroup, 'memory'));
    const { cgroup_v1_bytes, cgroup_v2, cores, container: name, preset } = container;
    if (typeof cgroup_v1_bytes === 'string') {
      writeFileSync(join(cgroup, 'memory/memory.limit_in_bytes'), `${cgroup_v1_bytes}\n`);
    }
    if (typeof cgroup_v2 === 'string') writeFileSync(join(cgroup, 'memory.max'), `${cgroup_v2}\n`);
    const [program = '', ...options] = shell;
    const script = `. "$1"; [ -z "$(command -v _web_concurrency)" ] || exit 9; exec env -0`;
    const { stdout, stderr, status } = spawnSync(
      program,
      [...options, '-c', script, 'boot', join(scene.appDir, profile)],
      {
        encoding: 'utf8',
        // A pipe as standard input makes bash believe it was started by rshd, and read ~/.bashrc.
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: `${programs}:/usr/bin:/bin`,
          WEB_CONCURRENCY_CGROUP_ROOT: cgroup,
          ...(typeof cores === 'number' && { CORES: String(cores) }),
          ...(typeof name === 'string' && { CONTAINER: name }),
          ...(typeof preset === 'string' && { WEB_CONCURRENCY: preset }),
        },
      },
    );
    const all = Object.fromEntries(stdout.split('\0').map((line) => line.split(/=(.*)/s, 2) as [string, string]));
    const set = Object.fromEntries(NAMES.flatMap((key) => (all[key] === undefined ? [] : [[key, all[key]]])));
    return { set, log: stderr.split('\n').filter((line) => line !== ''), status };
  }

  for (const shell of SHELLS) {
    it(`agrees with every observed vector under ${shell.join(' ')}`, () => {
      expect(stacks.webConcurrency).to.have.length(55);
      for (const vector of stacks.webConcurrency) {
        const { set, log, status } = boot(shell, vector);
        const wanted: Record<string, string> = {};
        for (const name of NAMES) if (vector[name] !== null) wanted[name] = String(vector[name]);
        // The vectors show an empty preset as "no number"; it stays in the environment as it was.
        if (vector.preset === '') wanted['WEB_CONCURRENCY'] = '';
        const about = JSON.stringify(vector);
        expect(set, about).to.deep.equal(wanted);
        expect(log.length, about).to.equal(vector.log_lines);
        expect(status, about).to.equal(0);
      }
    });
  }

  it('computes the documented number for every container size and every dyno', () => {
    const cases = [
      ...stacks.dynos.map(({ memory_mb, cores, web_concurrency }) => [memory_mb, cores, web_concurrency] as const),
      ...stacks.containerSizes.flatMap(({ memory_mb, computed }) =>
        Object.entries(computed).map(([cores, wanted]) => [memory_mb, Number.parseInt(cores, 10), wanted] as const),
      ),
    ];
    for (const [memory, cores, wanted] of cases) {
      const { set } = boot(['bash'], { cgroup_v2: String(memory * 1048576), cores });
      expect(set['WEB_CONCURRENCY'], `${memory} MB, ${cores} cores`).to.equal(String(wanted));
    }
  });

  describe('each single rule', () => {
    const MB = 1048576;
    const web = (container: Parameters<typeof boot>[1]) => boot(['bash', '-eu'], { container: 'web-1', ...container });

    it('[wc.memory-v1] reads the limit of cgroup 1 in whole MB, and treats more than 1 TB as none', () => {
      const { set } = web({ cgroup_v1_bytes: String(600 * MB - 1), cores: 4 });
      expect(set).to.include({ DYNO_RAM: '599', WEB_CONCURRENCY: '2' });
      expect(web({ cgroup_v1_bytes: String(1048576 * MB), cores: 1 }).set).to.include({ DYNO_RAM: '1048576' });
      expect(web({ cgroup_v1_bytes: String(1048577 * MB), cores: 1 }).set).to.deep.equal({});
    });

    it('[wc.memory-v2] reads that of cgroup 2 if version 1 has none, without an upper bound', () => {
      const unlimited = String(2 ** 62);
      expect(web({ cgroup_v1_bytes: unlimited, cgroup_v2: String(512 * MB), cores: 4 }).set).to.include({
        DYNO_RAM: '512',
      });
      expect(web({ cgroup_v2: String(2000000 * MB), cores: 1 }).set).to.include({ DYNO_RAM: '2000000' });
      expect(web({ cgroup_v2: 'max', cores: 1 }).set).to.deep.equal({});
    });

    it('[wc.cgroup-root] looks in WEB_CONCURRENCY_CGROUP_ROOT', () => {
      expect(web({ cgroup_v2: String(300 * MB), cores: 1 }).set).to.include({ DYNO_RAM: '300' });
    });

    it('[wc.log-only-web] logs only in web containers, and sets the same everywhere', () => {
      const container = { cgroup_v2: String(512 * MB), cores: 2 };
      expect(web(container).log.every((line) => line.startsWith('python: '))).to.equal(true);
      const other = boot(['bash'], { ...container, container: 'worker-1' });
      expect([other.log, other.set]).to.deep.equal([[], web(container).set]);
    });

    it('[wc.no-memory] [wc.no-cores] reports unknown values, and sets nothing', () => {
      const noMemory = web({ cores: 2 });
      expect(noMemory.set).to.deep.equal({});
      expect(noMemory.log)
        .to.have.length(1)
        .and.satisfy(([line]: string[]) => line?.includes('no memory limit'));
      const noCores = web({ cgroup_v2: String(512 * MB) });
      expect(noCores.set).to.deep.equal({});
      expect(noCores.log)
        .to.have.length(1)
        .and.satisfy(([line]: string[]) => line?.includes('number of cores'));
    });

    it('[wc.detected] [wc.dyno-ram] [wc.preset] logs memory and cores, and keeps a number that is set, even if empty', () => {
      for (const preset of ['7', '']) {
        const { set, log } = web({ cgroup_v2: String(512 * MB), cores: 2, preset });
        expect(set).to.deep.equal({ DYNO_RAM: '512', WEB_CONCURRENCY: preset });
        expect(log[0]).to.contain('512 MB of memory and 2 cores');
        expect(log[1]).to.contain('stays');
      }
    });

    it('[wc.set-by] [wc.memory-bound] uses the number that fits into memory, and logs it', () => {
      const { set, log } = web({ cgroup_v2: String(800 * MB), cores: 4 });
      expect(set).to.deep.equal({ DYNO_RAM: '800', WEB_CONCURRENCY: '3', WEB_CONCURRENCY_SET_BY: 'scalingo/python' });
      expect(log[1]).to.contain('memory');
    });

    it('[wc.small-memory] runs one process in less than 256 MB', () => {
      expect(web({ cgroup_v2: String(100 * MB), cores: 4 }).set).to.include({ WEB_CONCURRENCY: '1' });
    });

    it('[wc.cores-bound] uses the number for the cores, even if both are equal', () => {
      const { set, log } = web({ cgroup_v2: String(8192 * MB), cores: 2 });
      expect(set).to.include({ WEB_CONCURRENCY: '5' });
      expect(log[1]).to.contain('cores');
      expect(web({ cgroup_v2: String(5 * 256 * MB), cores: 2 }).log[1]).to.contain('cores');
    });
  });

  it('treats an unreadable limit as none', () => {
    for (const cgroup_v2 of ['', 'unlimited', '-1', '12 34x']) {
      expect(boot(['bash', '-eu'], { cgroup_v2, cores: 2, container: 'web-1' })).to.deep.include({
        set: {},
        status: 0,
      });
    }
  });

  it('names the tool in the config', async () => {
    const other = new PluginScene();
    await other.play(new ConcurrencyProfile({ files: filesService }), { setBy: 'acme/python' }, {});
    const script = join(other.appDir, profile);
    expect(execFileSync('bash', ['-n', script])).to.have.length(0);
    expect(other.read(profile)).to.include('WEB_CONCURRENCY_SET_BY="acme/python"');
    other.close();
  });
});
