// `pyflow completion`: prints a script with which a shell completes commands, options and their values.

import { complain, didYouMean, type Command } from './command.js';
import type { Shell } from './completion-script.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const satisfies readonly Shell[];

/** `commands` is a function because the list includes this command. */
export const completionOf = (commands: () => readonly Command[]): Command => ({
  name: 'completion',
  operands: 'bash | zsh | fish',
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
        remedy: `Use bash, zsh or fish.${didYouMean(asked, SHELLS)}`,
      });
    }
    const { completionScript } = await import('./completion-script.js');
    world.stdout.write(completionScript(shell, commands()));
    return 0;
  },
});
