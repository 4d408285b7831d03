import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { relocatableLauncher } from '../../../../src/plugins/shared/relocate/python-launcher.js';

const BIN = '/app/.scalingo/python/bin';
const HEAD = `#!/bin/sh\n'''exec' "$(dirname "$(realpath "$0")")/python" "$0" "$@"\n' '''\n`;

describe('plugins/shared/relocate/python-launcher', () => {
  it('replaces an absolute interpreter with the one next to the script', () => {
    expect(relocatableLauncher(`#!${BIN}/python\nimport sys\n`, BIN)).to.equal(`${HEAD}import sys\n`);
    expect(relocatableLauncher(`#!${BIN}/python3.12\nx\n`, BIN)).to.contain('/python3.12" "$0"');
  });

  it('does the same for the form that installers use for long paths and blanks', () => {
    const folder = '/tmp/a folder/bin';
    const quoted = `#!/bin/sh\n'''exec' "${folder}/python" "$0" "$@"\n' '''\nimport sys\n`;
    const bare = `#!/bin/sh\n'''exec' /tmp/long/bin/python "$0" "$@"\n' '''\nimport sys\n`;
    expect(relocatableLauncher(quoted, folder)).to.equal(`${HEAD}import sys\n`);
    expect(relocatableLauncher(quoted.replaceAll(/"(?=\/tmp|\s"\$0)/g, "'"), folder)).to.equal(`${HEAD}import sys\n`);
    expect(relocatableLauncher(bare, '/tmp/long/bin')).to.equal(`${HEAD}import sys\n`);
  });

  it('keeps a coding cookie in the second line, where Python looks for it', () => {
    const result = relocatableLauncher(`#!${BIN}/python\n# -*- coding: latin-1 -*-\nx\n`, BIN);
    expect(result.split('\n')[1]).to.equal('# -*- coding: latin-1 -*-');
    expect(result.split('\n')[2]).to.match(/^'''exec' /);
  });

  it('keeps other scripts unchanged', () => {
    for (const script of ['#!/bin/sh\necho\n', '#!/usr/bin/env python\nx\n', `#!/other/bin/python\nx\n`, '', 'x']) {
      expect(relocatableLauncher(script, BIN)).to.equal(script);
    }
  });

  it('is idempotent', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('python', 'python3', 'python3.12'), (rest, name) => {
        const once = relocatableLauncher(`#!${BIN}/${name}\n${rest}`, BIN);
        expect(relocatableLauncher(once, BIN)).to.equal(once);
      }),
    );
  });

  it('starts from any folder, after a move, through symlinks and with blanks in the path', () => {
    const root = mkdtempSync(join(tmpdir(), 'pyflow-launcher-'));
    try {
      const bin = join(root, 'with blanks', 'bin');
      mkdirSync(bin, { recursive: true });
      writeFileSync(join(bin, 'python'), '#!/bin/sh\necho "ran $# $2"\n', { mode: 0o755 });
      writeFileSync(join(bin, 'tool'), relocatableLauncher(`#!${bin}/python\nimport sys\n`, bin));
      chmodSync(join(bin, 'tool'), 0o755);
      const run = (file: string): string => execFileSync(file, ['an argument'], { cwd: '/', encoding: 'utf8' });
      expect(run(join(bin, 'tool'))).to.equal('ran 2 an argument\n');
      const moved = join(root, 'moved');
      renameSync(join(root, 'with blanks'), moved);
      symlinkSync(join(moved, 'bin', 'tool'), join(root, 'link'));
      symlinkSync('link', join(root, 'second link'));
      expect(run(join(root, 'second link'))).to.equal('ran 2 an argument\n');
    } finally {
      rmSync(root, { recursive: true });
    }
  });
});
