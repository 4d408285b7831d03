// Runs a node that prints a secret in every spelling, and checks that no trace of it is left.

import { expect } from 'chai';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Canary } from '../../support/canary.js';
import { bundledCli, CliScene } from '../../support/cli-scene.js';
import { hasNamespaces } from '../../support/namespaces.js';
import { skipBecause } from '../../support/skip.js';

const SECRET = 'C4nary/S3cr3t+p=ä&"x"\'y';

/** For bash, since a sandbox has it. */
const SPELL = `
v=$TOKEN
line() { printf '%s: %s\\n' "$1" "$2"; }
line raw "$v"
line twice "$v$v"
line json "\${v//\\"/\\\\\\"}"
line shell "$(printf %q "$v")"
line quoted "\${v@Q}"
line base64 "$(printf %s "$v" | base64)"
line base64-one "$(printf 'x%s' "$v" | base64)"
line base64-two "$(printf 'xy%s' "$v" | base64)"
line base64-url "$(printf 'user:%s' "$v" | base64 | tr +/ -_)"
line basic "Authorization: Basic $(printf 'user:%s' "$v" | base64)"
printf '%s' "$v" | base64 -w 7; echo
line hex "$(printf %s "$v" | od -An -tx1 | tr -d ' \\n')"
line HEX "$(printf %s "$v" | od -An -tx1 | tr -d ' \\n' | tr a-f A-F)"
line hex-spaced "$(printf %s "$v" | od -An -tx1)"
line url "$(printf %s "$v" | od -An -tx1 | tr -d '\\n' | tr ' ' %)"
line octal "$(printf %s "$v" | od -An -to1 | tr -d '\\n' | sed 's/ /\\\\/g')"
line html "$(printf %s "$v" | sed 's/&/\\&amp;/g; s/"/\\&quot;/g')"
printf 'escape: %s\\033[1m%s\\n' "\${v:0:6}" "\${v:6}"
printf 'title: \\033]0;%s\\007 done\\n' "$v"
printf 'control: %s\\001%s\\n' "\${v:0:6}" "\${v:6}"
printf 'redraw: %s\\r%s\\n' "\${v:0:9}" "\${v:9}"
printf 'line end: %s\\n  %s\\n' "\${v:0:9}" "\${v:9}"
printf '%65530s%s\\n' '' "$v"
for ((at = 0; at < \${#v}; at++)); do printf %s "\${v:at:1}"; done; echo
printf '%s\\n' "$v" >&2
`;

const PIPELINE = `
pyflow: 1
nodes:
  prints:
    uses: command
    secrets: [TOKEN]
    with: { argv: [bash, spell.sh], reads: [spell.sh], writes: [after], capture: true }
  fails:
    uses: command
    secrets: [TOKEN]
    after: [prints]
    with: { argv: [bash, -c, 'bash spell.sh; exit 3'], reads: [spell.sh] }
  hangs:
    uses: command
    secrets: [TOKEN]
    when: params.hangs
    with: { argv: [bash, -c, 'printf %s "$TOKEN" > kept; printf %s "$TOKEN" > "$TMPDIR/kept"; echo hangs; sleep 60'], writes: [kept] }
params:
  hangs: { type: boolean, default: false }
`;

describe('a secret that is printed in every spelling', () => {
  const canary = new Canary([SECRET]);
  let scene: CliScene;
  let envDir: string;
  before(() => void bundledCli());
  beforeEach(() => {
    scene = new CliScene();
    envDir = join(scene.root, 'env');
    mkdirSync(envDir);
    writeFileSync(join(envDir, 'TOKEN'), SECRET);
    scene.pipeline(PIPELINE).write({ 'spell.sh': SPELL });
  });
  afterEach(() => scene.cleanUp());
  const filesWithIt = (): readonly string[] => canary.filesBelow(scene.root, (path) => path === envDir);
  const args = (): readonly string[] => [
    `--env-dir=${envDir}`,
    '--keep-going',
    `--report=${scene.root}/report.json`,
    `--trace=${scene.root}/trace.json`,
  ];

  for (const sandbox of ['none', 'required'] as const) {
    it(`is in no log, report, trace, cache, slug or command line (sandbox ${sandbox})`, async function () {
      this.timeout(60_000);
      if (sandbox === 'required' && !(await hasNamespaces())) skipBecause(this, 'this machine has no namespaces');
      for (const log of ['plain', 'ndjson'] as const) {
        const watch = canary.watchCommandLines();
        const { status, stdout, stderr } = await scene.run({ sandbox, log, args: args() });
        expect(watch.stop()).to.deep.equal([]);
        expect(status, stdout).to.equal(1);
        expect(stdout).to.contain('***');
        const lines = `${stdout}${stderr}`.split('\n').filter((line) => canary.isIn(line));
        expect(lines).to.deep.equal([]);
        // Not even a part of it.
        expect(`${stdout}${stderr}`).not.to.match(/C4nary|S3cr3t/);
        expect(readFileSync(join(scene.root, 'report.json'), 'utf8')).not.to.match(/C4nary|S3cr3t/);
        expect(filesWithIt()).to.deep.equal([]);
      }
    });
  }

  it('is not in the folder that a node keeps, no matter how the run ended', async function () {
    this.timeout(60_000);
    const kept = join(scene.cacheDir, 'apps/canary/command');
    const keeps = (then: string): string => `
pyflow: 1
nodes:
  keeps:
    uses: command
    secrets: [TOKEN]
    with: { argv: [bash, -c, 'cd ${kept}; mkdir -p a/b; printf %s "$TOKEN" | base64 > a/b/c; ln -s "$TOKEN" a/link; echo fine > a/fine; echo kept; ${then}'] }
`;
    const keptFiles = (): readonly string[] => canary.filesBelow(join(scene.cacheDir, 'apps'));
    for (const [then, status] of [
      ['true', 0],
      ['exit 3', 1],
    ] as const) {
      scene.pipeline(keeps(then));
      const done = await scene.run({ args: [...args(), '--app-id=canary', '--refresh=keeps'] });
      expect(done.status, done.stdout).to.equal(status);
      expect(keptFiles()).to.deep.equal([]);
      expect(readFileSync(join(scene.cacheDir, 'apps/canary/command/a/fine'), 'utf8')).to.equal('fine\n');
    }
    scene.pipeline(keeps('sleep 60'));
    const run = scene.start({ args: [...args(), '--app-id=canary', '--refresh=keeps'] });
    await run.until((event) => event.type === 'node-printed' && event.text === 'kept');
    run.child.kill('SIGKILL');
    await run.ended;
    expect(await scene.survivors()).to.deep.equal([]);
    expect(keptFiles()).not.to.deep.equal([]);
    scene.pipeline(
      keeps('true').replace('mkdir -p', 'false; mkdir -p').replace('printf %s', 'true').replace('ln -s', 'true'),
    );
    await scene.run({ args: [...args(), '--app-id=canary', '--refresh=keeps'] });
    expect(keptFiles()).to.deep.equal([]);
  });

  it('is in no folder after the run that follows a killed one', async function () {
    this.timeout(60_000);
    const run = scene.start({ log: 'ndjson', args: [...args(), '-p', 'hangs=true'] });
    await run.until((event) => event.type === 'node-printed' && event.text === 'hangs');
    run.child.kill('SIGKILL');
    await run.ended;
    expect(await scene.survivors()).to.deep.equal([]);
    await scene.run({ args: args() });
    expect(filesWithIt()).to.deep.equal([]);
    expect(scene.leftovers()).to.deep.equal([]);
  });
});
