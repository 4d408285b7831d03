import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/main.js';
import { pyflow } from '../support/fake-world.js';

describe('cli/main', () => {
  it('prints the version', async () => {
    expect(await pyflow(['--version'])).to.deep.equal({ status: 0, stdout: 'pyflow 1.2.3\n', stderr: '' });
  });

  it('lists every command in the help', async () => {
    const { status, stdout } = await pyflow(['help']);
    expect(status).to.equal(0);
    for (const name of Object.keys(COMMANDS)) expect(stdout).to.match(new RegExp(`^  ${name} +\\S`, 'm'));
    expect((await pyflow(['--help'])).stdout).to.equal(stdout);
  });

  it('prints the help and exits with 2 if no command is given', async () => {
    const { status, stdout, stderr } = await pyflow([]);
    expect(status).to.equal(2);
    expect(stdout).to.equal('');
    expect(stderr).to.contain('Usage: pyflow COMMAND');
  });

  it('suggests the command that was probably meant', async () => {
    const { status, stderr } = await pyflow(['rnu']);
    expect(status).to.equal(2);
    expect(stderr).to.equal(
      'error: pyflow has no command "rnu".\n  -> Did you mean run? `pyflow help` lists the commands.\n',
    );
    expect((await pyflow(['constructor'])).status).to.equal(2);
    expect((await pyflow(['help', 'constructor'])).status).to.equal(2);
  });

  it('suggests the option that was probably meant', async () => {
    const { status, stderr } = await pyflow(['run', 'p.yml', '--kep-going']);
    expect(status).to.equal(2);
    expect(stderr).to.equal(
      'error: pyflow run has no option --kep-going.\n  -> Did you mean --keep-going? See `pyflow help run`.\n',
    );
  });

  it('prints the help of a command for help, --help and -h', async () => {
    const { stdout } = await pyflow(['help', 'plan']);
    expect(stdout).to.contain('Usage: pyflow plan [PIPELINE] [OPTIONS]');
    for (const argv of [
      ['plan', '--help'],
      ['plan', 'x.yml', '-h'],
      ['plan', '--no-such', '--help'],
    ]) {
      expect(await pyflow(argv)).to.deep.equal({ status: 0, stdout, stderr: '' });
    }
  });

  it('passes --help after -- on to the command that exec runs', async () => {
    const { status, stdout } = await pyflow(['exec', '--', 'python', '--help'], {
      engine: { exec: ({ argv }) => Promise.resolve({ ok: true, value: argv.includes('--help') ? 7 : 0 }) },
    });
    expect({ status, stdout }).to.deep.equal({ status: 7, stdout: '' });
  });

  it('documents every option of the contract', async () => {
    const contract: Readonly<Record<string, readonly string[]>> = {
      run: [
        '--app DIR',
        '--out DIR',
        '--force',
        '--cache-dir DIR',
        '--app-id ID',
        '-p, --param NAME=VALUE',
        '--env-dir DIR',
        '--only NODE',
        '--until NODE',
        '--refresh NODE|all',
        '-j, --jobs N',
        '-k, --keep-going',
        '--test',
        '--sandbox MODE',
        'auto, required, none',
        '--log FORMAT',
        'auto, live, plain, ndjson, github, buildpack',
        '--output FORM=PATH',
        '--report FILE',
        '--trace FILE',
        '--dry-run',
      ],
      plan: ['--app DIR', '--only NODE', '--refresh NODE|all', '-p, --param NAME=VALUE'],
      why: ['NODE', '--against RUN'],
      explain: ['version [PIPELINE]', '--app DIR', '--format FORMAT', 'text, json'],
      graph: ['--format FORMAT', 'mermaid, dot, json'],
      fix: ['[CODE]', '--write', '--json', '--app DIR'],
      exec: ['--slug DIR', '-- CMD [ARG]...'],
      check: ['[PIPELINE...]', '--app DIR', '--policy FILE'],
      inspect: [
        '[SLUG]',
        '--format FORMAT',
        'text, json, cyclonedx, spdx, slsa',
        '--out FILE',
        '--budget SIZE',
        '--against RUN|SLUG',
        '--sign FILE',
      ],
      verify: ['[PIPELINE]', '--json', '--packages MODE'],
      cache: ['ls', 'show KEY', 'verify', 'gc', 'clear'],
      catalogue: ['ls', 'show NAME', 'check', 'pin URL|FILE', '--pins FILE', '--max-age DAYS'],
      plugins: ['ls', 'show KIND'],
      report: ['[RUN]'],
      completion: ['bash | zsh | fish'],
      shadow: ['--buildpack DIR', '--app DIR', '--builds N'],
      buildpack: ['STEP DIR...', 'detect, compile, release, report or test-compile', '--home DIR'],
    };
    expect(Object.keys(contract).sort()).to.deep.equal(Object.keys(COMMANDS).sort());
    for (const [command, texts] of Object.entries(contract)) {
      const { stdout } = await pyflow(['help', command]);
      const folded = stdout.replace(/\s+/g, ' ');
      for (const text of texts) expect(folded, `help of ${command}`).to.contain(text);
      for (const line of stdout.split('\n')) expect(line.length, line).to.be.at.most(120);
    }
  });

  it('reports a bug in one paragraph, with the stack only on request', async () => {
    const engine = { tryFastPath: () => Promise.reject(new Error('the cat sat on it')) };
    const { status, stderr } = await pyflow(['run', 'p.yml'], { engine });
    expect(status).to.equal(70);
    expect(stderr).to.match(/bug in pyflow.*the cat sat on it.*\[pyflow::bug\]/);
    expect(stderr).not.to.contain('    at ');
    const debugged = await pyflow(['run', 'p.yml'], { engine, env: { PYFLOW_DEBUG: '1' } });
    expect(debugged.stderr).to.contain('    at ');
  });
});
