// Decides from the files of a Python project whether its build reads only its own folder.

import { fieldsOf, stringsOf, type Fields } from './fields.js';
import { normalizeName } from './requirements.js';
import { readToml } from './toml-file.js';

/** The files that decide; undefined when missing. */
interface BuildFiles {
  readonly pyproject: Uint8Array | undefined;
  readonly setupCfg: Uint8Array | undefined;
  readonly manifestIn: Uint8Array | undefined;
  /** A lockfile lists the dependencies of the project, including local projects. */
  readonly isLocked: boolean;
  /** Names in the folder of the project. */
  readonly names: readonly string[];
}

export type BuildReach =
  /** `looksUp`: names of files that the build also looks for in all parent folders. */
  | { readonly type: 'own-folder'; readonly looksUp: readonly string[] }
  /** `because`: completes a sentence that starts with the project's name. Part of action keys, so don't reword it. */
  | { readonly type: 'anything'; readonly because: string };

interface Backend {
  /** Its table in `tool`. */
  readonly table: string;
  /** Files that make it run code of the project. */
  readonly scripts: readonly string[];
  readonly looksUp: readonly string[];
  readonly problem: (settings: Fields, isDynamic: boolean) => string | undefined;
}

const IMPORTS_VERSION = 'has a build that may import it to learn its version';
const RUNS_CODE = 'has a build that runs code of its own';

const SETUPTOOLS: Backend = {
  table: 'setuptools',
  scripts: ['setup.py'],
  looksUp: [],
  problem(settings, isDynamic) {
    if (settings['cmdclass'] !== undefined) return RUNS_CODE;
    if (settings['ext-modules'] !== undefined) return 'compiles extension modules';
    const version = fieldsOf(fieldsOf(settings['dynamic'])['version']);
    return isDynamic && version['attr'] !== undefined ? IMPORTS_VERSION : undefined;
  },
};
const BACKENDS: Readonly<Record<string, Backend>> = {
  'setuptools.build_meta': SETUPTOOLS,
  'setuptools.build_meta:__legacy__': SETUPTOOLS,
  'hatchling.build': {
    table: 'hatch',
    scripts: ['hatch.toml', 'hatch_build.py'],
    // Hatchling applies the nearest ignore file of the repository.
    looksUp: ['.gitignore', '.hgignore'],
    problem(settings) {
      if (hasKey(settings, 'hooks')) return RUNS_CODE;
      const { source = 'regex' } = fieldsOf(settings['version']);
      return source === 'regex' ? undefined : IMPORTS_VERSION;
    },
  },
  'flit_core.buildapi': {
    table: 'flit',
    scripts: [],
    looksUp: [],
    problem: (_, isDynamic) => (isDynamic ? IMPORTS_VERSION : undefined),
  },
  'poetry.core.masonry.api': {
    table: 'poetry',
    scripts: [],
    looksUp: [],
    problem: (settings) => (settings['build'] === undefined ? undefined : RUNS_CODE),
  },
  'pdm.backend': {
    table: 'pdm',
    scripts: ['pdm_build.py'],
    looksUp: [],
    problem({ build, version }, isDynamic) {
      const { 'custom-hook': hook, 'run-setuptools': setuptools } = fieldsOf(build);
      if (hook !== undefined || setuptools !== undefined) return RUNS_CODE;
      return isDynamic && fieldsOf(version)['source'] !== 'file' ? IMPORTS_VERSION : undefined;
    },
  },
  uv_build: { table: 'uv', scripts: [], looksUp: [], problem: () => undefined },
};
const KNOWN_TOOLS = new Set([
  'setuptools',
  'wheel',
  'hatchling',
  'flit-core',
  'poetry-core',
  'pdm-backend',
  'uv-build',
  'packaging',
  'tomli',
]);
/** Keys in the table of a backend that matter for installing, not for building. */
const NOT_FOR_BUILDS = new Set(['dev-dependencies', 'group', 'envs', 'sources', 'scripts', 'urls']);
/** Sections of a setup.cfg that no build reads. */
const TOOL_SECTION =
  /^(flake8|tool:|mypy|isort|pycodestyle|pep8|pydocstyle|pylint|coverage:|codespell|bumpversion|doc8|yapf)/;

