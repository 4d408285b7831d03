import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkPipeline } from '../../../src/manifests/pipeline/check.js';
import { loadPipeline } from '../../../src/manifests/pipeline/load.js';
import { renderDiagnostics } from '../../../src/manifests/pipeline/render-diagnostics.js';
import { testKinds } from '../../support/kinds.js';

const FOLDER = 'test/fixtures/manifests';
const RUN = { mode: 'build', os: 'linux', arch: 'x64' } as const;

/** `# given: a=1 b=2` in the first line stands for `-p a=1 -p b=2`. */
function givenParams(text: string): Record<string, string> {
  const given = /^# given: (.*)$/m.exec(text)?.[1] ?? '';
  return Object.fromEntries(
    given.split(' ').flatMap((pair) => (pair === '' ? [] : [pair.split('=') as [string, string]])),
  );
}

async function report(file: string): Promise<string> {
  const loaded = await loadPipeline(join(FOLDER, file));
  const show = (result: { diagnostics: Parameters<typeof renderDiagnostics>[0]; text: string }): string =>
    renderDiagnostics(result.diagnostics, result.text, { color: false }).replaceAll(`${FOLDER}/`, '');
  if (!loaded.ok) return show(loaded.failure);
  const params = givenParams(loaded.value.text);
  const checked = await checkPipeline(loaded.value, { kinds: await testKinds(), params, run: RUN });
  if (!checked.ok) return show(checked.failure);
  return `no errors\n${show({ diagnostics: checked.warnings, text: loaded.value.text })}`;
}

describe('diagnostics of pipeline files', () => {
  for (const file of readdirSync(FOLDER).filter((name) => /\.(?:yaml|json)$/.test(name))) {
    it(`explains ${file}`, async () => {
      const golden = join(FOLDER, file.replace(/\.(?:yaml|json)$/, '.expected.txt'));
      const shown = await report(file);
      if (process.env['PYFLOW_UPDATE_GOLDEN'] === '1') writeFileSync(golden, shown);
      expect(existsSync(golden), `${golden} is missing; npm run test:update writes it`).to.equal(true);
      expect(shown).to.equal(readFileSync(golden, 'utf8'));
    });
  }

  it('reports every mistake in a file', async () => {
    const shown = await report('ten-mistakes.yaml');
    const codes = new Set([...shown.matchAll(/ error: .* \[(pipeline::[a-z0-9-]+)\]$/gm)].map(([, code]) => code));
    expect(codes.size).to.be.greaterThan(12);
  });
});
