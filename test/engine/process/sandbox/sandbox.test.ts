import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createPlainSandbox } from '../../../../src/engine/process/sandbox/plain.js';
import { findProgram, probeSandbox } from '../../../../src/engine/process/sandbox/probe.js';
import type { Command, Sandbox, SandboxSession } from '../../../../src/engine/process/sandbox/sandbox.js';
import { processesWith, uniqueSleep } from '../../../support/processes.js';
import { skipBecause } from '../../../support/skip.js';

const searchPath = (process.env['PATH'] ?? '').split(':');
const root = mkdtempSync(join(tmpdir(), 'pyflow-sandbox-'));
const stateDir = join(root, 'state');
const certificate = join(root, 'certificates', 'ca.pem');
const passThrough = { https_proxy: 'http://proxy.example:3128', SSL_CERT_FILE: certificate };
mkdirSync(join(root, 'certificates'));
writeFileSync(certificate, 'a certificate\n');
const probe = await probeSandbox('required', { searchPath, passThrough, stateDir });

interface Scene {
  readonly folder: string;
  readonly session: SandboxSession;
  run(
    script: string,
    more?: Partial<Command> & { onText?: (text: string, abort: () => void) => void },
  ): Promise<{ readonly result: Awaited<ReturnType<SandboxSession['run']>>; readonly lines: readonly string[] }>;
}

let scenes = 0;
function openScene(sandbox: Sandbox): Scene {
  scenes += 1;
  const folder = join(root, `scene-${scenes}`);
  for (const name of ['app', 'scratch', 'cache', 'given', 'tool', 'tools/uv', 'mounted'])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(join(folder, 'app/file'), 'of the app\n');
  writeFileSync(join(folder, 'tools/uv/file'), 'of the tool\n');
  const session = sandbox.open({
    appDir: join(folder, 'app'),
    scratchDir: join(folder, 'scratch'),
    cacheDir: join(folder, 'cache'),
    givenDir: join(folder, 'given'),
    toolDir: join(folder, 'tool'),
    tools: { uv: join(folder, 'tools/uv') },
    mounts: { '/mounted/here': join(folder, 'mounted') },
  });
  return {
    folder,
    session,
    async run(script, more = {}) {
      const lines: string[] = [];
      const controller = new AbortController();
      const { onText, ...command } = more;
      const result = await session.run({
        argv: ['sh', '-c', script],
        env: { PATH: '/usr/bin:/bin' },
        network: false,
        onLine: (_stream, text) => {
          lines.push(text);
          onText?.(text, () => controller.abort());
        },
        signal: controller.signal,
        ...command,
      });
      return { result, lines };
    },
  };
}

const exited = (exitCode: number) => ({ ok: true, value: { exitCode } });

