import { expect } from 'chai';
import { runTool } from '../../../src/engine/process/subprocess.js';

const ENV = { PATH: '/usr/bin:/bin' };

describe('runTool', () => {
  const options = { timeoutMs: 10_000, env: ENV };

  it('captures both streams and returns a non-zero exit status as a value', async () => {
    const result = await runTool('sh', ['-c', 'cat; echo bad >&2; exit 4'], { ...options, input: 'text\n' });
    expect(result).to.deep.equal({ ok: true, value: { exitCode: 4, stdout: 'text', stderr: 'bad' } });
  });

  it('names the signal that ended a command', async () => {
    const result = await runTool('sh', ['-c', 'kill -9 $$'], options);
    expect(result).to.deep.equal({ ok: true, value: { signal: 'SIGKILL', stdout: '', stderr: '' } });
  });

  it('gives the command the named environment and nothing else', async () => {
    const result = await runTool('sh', ['-c', 'echo "[$HOME]"'], options);
    expect(result).to.have.nested.property('value.stdout', '[]');
  });

  it('reports a missing program, a missing folder, a timeout and an abort', async () => {
    const codes = await Promise.all([
      runTool('no-such-program', [], options),
      runTool('true', [], { ...options, cwd: '/no/such/folder' }),
      runTool('sleep', ['100'], { ...options, timeoutMs: 20 }),
      runTool('sleep', ['100'], { ...options, signal: AbortSignal.abort() }),
      runTool('sleep', ['100'], { ...options, signal: AbortSignal.timeout(20) }),
    ]);
    expect(codes.map((result) => (result.ok ? 'ok' : result.failure.code))).to.deep.equal([
      'command::not-found',
      'command::cannot-start',
      'command::timed-out',
      'run::aborted',
      'run::aborted',
    ]);
  });
});
