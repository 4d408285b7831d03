import { expect } from 'chai';
import { COMMANDS } from '../../src/cli/main.js';
import { helpOf } from '../../src/cli/help.js';
import { pyflow } from '../support/fake-world.js';

const withSubcommands = Object.values(COMMANDS).filter(({ subcommands }) => subcommands !== undefined);

describe('cli/subcommands', () => {
  it('lists the same subcommands in the usage line, the help and the message for an unknown one', async () => {
    expect(withSubcommands.map(({ name }) => name)).to.deep.equal(['cache', 'catalogue', 'plugins']);
    for (const command of withSubcommands) {
      const help = helpOf(command);
      const usages = command.operands.split(' | ');
      expect(help).to.contain(`Usage: pyflow ${command.name} ${usages.join(' | ')} [OPTIONS]`);
      for (const usage of usages) expect(help).to.match(new RegExp(`^  ${usage.replace('|', '\\|')}  `, 'm'));
      const { status, stderr } = await pyflow([command.name, 'unknown']);
      expect(status).to.equal(2);
      expect(stderr).to.contain(`pyflow ${command.name} has no subcommand "unknown".`);
      expect(stderr).to.contain(`Use one of: ${usages.join(', ')}.`);
    }
  });

  it('refuses a missing operand and one too many', async () => {
    for (const { name, subcommands = [] } of withSubcommands)
      for (const { verb, operand } of subcommands) {
        const { status, stderr } = await pyflow([name, verb, ...(operand === undefined ? ['extra'] : [])]);
        expect(status, `${name} ${verb}`).to.equal(2);
        expect(stderr).to.contain(
          operand === undefined ? 'Unexpected argument "extra".' : `pyflow ${name} ${verb} needs ${operand.phrase}.`,
        );
      }
  });

  it('limits options only to those that the command has', () => {
    for (const { name, options, subcommands = [] } of withSubcommands)
      for (const { verb, options: accepted = [] } of subcommands)
        expect(
          options.map((option) => option.name),
          `${name} ${verb}`,
        ).to.include.members([...accepted]);
  });
});
