// A kind from outside: installs the wheels that lie in the app's `wheelhouse/` folder, with no package index at all.
// For closed networks, and as the example of docs/writing-plugins.md. One file, no build, no imports but Node's own.

import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';

const config = {
  type: 'object',
  properties: {
    requirements: { type: 'string', minLength: 1, default: 'requirements.txt', description: 'What to install.' },
    wheelhouse: {
      type: 'string',
      minLength: 1,
      default: 'wheelhouse',
      description: 'Folder of the app with the wheels.',
    },
    vendorDir: {
      type: 'string',
      minLength: 1,
      default: '.scalingo',
      description: 'Folder of the app with the runtime.',
    },
  },
  additionalProperties: false,
};

const inputs = {
  type: 'object',
  properties: {
    runtime: { type: 'string', format: 'output-tree', description: 'Tree of a node that fetches a runtime.' },
  },
  required: ['runtime'],
  additionalProperties: false,
};

const outputs = {
  type: 'object',
  properties: {
    tree: { type: 'string', format: 'output-tree', description: 'The runtime with the packages in it.' },
    packages: { type: 'integer', description: 'How many were installed.' },
  },
  required: ['tree', 'packages'],
  additionalProperties: false,
};

/** @type {import('pyflow/sdk').PluginManifest} */
export const manifest = {
  kind: 'install-deps-wheels',
  revision: 1,
  description: "Installs the wheels of the app's own wheelhouse, without a package index.",
  config,
  inputs,
  outputs,
  writes: ['${config.vendorDir}/python/**'],
  expectedMs: 4000,
};

/** Not those of the machine: what is not declared must not sway the outcome. */
const PIP_ENV = {
  PIP_CONFIG_FILE: '/dev/null',
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PIP_NO_INPUT: '1',
  PIP_ROOT_USER_ACTION: 'ignore',
};

export class plugin {
  /** Services by the name of their token, in the order of the constructor's parameters. */
  static inject = ['Subprocess', 'NodeLog'];

  manifest = manifest;

  /**
   * @param {import('pyflow/sdk').Subprocess} subprocess
   * @param {import('pyflow/sdk').NodeLog} log
   */
  constructor(subprocess, log) {
    this.subprocess = subprocess;
    this.log = log;
  }

  /** Everything that may sway the outcome beyond config and inputs. Quick, and changes nothing. */
  async reads({ config: { requirements, wheelhouse } }, view) {
    if (view.match(`${wheelhouse}/*.whl`).length === 0) return failed(noWheels(wheelhouse));
    return { ok: true, value: { files: [requirements, `${wheelhouse}/*.whl`] } };
  }

  async run({ config: { requirements, wheelhouse, vendorDir } }, context) {
    this.log.step(context, `Installing the wheels in ${wheelhouse}`);
    const home = `${vendorDir}/python`;
    const pip = await bundledPip(context, home);
    if (pip === undefined) return failed(noPip(home));

    const python = `${context.paths.app}/${home}/bin/python3`;
    const options = [
      '--no-index',
      '--find-links',
      wheelhouse,
      '--only-binary',
      ':all:',
      '--no-compile',
      '--no-cache-dir',
    ];
    const install = await this.subprocess.run(context, {
      argv: [python, `${context.paths.app}/${pip}`, 'install', ...options, '--requirement', requirements],
      env: PIP_ENV,
      network: false,
    });
    if (!install.ok) return install;
    if (install.value.exitCode !== 0) return failed(installFailed(install.value));

    const packages = await makeRelocatable(`${context.appDir}/${home}`);
    const compiled = await compile(this.subprocess, context, python, home);
    if (!compiled.ok) return compiled;
    return { ok: true, value: { outputs: { packages } } };
  }
}