export function buildReach(files: BuildFiles): BuildReach {
  const anything = (because: string): BuildReach => ({ type: 'anything', because });
  if (files.names.includes('setup.py')) return anything('has a setup.py, which may read any file');
  if (files.pyproject === undefined) return anything('has no pyproject.toml that shows what its build reads');
  const document = readToml(files.pyproject);
  if (!document.ok) return anything('has a pyproject.toml that cannot be read');
  const toml = document.value;
  const system = fieldsOf(toml['build-system']);
  const name = typeof system['build-backend'] === 'string' ? system['build-backend'] : 'setuptools.build_meta';
  if (system['backend-path'] !== undefined) return anything('brings its own build backend');
  const backend = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined;
  if (backend === undefined) return anything(`is built by ${shown(name)}, and pyflow doesn't know what that reads`);
  const tool = unknownTool(stringsOf(system['requires']));
  if (tool !== undefined) return anything(`is built with ${shown(tool)}, and pyflow doesn't know what that reads`);
  const script = backend.scripts.find((file) => files.names.includes(file));
  if (script !== undefined) return anything(`has a ${script}, which may read any file`);
  const project = fieldsOf(toml['project']);
  const settings = fieldsOf(toml['tool'])[backend.table] ?? {};
  const problem = backend.problem(fieldsOf(settings), stringsOf(project['dynamic']).includes('version'));
  if (problem !== undefined) return anything(problem);
  const { description: _prose, urls: _links, ...metadata } = project;
  const outside = outsidePath([system, metadata, settings], files.isLocked) ?? pathInFiles(backend, files);
  if (outside !== undefined) return anything(outside);
  return { type: 'own-folder', looksUp: backend.looksUp };
}

function pathInFiles({ table }: Backend, { setupCfg, manifestIn }: BuildFiles): string | undefined {
  if (table !== 'setuptools') return undefined;
  const sections = textOf(setupCfg).match(/^[ \t]*\[[^\]\n]*/gm) ?? [];
  if (sections.some((line) => !TOOL_SECTION.test(line.replace(/^[ \t]*\[[ \t]*/, '')))) {
    return 'has a setup.cfg, which may name any file';
  }
  const path = pathOutside(textOf(manifestIn));
  return path === undefined ? undefined : `names ${path} in its MANIFEST.in`;
}

/** A build requirement that is unknown, or does not come from an index. */
function unknownTool(requires: readonly string[]): string | undefined {
  return requires.find((requirement) => {
    const name = /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)/.exec(requirement)?.[1] ?? '';
    return requirement.includes('@') || !KNOWN_TOOLS.has(normalizeName(name));
  });
}

function outsidePath(value: unknown, isLocked: boolean): string | undefined {
  // An explicit list instead of recursion, because nesting can be deep.
  const pending: unknown[] = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next === 'string') {
      const path = pathOutside(next);
      if (path !== undefined) return `names ${shown(path)} in its pyproject.toml`;
    } else if (Array.isArray(next)) pending.push(...(next as unknown[]));
    else if (typeof next === 'object' && next !== null) {
      for (const [key, below] of Object.entries(next)) {
        const isSkipped = NOT_FOR_BUILDS.has(key) || (isLocked && key === 'dependencies');
        if (!isSkipped) pending.push(below);
        // Tables such as `force-include` have paths as keys.
        pending.push(key);
      }
    }
  }
  return undefined;
}

/** `../x`, a path below /app, a file URL, or a context field of Hatch. */
const pathOutside = (text: string): string | undefined =>
  /(?:^|[^.\w])(\.\.(?:[/\\][^\s"']*|$))/m.exec(text)?.[1] ??
  /(?:^|\s)(\/app\/[^\s"']*|~\/[^\s"']*|file:[^\s"']*|[^\s"']*\{(?:root|home|env)\b[^\s"']*)/m.exec(text)?.[1];

function hasKey(value: unknown, key: string): boolean {
  const pending: unknown[] = [value];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    if (Object.hasOwn(next, key)) return true;
    pending.push(...Object.values(next));
  }
  return false;
}

const SHOWN = 80;
const shown = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text);
const textOf = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes ?? new Uint8Array());
