// `pyflow completion`: a script by which a shell completes commands, options and their values.

import { complain, didYouMean, type Command } from './command.js';
import type { Shell } from './completion-script.js';

const SHELLS = ['bash', 'zsh', 'fish'] as const satisfies readonly Shell[];

/** `commands`: what is completed; asked for late, since this command is one of them. */
export const completionOf = (commands: () => readonly Command[]): Command => ({
  name: 'completion',
  operands: 'bash | zsh | fish',
  minOperands: 1,
  maxOperands: 1,
  summary: 'Print a script that makes a shell complete commands, options and values',
  details: [
    '  bash  add to ~/.bashrc:                    source <(pyflow completion bash)',
    '  zsh   add to ~/.zshrc, behind compinit:    source <(pyflow completion zsh)',
    '  fish  write to a file that fish reads:     pyflow completion fish > ~/.config/fish/completions/pyflow.fish',
  ].join('\n'),
  options: [],
  async run(given, world) {
    const asked = given.operands[0] ?? '';
    const shell = SHELLS.find((name) => name === asked);
    if (shell === undefined) {
      return complain(world, {
        message: `There is no completion for "${asked}".`,
        remedy: `It takes bash, zsh or fish.${didYouMean(asked, SHELLS)}`,
      });
    }
    const { completionScript } = await import('./completion-script.js');
    world.stdout.write(completionScript(shell, commands()));
    return 0;
  },
});
