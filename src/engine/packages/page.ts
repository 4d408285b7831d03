// Pages of an index for one project: bytes of either form to the model, and back.

import { normalizeName } from '../../manifests/app/requirements.js';
import { fail, type Result } from '../failure.js';
import { cleanText } from '../files/clean-text.js';
import { MOST_PAGE_BYTES, webAddress, type PageProblem, type ProjectPage } from './page-fields.js';
import { parseHtmlPage, renderHtmlPage } from './page-html.js';
import { parseJsonPage, renderJsonPage } from './page-json.js';

export { MOST_PAGE_BYTES, type PageFile, type PageProblem, type ProjectPage } from './page-fields.js';

export type PageForm = 'json' | 'html';

/** The form that a content type names; undefined if it is none of an index page. */
export function pageForm(contentType: string): PageForm | undefined {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (/^application\/vnd\.pypi\.simple\.(v1|latest)\+json$/.test(type)) return 'json';
  return type === 'text/html' || /^application\/vnd\.pypi\.simple\.(v1|latest)\+html$/.test(type) ? 'html' : undefined;
}

const CONTENT_TYPES: Readonly<Record<PageForm, string>> = {
  json: 'application/vnd.pypi.simple.v1+json',
  html: 'application/vnd.pypi.simple.v1+html',
};

/**
 * `url` is the address that the page came from, after redirects. `project` may have any spelling. Leaves out files that
 * no installer could use: without a safe name, a web address or a readable digest.
 */
export function parseProjectPage(answer: {
  readonly body: Buffer;
  readonly contentType: string;
  readonly url: string;
  readonly project: string;
}): Result<ProjectPage, PageProblem> {
  const { body, contentType, url } = answer;
  const form = pageForm(contentType);
  if (form === undefined) {
    const shown = JSON.stringify(cleanText(contentType).slice(0, 100));
    return fail({ kind: 'content-type', detail: `The content type of the page is ${shown}.` });
  }
  if (body.length > MOST_PAGE_BYTES) {
    return fail({ kind: 'too-large', detail: `The page has more than ${MOST_PAGE_BYTES >> 20} MiB.` });
  }
  const address = webAddress(url, url);
  if (address === undefined) return fail({ kind: 'not-readable', detail: 'The page did not come from a web address.' });
  const text = new TextDecoder().decode(body);
  const parse = form === 'json' ? parseJsonPage : parseHtmlPage;
  return parse(text, address.href, normalizeName(answer.project));
}

/** HTML has no room for sizes, upload times, lists of versions and second digests. */
export function renderProjectPage(
  page: ProjectPage,
  form: PageForm,
): { readonly body: Buffer; readonly contentType: string } {
  const text = form === 'json' ? renderJsonPage(page) : renderHtmlPage(page);
  return { body: Buffer.from(text), contentType: CONTENT_TYPES[form] };
}
