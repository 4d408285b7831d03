import { expect } from 'chai';
import * as fc from 'fast-check';
import { closest } from '../../src/manifests/closest.js';
import { parse, type Command } from '../../src/cli/command.js';

const command: Command = {
  name: 'try',
  operands: 'FILE',
  minOperands: 1,
  maxOperands: 2,
  summary: 'Try',
  options: [
    { name: 'dir', short: 'd', value: 'DIR', summary: 'A folder' },
    { name: 'set', short: 'p', value: 'NAME=VALUE', repeatable: true, summary: 'A param' },
    { name: 'mode', value: 'MODE', choices: ['fast', 'slow'], summary: 'A mode' },
    { name: 'force', short: 'f', summary: 'A flag' },
  ],
  run: () => Promise.resolve(0),
};

const given = (...args: string[]) => {
  const parsed = parse(command, args);
  if (!parsed.ok) throw new Error(parsed.failure.message);
  return parsed.value;
};
const problem = (...args: string[]): string => {
  const parsed = parse(command, args);
  return parsed.ok ? 'none' : `${parsed.failure.message} ${parsed.failure.remedy}`;
};

describe('cli/command', () => {
  it('accepts values in all the usual spellings', () => {
    for (const args of [['--dir', 'x'], ['--dir=x'], ['-d', 'x'], ['-dx']]) {
      expect(given('file', ...args).value('dir')).to.equal('x');
    }
    expect(given('-p', 'a=1', 'file', '--set=b=2', '-pc=').values('set')).to.deep.equal(['a=1', 'b=2', 'c=']);
  });

  it('knows which flags were given', () => {
    expect(given('file', '-f').flag('force')).to.equal(true);
    expect(given('file').flag('force')).to.equal(false);
    expect(given('file').value('dir')).to.equal(undefined);
    expect(given('file').values('set')).to.deep.equal([]);
  });

  it('accepts a value that looks like an option only after =', () => {
    expect(problem('file', '--dir', '--force')).to.equal(
      '--dir needs a value (DIR), but "--force" follows. If that is the value, write --dir=--force.',
    );
    expect(given('file', '--dir=--force').value('dir')).to.equal('--force');
  });

  it('refuses missing, repeated and surplus arguments', () => {
    expect(problem()).to.contain('needs FILE');
    expect(problem('a', 'b', 'c')).to.contain('Unexpected argument "c"');
    expect(problem('a', '--dir')).to.contain('--dir needs a value (DIR)');
    expect(problem('a', '--dir=x', '-dx')).to.contain('--dir is given more than once');
    expect(problem('a', '--force=yes')).to.contain('--force does not accept a value');
  });

  it('lists the values of an option', () => {
    expect(problem('a', '--mode', 'fats')).to.equal(
      '--mode does not accept "fats". Use one of: fast, slow. Did you mean fast?',
    );
  });

  it('refuses unknown options, whatever their name', () => {
    expect(problem('a', '--__proto__')).to.contain('has no option --__proto__');
    expect(problem('a', '--constructor=1')).to.contain('has no option --constructor');
    expect(problem('a', '-x')).to.contain('has no option -x');
    expect(problem('a', '--no-force')).to.contain('has no option --no-force');
  });

  it('treats everything after -- as operands', () => {
    expect(given('--', '--dir').operands).to.deep.equal(['--dir']);
  });

  it('returns a result for any command line', () => {
    const arg = fc.oneof(
      fc.string(),
      fc.constantFrom('--dir', '-d', '--set=', '--', '-', '-fp', '--mode=fast', 'file'),
    );
    fc.assert(fc.property(fc.array(arg, { maxLength: 6 }), (args) => typeof parse(command, args).ok === 'boolean'));
  });
});

describe('cli/closest', () => {
  it('finds a word with a missing, added, wrong or swapped letter', () => {
    for (const wrong of ['lan', 'plann', 'plam', 'paln']) expect(closest(wrong, ['run', 'plan'])).to.equal('plan');
  });

  it('finds nothing if no word is similar', () => {
    expect(closest('deploy', ['run', 'plan'])).to.equal(undefined);
    expect(closest('', ['run'])).to.equal(undefined);
  });
});
