// Logins for package indexes and a Git server, with the real managers: they work, and are stored nowhere.

import { request as httpRequest } from 'node:http';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { passThroughOf } from '../../src/engine/app/pass-through.js';
import { Canary } from '../support/canary.js';
import { CliScene } from '../support/cli-scene.js';
import { findGitBackend, serveRepository } from '../support/git-server.js';
import { startServer, type TestServer } from '../support/http-server.js';
import { lockerOf, loginVariables, MANAGERS, type Files, type Manager } from '../support/manager-apps.js';
import { managerPipeline } from '../support/manager-pipeline.js';
import { PackageIndex } from '../support/package-index.js';
import { prepareRuntime, type PreparedRuntime } from '../support/runtimes.js';
import { makeWheel } from '../support/wheels.js';
import { skipBecause } from '../support/skip.js';

const LOGIN = { user: 'me@home', password: 'C4nary/p@55:w+rd=7' };
const canary = new Canary([LOGIN.password, `${LOGIN.user}:${LOGIN.password}`]);

const pipelineOf = (manager: Manager, secrets: readonly string[]): string =>
  managerPipeline(
    'secrets',
    manager,
    `  install:
    uses: install-deps-${manager}
    secrets: ${JSON.stringify(secrets)}
    inputs: { runtime: runtime.tree, ${manager}: tool.tool }
`,
  );

describe('logins of real managers', function () {
  this.timeout(300_000);
  let runtime: PreparedRuntime;
  let scene: CliScene;
  let envDir: string;
  const servers: { stop(): Promise<void> }[] = [];
  before(async function () {
    runtime = await prepareRuntime(this);
    scene = new CliScene();
    envDir = mkdtempSync(join(tmpdir(), 'pyflow-env-'));
  });
  after(async () => {
    for (const server of servers) await server.stop();
    scene?.cleanUp();
    if (envDir !== undefined) rmSync(envDir, { recursive: true });
  });

  /** Builds the app, checks that the canary is stored nowhere, and returns the output. */
  async function build(
    manager: Manager,
    files: Files,
    { variables, secrets, index }: { variables: Files; secrets: readonly string[]; index?: string },
  ): Promise<{ readonly status: number | undefined; readonly text: string; readonly commandLines: readonly string[] }> {
    const appDir = mkdtempSync(join(scene.root, 'app-'));
    rmSync(envDir, { recursive: true });
    mkdirSync(envDir);
    scene.write({ '.python-version': `${runtime.version}\n`, ...files }, appDir);
    scene.write(variables, envDir);
    scene.write({ [`${manager}.yml`]: pipelineOf(manager, secrets) }, scene.root);
    const watch = canary.watchCommandLines();
    const { status, stdout, stderr } = await scene.run({
      pipelineFile: join(scene.root, `${manager}.yml`),
      appDir,
      outDir: `${appDir}-slug`,
      sandbox: 'auto',
      log: 'plain',
      args: ['--verbose', `--report=${appDir}-report.json`, `--trace=${appDir}-trace.json`, `--env-dir=${envDir}`],
      env: {
        ...passThroughOf(process.env),
        PYFLOW_SYSTEM_PYTHONS: join(homedir(), '.pyenv/versions', runtime.version),
        ...(index !== undefined && { PYFLOW_INDEX: index }),
      },
    });
    const commandLines = watch.stop();
    const text = `${stdout}${stderr}${readFileSync(`${appDir}-report.json`, 'utf8')}`;
    expect(canary.isIn(text), text).to.equal(false);
    expect(canary.filesBelow(scene.root)).to.deep.equal([]);
    expect(scene.leftovers()).to.deep.equal([]);
    return { status, text, commandLines };
  }

  for (const manager of MANAGERS) {
    it(`${manager}: a login for the operator's index and one for the app's`, async () => {
      const lock = await lockerOf(manager, runtime);
      const wheel = makeWheel('guarded', '1.0');
      const closed = await PackageIndex.start([wheel], { tellsDigests: true, login: LOGIN });
      const other = await PackageIndex.start([], { tellsDigests: true });
      servers.push(closed, other);
      // Everything except the install comes from the real index. Later builds restore it.
      const tool = await build(manager, await lock(other, []), { variables: {}, secrets: [] });
      expect(tool.status, tool.text).to.equal(0);
      const ofOperator = { variables: {}, secrets: [], index: closed.urlWithLogin };
      const first = await build(manager, await lock(closed, [wheel]), ofOperator);
      expect(first.status, first.text).to.equal(0);
      expect(first.commandLines).to.deep.equal([]);

      const variables = loginVariables(manager, closed);
      const secrets = manager === 'poetry' ? Object.keys(variables) : [];
      const ofApp = { variables, secrets, index: other.url };
      const second = await build(manager, await lock(closed, [wheel], 'own'), ofApp);
      expect(second.status, second.text).to.equal(0);
      expect(second.commandLines).to.deep.equal([]);
    });
  }

  it('pip: a login for a Git server, in the URL of a requirement', async function () {
    const backend = findGitBackend();
    if (backend === undefined) skipBecause(this, 'needs git with its HTTP server');
    const project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n';
    const wheel = makeWheel('far', '1.0');
    const backendFile = `import base64, os\ndef build_wheel(folder, *_, **__):\n    open(os.path.join(folder, ${JSON.stringify(wheel.file)}), 'wb').write(base64.b64decode(${JSON.stringify(wheel.bytes.toString('base64'))}))\n    return ${JSON.stringify(wheel.file)}\n`;
    const git = await serveRepository(backend, join(scene.root, 'repositories'), 'far', {
      'pyproject.toml': `${project}[project]\nname = "far"\nversion = "1.0"\n`,
      'backend.py': backendFile,
    });
    const gate = await guard(git);
    servers.push({ stop: () => git.close() }, { stop: () => gate.close() });
    const url = `git+http://\${GIT_USER}:\${GIT_TOKEN}@${gate.host}/far`;
    const variables = { GIT_USER: encodeURIComponent(LOGIN.user), GIT_TOKEN: encodeURIComponent(LOGIN.password) };
    for (const option of ['', '-e ']) {
      const files = { 'requirements.txt': option === '' ? `far @ ${url}\n` : `-e ${url}#egg=far\n` };
      const done = await build('pip', files, { variables, secrets: Object.keys(variables) });
      expect(gate.requests.length).to.be.greaterThan(0);
      if (option === '') expect(done.status, done.text).to.equal(0);
    }
  });
});

/** A proxy that requires the login in front of another server. */
function guard(behind: TestServer): Promise<TestServer> {
  const expected = `Basic ${Buffer.from(`${LOGIN.user}:${LOGIN.password}`).toString('base64')}`;
  return startServer((request, response) => {
    const { authorization, ...headers } = request.headers;
    if (authorization !== expected) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      return;
    }
    const inner = httpRequest(`${behind.origin}${request.url ?? ''}`, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(inner);
  });
}
