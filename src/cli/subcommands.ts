// Commands with subcommands. The usage line, completion, "Use one of" and the dispatch all follow one list.

import { complain, didYouMean, seeHelp, type Command, type Given, type Subcommand } from './command.js';
import type { World } from './world.js';

type Declared = Omit<Command, 'operands' | 'choices' | 'minOperands' | 'maxOperands' | 'run'> & {
  readonly subcommands: readonly Subcommand[];
};

export function withSubcommands(declared: Declared): Command {
  const { subcommands } = declared;
  const command: Command = {
    ...declared,
    operands: subcommands.map(usageOf).join(' | '),
    choices: subcommands.map(({ verb }) => verb),
    minOperands: 1,
    maxOperands: 2,
    run: async (given, world) => dispatch(command, subcommands, given, world),
  };
  return command;
}

/** `ls`, or `show KEY`. */
export const usageOf = ({ verb, operand }: Subcommand): string =>
  operand === undefined ? verb : `${verb} ${operand.placeholder}`;

function dispatch(
  command: Command,
  subcommands: readonly Subcommand[],
  given: Given,
  world: World,
): number | Promise<number> {
  const [verb = '', operand] = given.operands;
  const chosen = subcommands.find((known) => known.verb === verb);
  if (chosen === undefined) {
    const known = subcommands.map(usageOf).join(', ');
    return complain(world, {
      message: `pyflow ${command.name} has no subcommand "${verb}".`,
      remedy: `Use one of: ${known}.${didYouMean(verb, command.choices ?? [])}`,
    });
  }
  if (chosen.operand !== undefined && operand === undefined) {
    const { phrase, remedy } = chosen.operand;
    return complain(world, { message: `pyflow ${command.name} ${verb} needs ${phrase}.`, remedy });
  }
  if (chosen.operand === undefined && operand !== undefined)
    return complain(world, { message: `Unexpected argument "${operand}".`, remedy: seeHelp(command) });
  const foreign = command.options.find(({ name }) => given.flag(name) && chosen.options?.includes(name) === false);
  if (foreign !== undefined) {
    const message = `pyflow ${command.name} ${verb} has no option --${foreign.name}.`;
    return complain(world, { message, remedy: seeHelp(command) });
  }
  return chosen.run(given, world, operand ?? '');
}
