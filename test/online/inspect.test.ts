import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareInspected, documentValidator, INSPECTED_APPS } from '../support/inspected-apps.js';

describe('pyflow inspect of built apps', function () {
  this.timeout(300_000);
  const cache = mkdtempSync(join(tmpdir(), 'pyflow-inspect-cache-'));
  let validator: string;
  before(() => {
    validator = documentValidator();
  });
  after(() => rmSync(cache, { recursive: true, force: true }));

  for (const [name, files] of Object.entries(INSPECTED_APPS).slice(0, 4)) {
    it(`lists what importlib.metadata lists, in documents that validate: ${name}`, () => {
      compareInspected(files, cache, validator);
    });
  }
});
