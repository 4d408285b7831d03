// How a kind runs a tool out of its tool tree, given to the node by the input port of the tool's name. Unaware of what
// tools do.
//
// Pipenv and Poetry are started by the slug's interpreter in a virtual environment made for the occasion, whose
// site-packages is the tool tree: they see their own modules and the standard library, and nothing of the app's packages;
// what they start with the slug's own interpreter sees nothing of them. pip installs into the interpreter that runs it, so
// it runs in the slug's. uv is a program of its own.

import type { Files, RunContext } from '../../../engine/sdk.js';

type PythonTool = 'pipenv' | 'poetry';

interface ToolCommand {
  /** What to put before the tool's own arguments. */
  readonly argv: readonly string[];
  /** The environment's folder, as commands see it. Its `bin` holds `python` and nothing else. */
  readonly environment: string;
}

/** `home`: the slug's Python, app-relative. The environment lies where commands cannot change it. */
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
  // -I: no variables, no user folder, and not the working folder on the search path.
  return { argv: [`${seen}/bin/python`, '-I', '-B', '-m', tool], environment: seen };
}

/**
 * `home`: as above. Started by the file that pip starts itself by, so that the search path holds no metadata of the tool:
 * pip would take itself for a package of the app, and never install the version that the app asks for.
 */
export const pipCommand = (context: RunContext, home: string): readonly string[] => [
  `${context.paths.app}/${home}/bin/python`,
  // As above; the builds that pip starts are processes of their own.
  '-I',
  '-B',
  `${toolFolder(context, 'pip')}/pip/__pip-runner__.py`,
];

export const uvCommand = (context: RunContext): readonly string[] => [`${toolFolder(context, 'uv')}/bin/uv`];

function toolFolder(context: RunContext, port: string): string {
  const folder = context.paths.tools[port];
  if (folder === undefined) throw new Error(`the node was given no tool tree \`${port}\``);
  return folder;
}
