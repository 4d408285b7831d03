import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve as resolvePath } from 'node:path';
import { execSlug, type ExecSlugRequest } from '../../../src/engine/inspect/exec-slug.js';
import { probeSandbox, type SandboxMode } from '../../../src/engine/process/sandbox/probe.js';
import { processesWith, uniqueSleep } from '../../support/processes.js';
import { skipBecause } from '../../support/skip.js';

const root = mkdtempSync(join(tmpdir(), 'pyflow-exec-'));
const searchPath = (process.env['PATH'] ?? '').split(':');
const options = { searchPath, passThrough: {}, stateDir: join(root, 'state') };
const probe = await probeSandbox('required', options);

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `pyflow exec` as a process; `onText` gets its standard output so far. */
function start(
  request: Partial<ExecSlugRequest> & Pick<ExecSlugRequest, 'slugDir' | 'argv' | 'sandbox'>,
  onText: (text: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
  input = '',
): Promise<Ended> {
  return new Promise((resolve) => {
    const given = JSON.stringify([{ env: {}, writable: false, ...request }, options]);
    const script = ['--import', 'tsx', resolvePath('test/support/exec-trial.ts'), given];
    const child = spawn(process.execPath, script, {
      env: { PATH: process.env['PATH'], OF_THE_HOST: 'x' },
      stdio: 'pipe',
    });
    let stdout = '';
    let stderr = '';
    child.stdin.end(input);
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
      onText(stdout, (signal) => child.kill(signal));
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

let slugs = 0;
function makeSlug(files: Readonly<Record<string, string>> = {}): string {
  slugs += 1;
  const slugDir = join(root, `slug-${slugs}`);
  mkdirSync(join(slugDir, '.profile.d'), { recursive: true });
  for (const [path, content] of Object.entries({ '.pyflow-slug.json': '{}', ...files }))
    writeFileSync(join(slugDir, path), content);
  return slugDir;
}

/** Digest of all names, types and bytes below a folder. */
function digestOfTree(folder: string): string {
  const hash = createHash('sha256');
  const visit = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      const stat = lstatSync(join(path, name));
      hash.update(JSON.stringify([join(path, name), stat.mode, stat.mtimeMs]));
      if (stat.isDirectory()) visit(join(path, name));
      else hash.update(readFileSync(join(path, name)));
    }
  };
  visit(folder);
  return hash.digest('hex');
}

function describeEveryMode(sandbox: SandboxMode, homeOf: (slugDir: string) => string): void {
  it('sources the profile scripts in order, in the app folder', async () => {
    const slugDir = makeSlug({
      '.profile.d/b.sh': 'export ORDER="$ORDER b:$PWD"',
      '.profile.d/B.sh': 'export ORDER="$ORDER B"; set -- lost',
      ".profile.d/10 it's.sh": 'export ORDER="10"',
      '.profile.d/readme': 'exit 9',
    });
    const { stdout } = await start({ slugDir, sandbox, argv: ['sh', '-c', 'echo "$ORDER"; pwd; echo "$HOME"'] });
    const home = homeOf(slugDir);
    expect(stdout).to.equal(`10 B b:${home}\n${home}\n${home}\n`);
  });

  it('starts the command in the working folder that the profile scripts choose', async () => {
    const slugDir = makeSlug({
      '.profile.d/a.sh': 'cd "$HOME/services/web"',
      '.profile.d/b.sh': 'export FROM="$PWD"',
    });
    mkdirSync(join(slugDir, 'services/web'), { recursive: true });
    const { stdout } = await start({ slugDir, sandbox, argv: ['sh', '-c', 'echo "$FROM"; pwd; echo "$HOME"'] });
    const home = homeOf(slugDir);
    expect(stdout).to.equal(`${home}/services/web\n${home}/services/web\n${home}\n`);
  });

  it('passes on every word unchanged, and standard input', async () => {
    const argv = ['sh', '-c', 'cat; printf "[%s]" "$@"', 'sh', 'a b', "it's", '$HOME', '', '*'];
    const { stdout } = await start({ slugDir: makeSlug(), sandbox, argv }, undefined, 'input ');
    expect(stdout).to.equal("input [a b][it's][$HOME][][*]");
  });

  it('sets the variables of the app and none of the host', async () => {
    const slugDir = makeSlug();
    const env = { PORT: '8000', HOME: '/elsewhere' };
    const { stdout } = await start({ slugDir, sandbox, env, argv: ['env'] });
    const lines = stdout.split('\n');
    expect(lines).to.include.members(['PORT=8000', `HOME=${homeOf(slugDir)}`]);
    expect(lines.find((line) => line.startsWith('PATH='))).to.match(/^PATH=[a-z:/]+$/);
    expect(stdout).not.to.include('OF_THE_HOST');
    expect(stdout).not.to.include('SOURCE_DATE_EPOCH');
  });

  it('passes on the exit status, also of a command that a signal ended or that is missing', async () => {
    const slugDir = makeSlug();
    const statuses = await Promise.all(
      [['sh', '-c', 'exit 7'], ['sh', '-c', 'kill -9 $$'], ['no-such-program']].map(
        async (argv) => (await start({ slugDir, sandbox, argv })).status,
      ),
    );
    expect(statuses).to.deep.equal([7, 137, 127]);
  });

  it('changes the slug only on request', async () => {
    const slugDir = makeSlug({ 'module.py': 'x = 1\n' });
    const before = digestOfTree(slugDir);
    const python = await start({ slugDir, sandbox, argv: ['python3', '-c', 'import module; print(module.x)'] });
    if (python.status !== 127) expect(python.stdout).to.equal('1\n');
    expect(digestOfTree(slugDir)).to.equal(before);
    await start({ slugDir, sandbox, writable: true, argv: ['touch', 'made'] });
    expect(readdirSync(slugDir)).to.include('made');
  });

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`lets the command decide how to end on ${signal}`, async () => {
      const script = `trap 'echo tidied; exit 3' ${signal.slice(3)}; echo ready; while :; do sleep 0.01; done`;
      const { status, stdout, stderr } = await start(
        { slugDir: makeSlug(), sandbox, argv: ['sh', '-c', script] },
        (text, kill) => {
          if (text === 'ready\n') kill(signal);
        },
      );
      expect([status, stdout], stderr).to.deep.equal([3, 'ready\ntidied\n']);
    });
  }

  it('leaves nothing running after two signals', async () => {
    const seconds = uniqueSleep();
    // Short sleeps: one that starts just after the signal would delay the shell's trap. The number makes the process findable.
    const script = `trap "echo heard" TERM; echo ready; while : ${seconds}; do sleep 0.01; done`;
    const ended = await start({ slugDir: makeSlug(), sandbox, argv: ['sh', '-c', script] }, (text, kill) => {
      if (text === 'ready\n' || text === 'ready\nheard\n') kill('SIGTERM');
    });
    expect(ended.status).to.equal(99);
    expect(ended.stdout).to.include('heard');
    expect(processesWith(seconds)).to.deep.equal([]);
  });
}