/** The runtime carries no pip of its own, but the wheel that Python's ensurepip would install; it runs as it is. */
async function bundledPip(context, home) {
  for (const library of await readdir(`${context.appDir}/${home}/lib`)) {
    const folder = `${home}/lib/${library}/ensurepip/_bundled`;
    const names = await readdir(`${context.appDir}/${folder}`).catch(() => []);
    const wheel = names.find((name) => /^pip-.*\.whl$/.test(name));
    if (wheel !== undefined) return `${folder}/${wheel}/pip`;
  }
  return undefined;
}

/**
 * pip starts each program with the path of the interpreter that ran it, which is right in the folder of this run only.
 * Ours finds the interpreter beside itself; the digests that RECORD holds of these files follow. Gives the number of
 * packages.
 */
async function makeRelocatable(home) {
  const changed = new Map();
  for (const entry of await readdir(`${home}/bin`, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { name } = entry;
    const text = (await readFile(`${home}/bin/${name}`)).toString('latin1');
    if (!/^#!\S*\/bin\/python\S*\n/.test(text)) continue;
    const launcher = `#!/bin/sh\n'''exec' "$(dirname "$(realpath "$0")")/python3" "$0" "$@"\n' '''\n`;
    const bytes = Buffer.from(launcher + text.slice(text.indexOf('\n') + 1), 'latin1');
    await writeFile(`${home}/bin/${name}`, bytes);
    const digest = createHash('sha256').update(bytes).digest('base64url');
    changed.set(`../../../bin/${name}`, `../../../bin/${name},sha256=${digest},${bytes.length}`);
  }
  let packages = 0;
  for (const library of await readdir(`${home}/lib`)) {
    const folder = `${home}/lib/${library}/site-packages`;
    for (const name of await readdir(folder).catch(() => [])) {
      if (!name.endsWith('.dist-info')) continue;
      packages += 1;
      const record = await readFile(`${folder}/${name}/RECORD`, 'utf8');
      const lines = record.split('\n').map((line) => changed.get(line.slice(0, line.indexOf(','))) ?? line);
      await writeFile(`${folder}/${name}/RECORD`, lines.join('\n'));
    }
  }
  return packages;
}

/** Bytecode that is the same whenever and wherever it is made: by hash, with the paths of run time. */
async function compile(subprocess, context, python, home) {
  const [library] = (await readdir(`${context.appDir}/${home}/lib`)).filter((name) => /^python3\.\d+$/.test(name));
  const options = [
    '-q',
    '-f',
    '-j',
    '1',
    '--invalidation-mode',
    'unchecked-hash',
    '-s',
    context.paths.app,
    '-p',
    '/app',
  ];
  const packages = `${context.paths.app}/${home}/lib/${library}/site-packages`;
  return subprocess.run(context, {
    argv: [python, '-S', '-m', 'compileall', ...options, packages],
    cwd: context.paths.scratch,
    network: false,
  });
}

const failed = (failure) => ({ ok: false, failure });

const noWheels = (wheelhouse) => ({
  code: 'install-deps-wheels::no-wheels',
  blame: 'app',
  title: `There are no wheels in ${wheelhouse}`,
  detail: `This pipeline installs packages from the files ${wheelhouse}/*.whl of the app, and there is none.`,
  remedy: `Fill the folder: pip download --only-binary :all: --dest ${wheelhouse} --requirement requirements.txt`,
});

const noPip = (home) => ({
  code: 'install-deps-wheels::no-bundled-pip',
  blame: 'environment',
  title: 'The runtime comes without the wheel of pip',
  detail: `${home}/lib/python*/ensurepip/_bundled holds no pip-*.whl.`,
  remedy: 'Use a runtime that has the ensurepip module, as those of python-build-standalone do.',
});

const installFailed = (exit) => ({
  code: 'install-dependencies::wheels',
  blame: 'app',
  title: `pip could not install the wheels (status ${exit.exitCode})`,
  detail: exit.lines.slice(-20).join('\n'),
  remedy: 'Put a wheel for each requirement, and for each requirement of those, into the wheelhouse.',
});
