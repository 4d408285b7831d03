// `pyflow completion`: prints a script with which a shell completes commands, options and their values.

import { unreachable } from '../engine/failure.js';
import { complain, didYouMean, type Command } from './command.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const;

/** `commands` is a function because the list includes this command. */
export const completionOf = (commands: () => readonly Command[]): Command => ({
  name: 'completion',
  operands: SHELLS.join(' | '),
  choices: SHELLS,
  minOperands: 1,
  maxOperands: 1,
  summary: 'Print a completion script for a shell',
  details: [
    'Add the line for bash or zsh to the startup file of the shell. Save the script for fish to a file that fish reads.',
  ],
  options: [],
  examples: [
    'source <(pyflow completion bash)   # in ~/.bashrc',
    'source <(pyflow completion zsh)    # in ~/.zshrc, after compinit',
    'pyflow completion fish > ~/.config/fish/completions/pyflow.fish',
  ],
  async run(given, world) {
    const asked = given.operands[0] ?? '';
    const shell = SHELLS.find((name) => name === asked);
    if (shell === undefined) {
      return complain(world, {
        message: `pyflow has no completion script for "${asked}".`,
        remedy: `Use one of: ${SHELLS.join(', ')}.${didYouMean(asked, SHELLS)}`,
      });
    }
    world.stdout.write(await scriptFor(shell, commands()));
    return 0;
  },
});

async function scriptFor(shell: (typeof SHELLS)[number], commands: readonly Command[]): Promise<string> {
  const { bashScript, fishScript, zshScript } = await import('./completion-script.js');
  switch (shell) {
    case 'bash':
      return bashScript(commands);
    case 'zsh':
      return zshScript(commands);
    case 'fish':
      return fishScript(commands);
    default:
      return unreachable(shell);
  }
}
