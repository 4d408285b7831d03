// Writes completion scripts for shells from the declarations of the commands.

import type { Command, Option } from './command.js';

const flagsOf = ({ name, short }: Option): readonly string[] => [
  `--${name}`,
  ...(short === undefined ? [] : [`-${short}`]),
];

/** If a function leaves the reply empty, bash completes file names. */
export function bashScript(commands: readonly Command[]): string {
  const names = commands.map(({ name }) => name);
  const choices = commands.flatMap((command) =>
    command.options.flatMap((option) =>
      option.choices === undefined
        ? []
        : [
            `    ${flagsOf(option)
              .map((flag) => `'${command.name} ${flag}'`)
              .join('|')}) words='${option.choices.join(' ')}' ;;`,
          ],
    ),
  );
  const values = commands.flatMap((command) =>
    command.options
      .filter(({ value, choices: known }) => value !== undefined && known === undefined)
      .flatMap(flagsOf)
      .map((flag) => `'${command.name} ${flag}'`),
  );
  const cases = commands.map((command) => {
    const options = [...command.options.flatMap(flagsOf), '--help'].join(' ');
    return `    ${command.name}) options='${options}'; verbs='${(command.choices ?? []).join(' ')}' ;;`;
  });
  return `_pyflow() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  local words='' options='' verbs='' index
  COMPREPLY=()
  # --option=value arrives as three words.
  if [ "$word" = '=' ]; then word=''; elif [ "$before" = '=' ]; then before="\${COMP_WORDS[COMP_CWORD-2]}"; fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...names, 'help', '--help', '--version'].join(' ')}' -- "$word"))
    return
  fi
  for ((index = 2; index < COMP_CWORD; index++)); do
    [ "\${COMP_WORDS[index]}" = '--' ] && return
  done
  case "$command $before" in
${choices.join('\n')}
    ${values.join('|')}) return ;;
  esac
  if [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    return
  fi
  case "$command" in
${cases.join('\n')}
    help) verbs='${names.join(' ')}' ;;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) [ "$COMP_CWORD" -eq 2 ] && COMPREPLY=($(compgen -W "$verbs" -- "$word")) ;;
  esac
  return 0
}
complete -o bashdefault -o default -F _pyflow pyflow
`;
}

/** zsh runs functions written for bash. */
export const zshScript = (commands: readonly Command[]): string =>
  `autoload -U +X bashcompinit && bashcompinit\n${bashScript(commands)}`;

export function fishScript(commands: readonly Command[]): string {
  const lines = ['complete -c pyflow -f', ...rootLines(commands), ...commands.flatMap(commandLines)];
  return `${lines.join('\n')}\n`;
}

const quote = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

const rootLines = (commands: readonly Command[]): readonly string[] => [
  ...commands.map(({ name, summary }) => `complete -c pyflow -n __fish_use_subcommand -a ${name} -d ${quote(summary)}`),
  'complete -c pyflow -n __fish_use_subcommand -s V -l version',
  'complete -c pyflow -s h -l help',
  `complete -c pyflow -n '__fish_seen_subcommand_from help' -a '${commands.map(({ name }) => name).join(' ')}'`,
];

function commandLines(command: Command): readonly string[] {
  const start = `complete -c pyflow -n '__fish_seen_subcommand_from ${command.name}'`;
  const verbs = command.choices ?? [];
  const takesFiles = command.maxOperands > 0 || command.takesCommandLine === true;
  return [
    ...(verbs.length > 0 ? [`${start} -a '${verbs.join(' ')}'`] : takesFiles ? [`${start} -F`] : []),
    ...fileVerbs(command),
    ...command.options.map((option) => {
      const { name, short, summary, value, choices } = option;
      const values =
        choices !== undefined
          ? ` -x -a '${choices.join(' ')}'`
          : value === 'DIR'
            ? " -x -a '(__fish_complete_directories)'"
            : value === undefined
              ? ''
              : ' -r -F';
      return `${start} -l ${name}${short === undefined ? '' : ` -s ${short}`}${values} -d ${quote(summary)}`;
    }),
  ];
}

/** Offers files after the subcommands that take one. */
function fileVerbs({ name, subcommands = [] }: Command): readonly string[] {
  const verbs = subcommands.filter(({ operand }) => operand?.placeholder === 'FILE').map(({ verb }) => verb);
  const condition = `__fish_seen_subcommand_from ${name}; and __fish_seen_subcommand_from ${verbs.join(' ')}`;
  return verbs.length === 0 ? [] : [`complete -c pyflow -n '${condition}' -F`];
}
