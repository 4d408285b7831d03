// Makes the commands that run a tool from its tool tree, which the node gets at the input port with the name of the tool.
//
// Pipenv and Poetry run in a temporary virtual environment of the slug's interpreter, with the tool tree as site-packages. So
// they see their own modules and the standard library, but not the app's packages, and commands that they start with the slug's
// interpreter don't see their modules. pip installs into the interpreter that runs it, so it runs with the slug's interpreter.
// uv needs no interpreter.

import type { Files, RunContext } from '../../../engine/sdk.js';

type PythonTool = 'pipenv' | 'poetry';

interface ToolCommand {
  /** The command, without the arguments of the tool. */
  readonly argv: readonly string[];
  /** The environment's folder, as commands see it. Its `bin` contains only `python`. */
  readonly environment: string;
}

/** `home`: the slug's Python, app-relative. The environment is in a folder that commands can't change. */
export function pythonToolCommand(
  context: RunContext,
  files: Files,
  tool: PythonTool,
  python: { readonly home: string; readonly minor: string },
): ToolCommand {
  const folder = `tools/${tool}`;
  const { given } = files.of(context);
  const seen = `${context.paths.given}/${folder}`;
  const bin = `${context.paths.app}/${python.home}/bin`;
  given.remove(folder);
  given.write(`${folder}/pyvenv.cfg`, `home = ${bin}\ninclude-system-site-packages = false\n`);
  given.symlink(`${bin}/python${python.minor}`, `${folder}/bin/python`);
  given.symlink(toolFolder(context, tool), `${folder}/lib/python${python.minor}/site-packages`);
  // -I ignores variables and the user folder, and keeps the working folder off the search path.
  return { argv: [`${seen}/bin/python`, '-I', '-B', '-m', tool], environment: seen };
}

/**
 * `home`: as above. Starts the file that pip uses to start itself, so that the search path has no metadata of the tool.
 * Otherwise pip would take itself for a package of the app, and never install the version that the app requires.
 */
export const pipCommand = (context: RunContext, home: string): readonly string[] => [
  `${context.paths.app}/${home}/bin/python`,
  // As above. Builds run in separate processes.
  '-I',
  '-B',
  `${toolFolder(context, 'pip')}/pip/__pip-runner__.py`,
];

export const uvCommand = (context: RunContext): readonly string[] => [`${toolFolder(context, 'uv')}/bin/uv`];

function toolFolder(context: RunContext, port: string): string {
  const folder = context.paths.tools[port];
  if (folder === undefined) throw new Error(`the node has no tool tree \`${port}\``);
  return folder;
}