/** Tests for both modes. */
function describeEveryMode(sandbox: () => Sandbox): void {
  it('starts in the app folder and can write to every folder of the node', async () => {
    const { run, session, folder } = openScene(sandbox());
    const { scratch, cache, tool } = session.paths;
    const { result, lines } = await run(`cat file; for at in . ${scratch} ${cache} ${tool}; do echo x >$at/made; done`);
    expect(result).to.deep.equal(exited(0));
    expect(lines).to.deep.equal(['of the app']);
    for (const name of ['app', 'scratch', 'cache', 'tool'])
      expect(readFileSync(join(folder, name, 'made'), 'utf8')).to.equal('x\n');
  });

  it('creates files that belong to the caller', async () => {
    const { run, folder } = openScene(sandbox());
    await run('mkdir made && echo x >made/file');
    expect(statSync(join(folder, 'app/made/file')).uid).to.equal(process.getuid?.());
    expect(statSync(join(folder, 'app/made/file')).gid).to.equal(process.getgid?.());
  });

  it('lets the kernel end commands before pyflow when memory runs out', async () => {
    const { run } = openScene(sandbox());
    expect((await run('cat /proc/self/oom_score_adj')).lines).to.deep.equal(['1000']);
    expect(Number(readFileSync('/proc/self/oom_score_adj', 'utf8'))).to.be.below(1000);
  });

  it('runs in another folder on request', async () => {
    const { run, session } = openScene(sandbox());
    const { lines } = await run('pwd', { cwd: session.paths.scratch });
    expect(lines).to.deep.equal([session.paths.scratch]);
  });

  it('shows tools at the promised paths', async () => {
    const { run, session } = openScene(sandbox());
    expect((await run(`cat ${session.paths.tools['uv']}/file`)).lines).to.deep.equal(['of the tool']);
  });

  it('gives proxy and certificate variables only to commands with a network', async () => {
    const { run } = openScene(sandbox());
    const script = 'echo "[$https_proxy] $(cat "$SSL_CERT_FILE" 2>/dev/null)"';
    expect((await run(script, { network: true })).lines).to.deep.equal(['[http://proxy.example:3128] a certificate']);
    expect((await run(script)).lines).to.deep.equal(['[] ']);
  });

  it('lets a command override such a variable', async () => {
    const { run } = openScene(sandbox());
    const env = { PATH: '/usr/bin:/bin', https_proxy: 'own' };
    expect((await run('echo $https_proxy', { network: true, env })).lines).to.deep.equal(['own']);
  });

  it('reports the exit status, missing programs and programs that cannot start', async () => {
    const { run } = openScene(sandbox());
    expect((await run('exit 7')).result).to.deep.equal(exited(7));
    const codes = await Promise.all(
      [run('', { argv: ['no-such-program'] }), run('', { argv: ['./file'] }), run('', { cwd: '/no/such/folder' })].map(
        async (running) => (await running).result,
      ),
    );
    expect(codes.map((result) => (result.ok ? 'ok' : result.failure.code))).to.deep.equal([
      'command::not-found',
      'command::not-executable',
      'command::cannot-start',
    ]);
  });

  it('ends an aborted command in an orderly way and names it in the failure', async () => {
    const { run } = openScene(sandbox());
    const { result, lines } = await run('trap "echo tidied; exit 0" TERM; echo ready; while :; do sleep 0.01; done', {
      onText: (text, abort) => text === 'ready' && abort(),
    });
    expect(result).to.have.nested.property('failure.code', 'run::aborted');
    expect(result).to.have.nested.property('failure.title', 'The command sh was aborted');
    expect(lines).to.include('tidied');
  });

  it('leaves no process behind when aborted, not even one in its own session', async () => {
    const { run } = openScene(sandbox());
    const seconds = uniqueSleep();
    const { result } = await run(`setsid sleep ${seconds} >/dev/null 2>&1 & sleep ${seconds} & echo ready; wait`, {
      onText: (text, abort) => text === 'ready' && abort(),
    });
    expect(result).to.have.nested.property('failure.code', 'run::aborted');
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  it('leaves no process behind when the command ends', async () => {
    const { run } = openScene(sandbox());
    const seconds = uniqueSleep();
    expect((await run(`sleep ${seconds} & exit 0`)).result).to.deep.equal(exited(0));
    expect(processesWith(seconds)).to.deep.equal([]);
  });

  for (const [what, start] of Object.entries({
    'in its own session': 'setsid sleep NAP >/dev/null 2>&1 </dev/null &',
    'that forked twice': '(setsid sh -c "sleep NAP & sleep NAP" >/dev/null 2>&1 &) &',
    'without the environment': '(setsid env -i sh -c "/bin/sleep NAP & /bin/sleep NAP" >/dev/null 2>&1 &) &',
    'that holds the streams': 'setsid env -i /bin/sleep NAP &',
    'that keeps starting others': `(setsid env -i sh -c 'while :; do (/bin/sleep NAP &); done' >/dev/null 2>&1 &) &`,
  })) {
    it(`ends a process ${what} before the command counts as ended`, async () => {
      const { run } = openScene(sandbox());
      const seconds = uniqueSleep();
      const script = `${start.replaceAll('NAP', seconds)} sleep 0.1; exit 0`;
      expect((await run(script)).result).to.deep.equal(exited(0));
      expect(processesWith(seconds)).to.deep.equal([]);
      expect((await run('echo next')).lines).to.deep.equal(['next']);
    });
  }

  it('ends everything that still runs on close', async () => {
    const { run, session } = openScene(sandbox());
    const seconds = uniqueSleep();
    let started = (): void => {};
    const ready = new Promise<void>((resolveReady) => {
      started = resolveReady;
    });
    const running = run(`echo ready; sleep ${seconds}`, { onText: () => started() });
    await ready;
    await session.close();
    expect(processesWith(seconds)).to.deep.equal([]);
    expect((await running).result).to.have.nested.property('failure.code', 'run::aborted');
  });
}

describe('sandbox', () => {
  after(() => rmSync(root, { recursive: true, force: true }));

  describe('plain', () => {
    describeEveryMode(() => createPlainSandbox({ passThrough }));

    it('shows commands the real folders', () => {
      const { session, folder } = openScene(createPlainSandbox({ passThrough }));
      expect(session.paths).to.deep.equal({
        app: join(folder, 'app'),
        scratch: join(folder, 'scratch'),
        cache: join(folder, 'cache'),
        given: join(folder, 'given'),
        tool: join(folder, 'tool'),
        tools: { uv: join(folder, 'tools/uv') },
      });
    });
  });

  describe('namespaces', () => {
    before(function () {
      if (!probe.ok) skipBecause(this, `this machine has no namespaces: ${probe.failure.detail}`);
    });
    const sandbox = (): Sandbox => (probe.ok ? probe.value : expect.fail('no namespaces'));
    describeEveryMode(sandbox);

    it('shows the app at /app and tools below /opt/pyflow/tools', () => {
      const { paths } = openScene(sandbox()).session;
      expect(paths.app).to.equal('/app');
      expect(paths.tools).to.deep.equal({ uv: '/opt/pyflow/tools/uv' });
    });

    it("hides home folders, the machine's settings and everything else that belongs to the caller", async () => {
      const { run, folder } = openScene(sandbox());
      const hidden = [homedir(), '/home', '/root', '/etc/pip.conf', '/etc/shadow', '/etc/gitconfig', '/mnt', folder];
      const script = hidden.map((path) => `test -e ${path} && echo ${path}`).join('; ');
      expect((await run(`${script}; true`)).lines).to.deep.equal([]);
      const network = await run(`${script}; true`, { network: true });
      expect(network.lines).to.deep.equal([]);
    });

    it('shows only root, nobody and the caller as users', async () => {
      const { run } = openScene(sandbox());
      const { lines } = await run('cut -d: -f1 /etc/passwd; id -u; id -g');
      expect(lines.slice(0, -2).filter((name) => !['root', 'app', 'nobody'].includes(name))).to.deep.equal([]);
      expect(lines.slice(-2)).to.deep.equal([String(process.getuid?.()), String(process.getgid?.())]);
    });

    it('gives commands no capabilities, also when the caller is root', async () => {
      const { run } = openScene(sandbox());
      expect((await run('grep CapEff /proc/self/status')).lines).to.deep.equal(['CapEff:\t0000000000000000']);
    });

    it('refuses to write anywhere else', async () => {
      const { run, session, folder } = openScene(sandbox());
      const places = ['/', '/usr', '/etc', '/opt', '/run', '/var', '/var/cache', String(session.paths.tools['uv'])];
      const script = places.map((path) => `(echo x >${path}/made) 2>/dev/null && echo ${path}`).join('; ');
      expect((await run(`${script}; true`)).lines).to.deep.equal([]);
      expect(existsSync(join(folder, 'tools/uv/made'))).to.equal(false);
    });

    it('binds further folders at the requested paths', async () => {
      const { run, folder } = openScene(sandbox());
      await run('echo x >/mounted/here/made');
      expect(readFileSync(join(folder, 'mounted/made'), 'utf8')).to.equal('x\n');
    });

    it('shows only its own processes', async () => {
      const { run } = openScene(sandbox());
      const { lines } = await run('cat /proc/[0-9]*/comm');
      expect(lines).to.have.members(['bwrap', 'sh']);
    });

    it('reaches a listener on the machine only with a network, and only if the sandbox is not required', async () => {
      const auto = await probeSandbox('auto', { searchPath, passThrough, stateDir });
      const server = createServer((socket) => socket.end('hello\n')).listen(0, '127.0.0.1');
      await new Promise((resolveListening) => server.once('listening', resolveListening));
      const { port } = server.address() as AddressInfo;
      const argv = ['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port} && cat <&3`];
      const named = await probeSandbox('required', { searchPath, passThrough, stateDir, hostPorts: [port] });
      const reached: string[] = [];
      for (const [name, tried, network] of [
        ['closed', sandbox(), false],
        ['required', sandbox(), true],
        ['required, a port of the operator', named.ok && named.value, true],
        ['auto', auto.ok && auto.value, true],
      ] as const) {
        if (tried === false) continue;
        const { run, session } = openScene(tried);
        if ((await run('', { argv, network })).lines.includes('hello')) reached.push(name);
        await session.close();
      }
      server.close();
      const isShared = sandbox().whyNetworkIsShared?.() !== undefined;
      expect(reached).to.deep.equal([...(isShared ? ['required'] : []), 'required, a port of the operator', 'auto']);
    });

    it('has its own loopback without a network', async () => {
      const { run } = openScene(sandbox());
      const { lines } = await run('grep -c . /proc/net/dev; getent hosts localhost | head -1 | tr -s " "');
      expect(lines[0]).to.equal('3');
      expect(lines[1]).to.match(/^(::1|127\.0\.0\.1) localhost/);
    });

    it('does not apply loader variables of a command to bubblewrap', async () => {
      const { run, folder } = openScene(sandbox());
      const trace = join(folder, 'trace');
      const env = { PATH: '/usr/bin:/bin', LD_DEBUG: 'files', LD_DEBUG_OUTPUT: trace, LD_LIBRARY_PATH: '/app/lib' };
      const { lines, result } = await run('echo $LD_LIBRARY_PATH', { env });
      expect(result).to.deep.equal(exited(0));
      expect(lines).to.include('/app/lib');
      expect(execFileSync('ls', [folder], { encoding: 'utf8' })).not.to.include('trace');
    });

    for (const network of [false, true]) {
      it(`resolves localhost, ::1 and its own name ${network ? 'with' : 'without'} a network`, async () => {
        const { run } = openScene(sandbox());
        const { lines } = await run('for name in localhost ::1 $(uname -n); do getent ahosts $name | head -1; done', {
          network,
        });
        expect(lines[0]).to.match(/^(::1|127\.0\.0\.1) /);
        expect(lines.slice(1).map((line) => line.replace(/ .*/, ''))).to.deep.equal(['::1', '127.0.0.1']);
      });
    }

    it('shows other host names of the machine only with a network', async () => {
      const { run } = openScene(sandbox());
      const count = async (network: boolean): Promise<number> =>
        Number((await run('grep -c . /etc/hosts', { network })).lines[0]);
      const ofMachine = readFileSync('/etc/hosts', 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      expect((await count(true)) - (await count(false))).to.equal(ofMachine.length);
    });

    it('limits shared memory', async () => {
      const { run } = openScene(sandbox());
      const script = 'echo x >/dev/shm/made && head -c 300M /dev/zero >/dev/shm/large; stat -c %s /dev/shm/large';
      const { lines } = await run(script);
      expect(Number(lines.at(-1)))
        .to.be.greaterThan(0)
        .and.below(300 * 1024 * 1024);
    });

    it('passes on output of the command that looks like a message of bubblewrap', async () => {
      const { run } = openScene(sandbox());
      expect((await run('echo "bwrap: execvp x: No such file or directory" >&2; exit 1')).lines).to.deep.equal([
        'bwrap: execvp x: No such file or directory',
      ]);
    });

    it('works for a user without privileges', function () {
      if (process.getuid?.() !== 0) skipBecause(this, 'needs root');
      this.test!.title += findProgram('setpriv', searchPath) === undefined ? ' (skipped: no setpriv)' : '';
      if (findProgram('setpriv', searchPath) === undefined) skipBecause(this, 'needs setpriv');
      const folder = mkdtempSync(join(tmpdir(), 'pyflow-nobody-'));
      chownSync(folder, 65534, 65534);
      const ids = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
      const script = [process.execPath, '--import', 'tsx', resolve('test/support/sandbox-trial.ts'), folder];
      const output = execFileSync('setpriv', [...ids, ...script], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder },
      });
      rmSync(folder, { recursive: true, force: true });
      expect(JSON.parse(output)).to.deep.equal({ result: exited(0), lines: ['65534', 'app'], owner: 65534 });
    });
  });

  describe('probe', () => {
    it('falls back without bubblewrap and gives the reason', async () => {
      const found = await probeSandbox('auto', { searchPath: [join(root, 'empty')], passThrough, stateDir });
      expect(found).to.have.nested.property('value.mode', 'none');
      expect(found).to.have.nested.property('value.fallbackReason').that.includes('bwrap');
    });

    it('fails without bubblewrap if a sandbox is required', async () => {
      const found = await probeSandbox('required', { searchPath: [join(root, 'empty')], passThrough, stateDir });
      expect(found).to.have.nested.property('failure.code', 'sandbox::unavailable');
      expect(found).to.have.nested.property('failure.blame', 'environment');
    });

    it('tests that bubblewrap works, not only that it is installed', async () => {
      const broken = join(root, 'broken');
      mkdirSync(broken);
      writeFileSync(
        join(broken, 'bwrap'),
        '#!/bin/sh\necho "bwrap: No permissions to create namespace" >&2\nexit 1\n',
        {
          mode: 0o755,
        },
      );
      const found = await probeSandbox('auto', { searchPath: [broken], passThrough, stateDir });
      expect(found).to.have.nested.property('value.mode', 'none');
      expect(found).to.have.nested.property('value.fallbackReason').that.includes('No permissions');
    });

    /** Bubblewrap without some of its arguments. */
    function weakened(name: string, ...lines: readonly string[]): string {
      const folder = join(root, name);
      mkdirSync(folder);
      const script = ['#!/bin/bash', 'arguments=()', 'while [ $# -gt 0 ]; do', '  case $1 in', ...lines];
      const real = findProgram('bwrap', searchPath);
      const rest = ['    *) arguments+=("$1"); shift ;;', '  esac', 'done', `exec ${real} "\${arguments[@]}"`, ''];
      writeFileSync(join(folder, 'bwrap'), [...script, ...rest].join('\n'), { mode: 0o755 });
      return folder;
    }

    it('refuses a sandbox in which system calls are not filtered', async function () {
      if (!probe.ok) skipBecause(this, 'this machine has no namespaces');
      const folder = weakened('unfiltered', '    --seccomp) shift 2 ;;');
      const found = await probeSandbox('required', { searchPath: [folder], passThrough, stateDir });
      expect(found).to.have.nested.property('failure.code', 'sandbox::unavailable');
      expect(found).to.have.nested.property('failure.detail').that.includes('not filtered');
    });

    it('refuses a sandbox in which a kernel setting can be opened for writing', async function () {
      if (!probe.ok || process.getuid?.() !== 0) skipBecause(this, 'needs namespaces, and root');
      const folder = weakened('writable', '    --remount-ro) [ "$2" = /proc ] || arguments+=("$1" "$2"); shift 2 ;;');
      const found = await probeSandbox('required', { searchPath: [folder], passThrough, stateDir });
      expect(found).to.have.nested.property('failure.code', 'sandbox::unavailable');
      expect(found).to.have.nested.property('failure.detail').that.includes('for writing');
    });

    it('works with a bubblewrap that lacks the newest options', async function () {
      if (!probe.ok) skipBecause(this, 'this machine has no namespaces');
      const unknown = 'echo "bwrap: Unknown option $1" >&2; exit 1';
      const folder = weakened('older', `    --size | --perms | --disable-userns) ${unknown} ;;`);
      const found = await probeSandbox('required', { searchPath: [folder], passThrough, stateDir });
      expect(found).to.have.nested.property('value.mode', 'namespaces');
    });

    it('tries only once for repeated requests', async () => {
      const counting = join(root, 'counting');
      mkdirSync(counting);
      writeFileSync(join(counting, 'bwrap'), `#!/bin/sh\necho tried >>${counting}/tries\nexit 1\n`, { mode: 0o755 });
      const options = { searchPath: [counting], passThrough, stateDir };
      await Promise.all([probeSandbox('auto', options), probeSandbox('required', options)]);
      await probeSandbox('auto', options);
      expect(readFileSync(join(counting, 'tries'), 'utf8')).to.equal('tried\n');
    });

    it('tries nothing for mode none', async () => {
      const found = await probeSandbox('none', { searchPath, passThrough, stateDir: join(root, 'never') });
      expect(found).to.have.nested.property('value.mode', 'none');
      expect(found).not.to.have.nested.property('value.fallbackReason');
      expect(existsSync(join(root, 'never'))).to.equal(false);
    });
  });
});
