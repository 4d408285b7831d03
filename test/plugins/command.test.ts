import { expect } from 'chai';
import { Command } from '../../src/plugins/command/plugin.js';
import { PluginScene, type SceneOptions } from '../support/plugin-scene.js';

describe('plugins/command', () => {
  let scene: PluginScene;
  const open = (options: SceneOptions = {}): Command => {
    scene = new PluginScene(options);
    return new Command(scene);
  };
  const config = { argv: ['true'], reads: [], writes: [] };
  afterEach(() => scene.close());

  it('reads exactly what its config names', async () => {
    const command = open();
    const { reads } = await scene.play(
      command,
      { ...config, reads: ['src/**'], exists: ['Makefile'], appEnv: ['MODE'] },
      {},
    );
    expect(reads).to.deep.equal({ files: ['src/**'], exists: ['Makefile'], env: ['MODE'] });
  });

  it('runs the program once in the folder of the app and keeps the files that it wrote', async () => {
    const command = open({ files: { 'in.txt': 'hello' } });
    const { result } = await scene.play(
      command,
      { argv: ['cp', 'in.txt', 'out.txt'], reads: ['in.txt'], writes: ['out.txt'] },
      {},
    );
    expect(result).to.deep.equal({ ok: true, value: { outputs: { stdout: '' } } });
    expect(scene.read('out.txt')).to.equal('hello');
    expect(scene.started).to.have.length(1);
  });

  it('runs in a folder of the app on request', async () => {
    const command = open({ files: { 'sub/in.txt': 'x' } });
    const { result } = await scene.play(command, { ...config, argv: ['test', '-f', 'in.txt'], cwd: 'sub' }, {});
    expect(result.ok).to.equal(true);
  });

  it('passes the named app variables and no others', async () => {
    const command = open({ appEnv: { MODE: 'fast', OTHER: 'secret' } });
    const script = 'printf "%s-%s" "$MODE" "$OTHER" && echo';
    const { result } = await scene.play(
      command,
      { ...config, argv: ['sh', '-c', script], appEnv: ['MODE'], capture: true },
      {},
    );
    expect(result).to.deep.equal({ ok: true, value: { outputs: { stdout: 'fast-' } } });
  });

  it('returns standard output, without errors and trailing blanks, only on request', async () => {
    const argv = ['sh', '-c', 'echo one; echo two >&2; echo "three  "; echo'];
    const asked = await outputOf({ ...config, argv, capture: true });
    const unasked = await outputOf({ ...config, argv });
    expect([asked, unasked]).to.deep.equal(['one\nthree', '']);
  });

  it('keeps the last 64 KiB of a long output, cut between characters', async () => {
    const stdout = await outputOf({
      ...config,
      argv: ['sh', '-c', 'yes "é€ü" | head -n 60000; echo end'],
      capture: true,
    });
    expect(Buffer.byteLength(stdout)).to.be.within(64 * 1024 - 8, 64 * 1024);
    expect(stdout).to.not.include('\uFFFD');
    expect(stdout.endsWith('é€ü\nend')).to.equal(true);
  });

  it('fails with the exit status and the last lines', async () => {
    const command = open();
    const argv = ['sh', '-c', 'for i in $(seq 1 40); do echo line $i; done; exit 3'];
    const { result } = await scene.play(command, { ...config, argv }, {});
    if (result.ok) throw new Error('expected a failure');
    expect(result.failure).to.include({ code: 'command::failed', blame: 'app' });
    expect(result.failure.title).to.include('status 3');
    expect(result.failure.detail).to.include('line 40').and.not.include('line 20\n');
  });

  it('does not store a result whose files contain the private path', async () => {
    const command = open();
    const write = { ...config, argv: ['sh', '-c', 'mkdir out; pwd > out/here.txt'], writes: ['out/*.txt'] };
    const { result } = await scene.play(command, write, {});
    if (!result.ok) throw new Error(result.failure.title);
    expect(result.value.uncacheable).to.include('out/here.txt');
  });

  it('does not store captured output that contains the private path', async () => {
    const command = open();
    const { result } = await scene.play(command, { ...config, argv: ['pwd'], capture: true }, {});
    if (!result.ok) throw new Error(result.failure.title);
    expect(result.value.uncacheable).to.be.a('string');
  });

  it('finds the private path across the blocks of a large file and in the target of a link', async () => {
    const command = open();
    for (const script of [
      'head -c 1048570 /dev/zero > out; pwd >> out; head -c 100000 /dev/zero >> out',
      'ln -s "$PWD/x" out',
    ]) {
      const { result } = await scene.play(
        command,
        { argv: ['sh', '-c', `rm -f out; ${script}`], reads: [], writes: ['out'] },
        {},
      );
      if (!result.ok) throw new Error(result.failure.title);
      expect(result.value.uncacheable, script).to.be.a('string');
    }
  });

  async function outputOf(settings: Parameters<Command['run']>[0]['config']): Promise<string> {
    const command = open();
    const { result } = await scene.play(command, settings, {});
    scene.close();
    if (!result.ok) throw new Error(result.failure.detail);
    return result.value.outputs.stdout;
  }
});
