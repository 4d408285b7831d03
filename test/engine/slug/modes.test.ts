import { chmodSync, chownSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { digestOf, EMPTY_DIGEST } from '../../../src/engine/files/digest.js';
import { decodeDirectory, encodeDirectory } from '../../../src/engine/trees/reapi.js';
import { removeTree } from '../../../src/engine/files/remove-tree.js';
import { spawnCommand } from '../../../src/engine/process/command.js';
import { modeOfFile, permissionsOf } from '../../../src/engine/files/modes.js';
import { NOBODY } from '../../support/ordinary-user.js';
import { outcomesOf, Workspace } from '../../support/workspace.js';

const hookOf = (script: string): string => `#!/bin/sh\nset -e\n${script}\n`;
const PIPELINE = `pyflow: 1
name: modes
nodes:
  hook: { uses: hook, with: { script: bin/post_compile } }
`;
const commandOf = (script: string, rest = ''): string => `pyflow: 1
name: modes
nodes:
  keys:
    uses: command
    with: { argv: [sh, -ec, ${JSON.stringify(script)}], writes: [made/**], reads: [given/**] }
${rest}`;

describe('engine/slug/modes', () => {
  let workspace: Workspace;
  beforeEach(() => {
    workspace = new Workspace().pipeline(PIPELINE);
  });
  afterEach(() => void removeTree(workspace.root));

  const hook = (script: string): void => {
    workspace.write({ 'bin/post_compile': hookOf(script) });
    chmodSync(join(workspace.appDir, 'bin/post_compile'), 0o755);
  };
  const modes = (...paths: readonly string[]): string =>
    paths.map((path) => (statSync(join(workspace.outDir, path)).mode & 0o7777).toString(8)).join(' ');
  const notices = (): string =>
    workspace.events.flatMap((event) => (event.type === 'notice' ? [`${event.code} ${event.text}`] : [])).join('\n');

  it('keeps modes of files and folders that a hook makes, narrow and wide', async () => {
    hook(`mkdir -p made/inner; chmod 711 made/inner; chmod 770 made
      for mode in 600 640 700 750 400 444 500 555 664 666 777; do echo x > made/$mode; chmod $mode made/$mode; done`);
    await workspace.run();
    const files = ['600', '640', '700', '750', '400', '444', '500', '555', '664', '666', '777'];
    expect(modes(...files.map((mode) => `made/${mode}`))).to.equal(files.join(' '));
    expect(modes('made', 'made/inner')).to.equal('770 711');
  });

  it('restores the modes that a command set', async () => {
    workspace.pipeline(
      commandOf('umask 077; mkdir -m 750 made; echo k > made/key; echo r > made/run; chmod 550 made/run'),
    );
    await workspace.run();
    expect(modes('made', 'made/key', 'made/run')).to.equal('750 600 550');
    removeTree(workspace.outDir);
    const again = await workspace.run({ appDir: workspace.appDir, appId: 'another' });
    expect(outcomesOf(again)).to.deep.equal({ keys: 'restored' });
    expect(modes('made', 'made/key', 'made/run')).to.equal('750 600 550');
  });

  it('captures a change of only the mode, for files and folders of the app', async () => {
    workspace.write({ 'certs/server.key': 'secret', 'certs/open': 'x' });
    hook('chmod 600 certs/server.key; chmod 700 certs');
    const report = await workspace.run();
    expect(modes('certs', 'certs/server.key', 'certs/open')).to.equal('700 600 644');
    expect(report.nodes['hook']?.layer?.files).to.equal(1);
  });

  it('widens a mode again that a later hook widens', async () => {
    workspace.write({ 'certs/server.key': 'secret', 'bin/pre_compile': hookOf('chmod 700 certs; chmod 600 certs/*') });
    hook('chmod 755 certs; chmod 644 certs/*');
    workspace.pipeline(`pyflow: 1
name: modes
nodes:
  first: { uses: hook, with: { script: bin/pre_compile } }
  second: { uses: hook, with: { script: bin/post_compile }, after: [first] }
`);
    await workspace.run();
    expect(modes('certs', 'certs/server.key')).to.equal('755 644');
  });

  it('keeps the narrow mode of a folder that a later node writes to', async () => {
    workspace.write({ 'made/own': 'x', 'given/x': 'x' });
    chmodSync(join(workspace.appDir, 'made'), 0o700);
    workspace.pipeline(commandOf('mkdir -p made; cp given/x made/new'));
    await workspace.run();
    expect(modes('made', 'made/own', 'made/new')).to.equal('700 644 644');
  });

  it("keeps modes of the app's own files, except write permission for others", async () => {
    workspace.write({ 'given/key': 'k', 'given/shared': 's', 'given/tool': 't', 'private/x': 'x' });
    const app = (path: string): string => join(workspace.appDir, path);
    chmodSync(app('given/key'), 0o600);
    chmodSync(app('given/shared'), 0o664);
    chmodSync(app('given/tool'), 0o775);
    chmodSync(app('given'), 0o775);
    chmodSync(app('private'), 0o750);
    workspace.pipeline(commandOf('mkdir made; stat -c %a given/key given/shared given/tool given > made/seen'));
    await workspace.run();
    expect(modes('given/key', 'given/shared', 'given/tool', 'given', 'private')).to.equal('600 644 755 755 750');
    expect(workspace.slugFile('made/seen')).to.equal('600\n644\n755\n755\n');
  });

  it('executes a command again when the mode of a file or folder that it reads changes, and says so', async () => {
    workspace.write({ 'given/key': 'k' }).pipeline(commandOf('mkdir made; stat -c %a given given/key > made/seen'));
    await workspace.run();
    chmodSync(join(workspace.appDir, 'given/key'), 0o600);
    const second = await workspace.run();
    expect(second.nodes['keys']?.reasons).to.deep.equal([
      { type: 'file-mode-changed', path: 'given/key', from: '0644', to: '0600' },
    ]);
    chmodSync(join(workspace.appDir, 'given'), 0o700);
    expect(await workspace.fastRun()).to.equal(undefined);
    const third = await workspace.run();
    expect(outcomesOf(third)).to.deep.equal({ keys: 'executed' });
    expect(third.nodes['keys']?.reasons).to.deep.equal([
      { type: 'file-mode-changed', path: 'given/', from: '0755', to: '0700' },
    ]);
    expect(workspace.slugFile('made/seen')).to.equal('700\n600\n');
    expect(outcomesOf(await workspace.run())).to.deep.equal({ keys: 'up-to-date' });
  });

  it('repairs a changed mode in the slug, and touches nothing if none changed', async () => {
    hook('mkdir -m 700 made; echo k > made/key; chmod 600 made/key');
    await workspace.run();
    chmodSync(join(workspace.outDir, 'made/key'), 0o644);
    chmodSync(join(workspace.outDir, 'made'), 0o755);
    await workspace.run();
    expect(modes('made', 'made/key')).to.equal('700 600');
    const before = statSync(join(workspace.outDir, 'made/key'));
    await workspace.run();
    const after = statSync(join(workspace.outDir, 'made/key'));
    expect([after.ctimeMs, after.ino]).to.deep.equal([before.ctimeMs, before.ino]);
  });

  it('sets modes in place too, also in a one-time build', async () => {
    workspace.write({ 'given/key': 'k' });
    hook('chmod 600 given/key; mkdir -m 700 made; echo x > made/x; chmod 640 made/x');
    const once = join(workspace.root, 'once');
    cpSync(workspace.appDir, once, { recursive: true });
    for (const [outDir, oneTime] of [
      [workspace.appDir, {}],
      [once, { oneTime: true as const }],
    ] as const) {
      await workspace.run({ appDir: outDir, outDir, ...oneTime });
      const of = (path: string): string => (statSync(join(outDir, path)).mode & 0o777).toString(8);
      expect([of('given/key'), of('made'), of('made/x')]).to.deep.equal(['600', '700', '640']);
    }
  });

  it('drops setuid, setgid and sticky bits, and names the files', async () => {
    hook('mkdir -m 1777 made; echo x > made/tool; chmod 4755 made/tool');
    await workspace.run();
    expect(modes('made', 'made/tool')).to.equal('777 755');
    expect(notices()).to.match(/node::special-bits.*made\/tool/);
  });

  it('names such a file on one line, whatever its name contains', async () => {
    hook(`name=$(printf 'a\\nerror: x'); echo x > "$name"; chmod 4755 "$name"`);
    await workspace.run();
    expect(notices().split('\n')).to.have.length(1);
    expect(notices()).to.contain('"a\\nerror: x"');
  });

  it('starts commands with the same umask, whatever the umask of pyflow', async () => {
    hook('umask > seen');
    const before = process.umask(0o077);
    const lines: string[] = [];
    const options = { cwd: '/', env: {}, onLine: (_: string, text: string) => void lines.push(text) };
    try {
      await workspace.run();
      await spawnCommand(['/bin/sh', '-c', 'umask'], { ...options, signals: [new AbortController().signal] });
    } finally {
      process.umask(before);
    }
    expect([workspace.slugFile('seen').trim(), ...lines]).to.deep.equal(['0022', '0022']);
  });

  it('encodes any mode canonically, and leaves out 0644, 0755 and 0755 of a folder', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0o777 }), fc.option(fc.integer({ min: 0, max: 0o777 })), (mode, folder) => {
        const permissions = permissionsOf(mode);
        expect(modeOfFile(permissions)).to.equal(mode);
        const directory = {
          files: [{ name: 'f', digest: EMPTY_DIGEST, ...permissions }],
          directories: [],
          symlinks: [],
          ...(folder === null ? {} : { mode: folder }),
        };
        expect(decodeDirectory(encodeDirectory(directory))).to.deep.equal(directory);
      }),
    );
    const plain = { files: [{ name: 'f', digest: EMPTY_DIGEST, executable: true }], directories: [], symlinks: [] };
    const narrow = { ...plain, files: [{ name: 'f', digest: EMPTY_DIGEST, ...permissionsOf(0o700) }] };
    // unix_mode 0700 is field 3 of NodeProperties (field 6 of FileNode): a UInt32Value.
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    expect(hex(encodeDirectory(plain))).not.to.include('32051a0308c003');
    expect(hex(encodeDirectory(narrow))).to.include('32051a0308c003');
    expect(digestOf(encodeDirectory(narrow))).not.to.equal(digestOf(encodeDirectory(plain)));
  });

  it('decodes only the permission bits of foreign modes, and rejects malformed messages', () => {
    const fileNode = (properties: string): Buffer => {
      const node = Buffer.concat([Buffer.from('0a0166', 'hex'), digestField(), Buffer.from(properties, 'hex')]);
      return Buffer.concat([Buffer.from([0x0a, node.length]), node]);
    };
    const digestField = (): Buffer => {
      const hash = Buffer.from('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
      return Buffer.concat([Buffer.from([0x12, hash.length + 2, 0x0a, hash.length]), hash]);
    };
    // 0100600, the mode of a regular file; then one with an mtime; then a truncated message.
    expect(decodeDirectory(fileNode('32061a04088083 02'.replaceAll(' ', '')))?.files[0]?.mode).to.equal(0o600);
    expect(decodeDirectory(fileNode('320a120308011a03088003'.replace('0a', '0a')))).to.equal(undefined);
    expect(decodeDirectory(fileNode('32021a05'))).to.equal(undefined);
  });

  it("writes and updates a slug with folders that its owner can't change or enter", async () => {
    workspace.write({ 'requirements.txt': '', 'open/closed/x': '1', 'dark/x': '1' });
    workspace.pipeline('pyflow: 1\nname: modes\nnodes:\n  detect: { uses: detect }\n');
    const isRoot = process.getuid?.() === 0;
    if (isRoot) {
      for (const path of ['', ...readdirSync(workspace.root, { recursive: true }).map(String)])
        chownSync(join(workspace.root, path), NOBODY, NOBODY);
      process.setegid!(NOBODY);
      process.seteuid!(NOBODY);
    }
    const app = (path: string): string => join(workspace.appDir, path);
    try {
      chmodSync(app('open/closed'), 0o500);
      chmodSync(app('open'), 0o500);
      chmodSync(app('dark'), 0o500);
      await workspace.run();
      writeFileSync(app('open/closed/x'), '22');
      chmodSync(app('dark'), 0o700);
      rmSync(app('dark/x'));
      const report = await workspace.run();
      expect(report.status).to.equal('succeeded');
      expect(modes('open', 'open/closed', 'dark')).to.equal('500 500 700');
      expect(workspace.slugFile('open/closed/x')).to.equal('22');
      chmodSync(app('open'), 0o700);
      rmSync(app('dark'), { recursive: true });
      await workspace.run();
      expect(workspace.slugNames()).not.to.include('dark');
      chmodSync(join(workspace.outDir, 'open/closed'), 0);
      await workspace.run();
      expect(modes('open', 'open/closed')).to.equal('700 500');
    } finally {
      if (isRoot) {
        process.seteuid!(0);
        process.setegid!(0);
      }
    }
  });

  it("replaces a slug with folders that their owner can't change", async () => {
    workspace.write({ 'given/x': '1' });
    hook(
      'mkdir -p made/inner; cp given/x made/inner/x; cp given/x made/y; chmod 400 made/y; chmod 500 made/inner made',
    );
    await workspace.run();
    expect(modes('made', 'made/inner', 'made/y')).to.equal('500 500 400');
    writeFileSync(join(workspace.appDir, 'given/x'), '2');
    await workspace.run();
    expect(readFileSync(join(workspace.outDir, 'made/inner/x'), 'utf8')).to.equal('2');
    expect(modes('made', 'made/inner', 'made/y')).to.equal('500 500 400');
    hook('mkdir other');
    await workspace.run();
    expect(workspace.slugNames()).not.to.include('made');
  });
});
