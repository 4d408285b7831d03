// Runs the completion scripts in real shells and checks the words that they offer.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/main.js';
import { pyflow } from '../support/fake-world.js';
import { skipBecause } from '../support/skip.js';

const has = (program: string): boolean => spawnSync(program, ['-c', 'exit 0']).status === 0;

describe('cli/completion', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'pyflow-completion-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function scriptFile(shell: string): Promise<string> {
    const { status, stdout } = await pyflow(['completion', shell]);
    expect(status).to.equal(0);
    const file = join(folder, shell);
    writeFileSync(file, stdout);
    return file;
  }

  describe('bash', () => {
    let offers: (...words: string[]) => readonly string[];
    before(async () => {
      const file = await scriptFile('bash');
      const driver = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pyflow; printf '%s\\n' "\${COMPREPLY[@]}"`;
      offers = (...words) =>
        execFileSync('bash', ['--norc', '-c', driver, 'bash', file, 'pyflow', ...words], { encoding: 'utf8' })
          .split('\n')
          .filter((line) => line !== '');
    });

    it('offers every command', () => {
      expect(offers('')).to.include.members([...Object.keys(COMMANDS), 'help', '--version']);
      expect(offers('ca')).to.deep.equal(['cache', 'catalogue']);
      expect(offers('help', 'wh')).to.deep.equal(['why']);
    });

    it('offers the options and subcommands of a command', () => {
      expect(offers('run', '--sand')).to.deep.equal(['--sandbox']);
      expect(offers('check', '-')).to.include('--help');
      expect(offers('cache', '')).to.deep.equal(['ls', 'show', 'verify', 'gc', 'clear', 'export', 'import', 'remote']);
      expect(offers('plugins', '')).to.deep.equal(['ls', 'show', 'new']);
    });

    it('offers the values of an option, after a space or =', () => {
      expect(offers('run', '--sandbox', '')).to.deep.equal(['auto', 'required', 'none']);
      expect(offers('run', '--sandbox', '=', 'n')).to.deep.equal(['none']);
      expect(offers('graph', 'p.yml', '--format', '')).to.deep.equal(['mermaid', 'dot', 'json', 'svg', 'html']);
      expect(offers('report', '--ht')).to.deep.equal(['--html']);
    });

    it('leaves file names to bash', () => {
      for (const words of [
        ['run', ''],
        ['run', '--app', ''],
        ['report', '--html', ''],
        ['exec', '--', '--sl'],
      ]) {
        expect(offers(...words), words.join(' ')).to.deep.equal([]);
      }
    });
  });

  it('prints a script that zsh accepts', async function () {
    if (!has('zsh')) {
      return skipBecause(this, 'needs zsh');
    }
    const commands = `autoload -Uz compinit; compinit -u -D; source ${await scriptFile('zsh')}; echo $_comps[pyflow]`;
    expect(execFileSync('zsh', ['-f', '-c', commands], { encoding: 'utf8' })).to.contain('_pyflow');
  });

  it('prints a script with which fish offers commands, options and values', async function () {
    if (!has('fish')) {
      return skipBecause(this, 'needs fish');
    }
    const file = await scriptFile('fish');
    const offers = (line: string): readonly string[] =>
      execFileSync('fish', ['--no-config', '-c', `source ${file}; complete -C '${line}'`], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], HOME: folder },
      })
        .split('\n')
        .flatMap((text) => (text === '' ? [] : [text.split('\t')[0] ?? '']));
    expect(offers('pyflow ca')).to.deep.equal(['cache', 'catalogue']);
    expect(offers('pyflow run --sandbox ')).to.have.members(['auto', 'required', 'none']);
    expect(offers('pyflow cache ')).to.include.members(['ls', 'gc']);
    expect(offers('pyflow plugins ')).to.include.members(['ls', 'show', 'new']);
    expect(offers(`pyflow cache import ${file}`)).to.deep.equal([file]);
    expect(offers(`pyflow cache ls ${file}`)).to.deep.equal([]);
    expect(offers('pyflow graph --format ')).to.include.members(['svg', 'html']);
  });

  it('refuses other shells', async () => {
    const { status, stderr } = await pyflow(['completion', 'bsh']);
    expect(status).to.equal(2);
    expect(stderr).to.contain('Did you mean bash?');
  });
});
