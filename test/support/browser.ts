// Opens pages that pyflow writes in a browser of this machine. Downloads nothing, and the browser can open only files.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const executablePath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find((file) => existsSync(file));

/** For `before`: the browser, or undefined after the suite was marked as skipped. */
export async function browserOr(skip: () => void): Promise<Browser | undefined> {
  if (executablePath === undefined) {
    console.log('      (skipped: needs chromium)');
    skip();
    return undefined;
  }
  const quiet = ['quic', 'background-networking', 'component-update', 'sync'].map((what) => `--disable-${what}`);
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--no-first-run', ...quiet] });
}

export interface OpenPage {
  readonly page: Page;
  /** Errors of scripts, violations of the page's policy, and all requests for other files. */
  readonly complaints: readonly string[];
}

export async function openPage(
  browser: Browser,
  file: string,
  options: { readonly scheme?: 'light' | 'dark'; readonly scripts?: boolean; readonly width?: number } = {},
): Promise<OpenPage> {
  const { scheme = 'light', scripts = true, width = 1280 } = options;
  const viewport = { width, height: 800 };
  const page = await browser.newPage({ colorScheme: scheme, javaScriptEnabled: scripts, viewport });
  const complaints: string[] = [];
  const url = pathToFileURL(file).href;
  page.on('pageerror', ({ message }) => complaints.push(message));
  page.on('console', (message) => complaints.push(message.text()));
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    if (request.url() !== url) complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints };
}