describe('engine/inspect/exec-slug', () => {
  after(() => rmSync(root, { recursive: true, force: true }));

  describe('in mode none', () => {
    describeEveryMode('none', (slugDir) => slugDir);
  });

  describe('in namespaces', () => {
    before(function () {
      if (!probe.ok) skipBecause(this, `this machine has no namespaces: ${probe.failure.detail}`);
    });
    describeEveryMode('required', () => '/app');

    it('protects the slug, and gives an empty /tmp and the network', async () => {
      const slugDir = makeSlug();
      const script =
        'touch made 2>/dev/null || echo refused; ls /tmp; touch /tmp/made && echo made; grep -c . /proc/net/dev';
      const { stdout } = await start({ slugDir, sandbox: 'required', argv: ['sh', '-c', script] });
      const interfaces = readFileSync('/proc/net/dev', 'utf8').trim().split('\n').length;
      expect(stdout).to.equal(`refused\nmade\n${interfaces}\n`);
      expect(readdirSync(slugDir).sort()).to.deep.equal(['.profile.d', '.pyflow-slug.json']);
    });

    it('hides the machine', async () => {
      const argv = ['sh', '-c', `ls ${root} /root /home 2>/dev/null; ls /opt`];
      expect((await start({ slugDir: makeSlug(), sandbox: 'required', argv })).stdout).to.equal('');
    });
  });

  it('distinguishes a folder without a slug from a missing one', async () => {
    const argv = ['true'];
    const { signal } = new AbortController();
    const code = async (slugDir: string): Promise<string> => {
      const result = await execSlug({ slugDir, argv, env: {}, sandbox: 'none', writable: false, signal }, options);
      return result.ok ? 'ok' : result.failure.code;
    };
    const unfinished = makeSlug();
    rmSync(join(unfinished, '.pyflow-slug.json'));
    expect(await code(join(root, 'missing'))).to.equal('slug::not-found');
    expect(await code(unfinished)).to.equal('slug::not-a-slug');
    expect(await code(join(makeSlug(), '.pyflow-slug.json'))).to.equal('slug::not-a-slug');
  });

  it('starts nothing when already aborted', async () => {
    const slugDir = makeSlug();
    const request = { slugDir, argv: ['touch', 'made'], env: {}, writable: true, signal: AbortSignal.abort() };
    const result = await execSlug({ ...request, sandbox: 'none' }, options);
    expect(result).to.have.nested.property('failure.code', 'run::aborted');
    expect(readdirSync(slugDir)).not.to.include('made');
  });
});
