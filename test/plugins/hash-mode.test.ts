import { expect } from 'chai';
import { readRequirements } from '../../src/manifests/app/requirements.js';
import { pipFailed } from '../../src/plugins/install-deps-pip/failures.js';
import { explainHashMode, lineOf, type WrittenRequirement } from '../../src/plugins/install-deps-pip/hash-mode.js';

const DIGEST = `--hash=sha256:${'0'.repeat(64)}`;

async function written(files: Readonly<Record<string, string>>): Promise<readonly WrittenRequirement[]> {
  const read = (path: string): Uint8Array | undefined =>
    files[path] === undefined ? undefined : Buffer.from(files[path]);
  const closure = await readRequirements('requirements.txt', async (path) => read(path));
  if (!closure.ok) throw new Error('the requirements cannot be read');
  return closure.value.requirements.map((found) => ({ ...found, text: lineOf(read(found.file), found.line) }));
}

/** The output of both for the same files, in this order. */
async function explained(tool: 'pip' | 'uv', files: Readonly<Record<string, string>>, ...lines: readonly string[]) {
  const exit = { exitCode: 1, lines };
  return explainHashMode(pipFailed(tool, 'pip install', exit), lines, await written(files));
}

describe('plugins/install-deps-pip/hash-mode', () => {
  const CASES: Readonly<
    Record<
      string,
      { files: Readonly<Record<string, string>>; pip: readonly string[]; uv: string; says: RegExp; remedy: RegExp }
    >
  > = {
    'the project itself': {
      files: { 'requirements.txt': `six==1 ${DIGEST}\n-e .\n` },
      pip: [
        'ERROR: The editable requirement file:///app (from -r requirements.txt (line 2)) cannot be installed when requiring hashes, because there is no single file to hash.',
      ],
      uv: 'file:///app',
      says: /^requirements\.txt, line 2: -e \.$/m,
      remedy: /--no-emit-project.*remove the digests/,
    },
    'a folder in an included file': {
      files: {
        'requirements.txt': `-r more/base.txt\nsix==1 ${DIGEST}\n`,
        'more/base.txt': '# ours\n\n./lib  # local\n',
      },
      pip: [
        "ERROR: Can't verify hashes for these file:// requirements because they point to directories:",
        '    file:///app/lib (from -r /app/more/base.txt (line 3))',
      ],
      uv: 'file:///app/lib',
      says: /^more\/base\.txt, line 3: \.\/lib {2}# local$/m,
      remedy: /--no-emit-project/,
    },
    'a repository': {
      files: { 'requirements.txt': `six==1 \\\n  ${DIGEST}\nlib @ git+https://me:secret@git.example/lib.git\n` },
      pip: [
        "ERROR: Can't verify hashes for these requirements because we don't have a way to hash version control repositories:",
      ],
      uv: 'lib @ git+https://git.example/lib.git',
      says: /^requirements\.txt, line 3: lib @ git\+https:\/\/git\.example\/lib\.git$/m,
      remedy: /a release/,
    },
    'two packages and a URL': {
      files: {
        'requirements.txt': `a==1\nsix==1 ${DIGEST}\nb==2\nhttps://x.example/c-1.tar.gz\nwin==1 ; sys_platform == "win32"\n`,
      },
      pip: [
        'ERROR: Hashes are required in --require-hashes mode, but they are missing from some requirements. Here is a list',
      ],
      uv: 'a==1',
      says: /^requirements\.txt, line 1: a==1\nrequirements\.txt, line 3: b==2\nrequirements\.txt, line 4: https:\S+\nCommand/m,
      remedy: /--generate-hashes/,
    },
    'a package that another one needs': {
      files: { 'requirements.txt': `six==1 ${DIGEST}\n` },
      pip: [
        'ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:',
        '    dep>=1 (from six==1->-r requirements.txt (line 1))',
      ],
      uv: 'dep',
      says: /dep/,
      remedy: /^List every package/,
    },
  };
  for (const [name, { files, pip, uv, says, remedy }] of Object.entries(CASES)) {
    it(`names the lines without a digest, with pip and with uv: ${name}`, async () => {
      const uvSays = `error: In \`--require-hashes\` mode, all requirements must have a hash, but none were provided for: ${uv}`;
      for (const failure of [await explained('pip', files, ...pip), await explained('uv', files, uvSays)]) {
        expect(failure?.title).to.equal('Some requirements have digests, so all must have them');
        expect(failure?.detail).to.match(says);
        expect(failure?.detail).not.to.include('secret');
        expect(failure?.remedy).to.match(remedy);
      }
    });
  }

  it('names the line whose digest does not match', async () => {
    const files = { 'requirements.txt': `a==1 ${DIGEST}\nMy_Pkg==1.0 \\\n  ${DIGEST}\n` };
    const pip = [
      'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.',
      '    my-pkg==1.0 from https://x/y:',
    ];
    const uv = ['  × Failed to download `my-pkg==1.0`', '  ╰─▶ Hash mismatch for `my-pkg==1.0`'];
    for (const [tool, lines] of [
      ['pip', pip],
      ['uv', uv],
    ] as const) {
      const failure = await explained(tool, files, ...lines);
      expect(failure?.detail.split('\n')[0]).to.equal('requirements.txt, line 2: My_Pkg==1.0');
      expect(failure?.title).to.include('digest');
    }
  });

  it('keeps other failures unchanged', async () => {
    const files = { 'requirements.txt': 'a==1\n' };
    expect(await explained('pip', files, 'ERROR: No matching distribution found for a==1')).to.equal(undefined);
    const down = 'ERROR: HTTP error 503 while getting https://x/a.whl';
    expect(await explained('pip', files, down, 'ERROR: Hashes are required in --require-hashes mode')).to.equal(
      undefined,
    );
  });
});
