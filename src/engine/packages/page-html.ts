// HTML pages of an index: PEP 503, with the attributes of PEP 592, 658, 714, 740 and 792. Owns the tokenizer. A tokenizer is
// enough, as for pip, and takes time linear in the page, which a parser that tracks open elements does not.

import { Tokenizer } from 'htmlparser2';
import { fail, succeed, type Result } from '../failure.js';
import {
  checkedFile,
  checkedHashes,
  checkedMetadata,
  checkedStatus,
  MOST_FILES,
  tooManyFiles,
  versionProblem,
  webAddress,
  type PageFile,
  type PageProblem,
  type ProjectPage,
} from './page-fields.js';

type Attributes = ReadonlyMap<string, string>;

interface Elements {
  /** The `href` of the first `base`. */
  readonly base: string | undefined;
  readonly anchors: readonly Attributes[];
  readonly metas: readonly Attributes[];
}

export function parseHtmlPage(text: string, pageUrl: string, project: string): Result<ProjectPage, PageProblem> {
  const elements = readElements(text);
  if (elements === undefined) return fail(tooManyFiles());
  const said = metaContents(elements.metas);
  const apiVersion = said.get('pypi:repository-version');
  const problem = versionProblem(apiVersion);
  if (problem !== undefined) return fail(problem);
  const base = elements.base === undefined ? pageUrl : webAddress(elements.base, pageUrl)?.href;
  if (base === undefined)
    return fail({ kind: 'not-readable', detail: 'The base address of the page is not a web address.' });
  return succeed({
    project,
    files: elements.anchors.map((anchor) => readAnchor(anchor, base)).filter((file) => file !== undefined),
    apiVersion: apiVersion ?? '1.0',
    ...checkedStatus(said.get('pypi:project-status'), said.get('pypi:project-status-reason')),
  });
}

function metaContents(metas: readonly Attributes[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const meta of metas) {
    const name = meta.get('name');
    if (name !== undefined && !found.has(name)) found.set(name, meta.get('content') ?? '');
  }
  return found;
}

/** Undefined if there are too many. */
function readElements(text: string): Elements | undefined {
  const found = { base: undefined as string | undefined, anchors: [] as Attributes[], metas: [] as Attributes[] };
  let element = '';
  let attributes = new Map<string, string>();
  let name = '';
  let value = '';
  let isFull = false;
  const endElement = (): void => {
    if (element === 'a' && attributes.has('href')) found.anchors.push(attributes);
    else if (element === 'meta' && found.metas.length < MOST_METAS) found.metas.push(attributes);
    else if (element === 'base') found.base ??= attributes.get('href');
    element = '';
    if (found.anchors.length <= MOST_FILES) return;
    isFull = true;
    tokenizer.pause();
  };
  const tokenizer = new Tokenizer(
    { decodeEntities: true },
    {
      onopentagname(start, end) {
        element = end - start > LONGEST_ELEMENT ? '' : text.slice(start, end).toLowerCase();
        attributes = new Map();
      },
      onattribname(start, end) {
        name = text.slice(start, end).toLowerCase();
        value = '';
      },
      onattribdata(start, end) {
        if (WANTED.has(name)) value += text.slice(start, end);
      },
      onattribentity(codePoint) {
        if (WANTED.has(name)) value += String.fromCodePoint(codePoint);
      },
      onattribend() {
        if (WANTED.has(name) && !attributes.has(name)) attributes.set(name, value);
      },
      onopentagend: endElement,
      onselfclosingtag: endElement,
      onclosetag: ignore,
      ontext: ignore,
      ontextentity: ignore,
      oncdata: ignore,
      oncomment: ignore,
      ondeclaration: ignore,
      onprocessinginstruction: ignore,
      onend: ignore,
    },
  );
  tokenizer.write(text);
  if (!isFull) tokenizer.end();
  return isFull ? undefined : found;
}

const ignore = (): void => {};
const MOST_METAS = 100;
const LONGEST_ELEMENT = 10;
const WANTED: ReadonlySet<string> = new Set([
  'href',
  'name',
  'content',
  'data-requires-python',
  'data-yanked',
  'data-core-metadata',
  'data-dist-info-metadata',
  'data-provenance',
]);

function readAnchor(attributes: Attributes, base: string): PageFile | undefined {
  const url = webAddress(attributes.get('href')?.trim(), base);
  if (url === undefined) return undefined;
  const metadata = attributes.get('data-core-metadata') ?? attributes.get('data-dist-info-metadata');
  const provenance = attributes.get('data-provenance');
  return checkedFile({
    filename: lastSegment(url),
    url,
    hashes: checkedHashes(hashesIn(url.hash)),
    requiresPython: attributes.get('data-requires-python'),
    yanked: attributes.get('data-yanked') ?? false,
    metadata: checkedMetadata(
      metadata !== undefined && metadata !== 'false',
      /^sha256=([0-9a-f]{64})$/i.exec(metadata ?? '')?.[1],
    ),
    provenance: provenance === undefined ? undefined : webAddress(provenance, base),
  });
}

function lastSegment({ pathname }: URL): string | undefined {
  try {
    return decodeURIComponent(pathname.slice(pathname.lastIndexOf('/') + 1));
  } catch {
    return undefined;
  }
}

const HASHED = new Set(['md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha3_256', 'blake2b']);

/** `#sha256=...`, also between other parts, as `#egg=name&sha256=...`. */
function hashesIn(fragment: string): readonly (readonly [string, string])[] {
  return fragment
    .slice(1)
    .split('&')
    .map((part) => {
      const [name = '', value = ''] = part.split('=', 2);
      return [name.toLowerCase(), value] as const;
    })
    .filter(([name]) => HASHED.has(name));
}

export function renderHtmlPage(page: ProjectPage): string {
  const { status } = page;
  const head = [
    meta('pypi:repository-version', page.apiVersion),
    ...(status === undefined ? [] : [meta('pypi:project-status', status.status)]),
    ...(status?.reason === undefined ? [] : [meta('pypi:project-status-reason', status.reason)]),
    `<title>Links for ${escape(page.project)}</title>`,
  ];
  return [
    '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">',
    ...head,
    `</head>\n<body>\n<h1>Links for ${escape(page.project)}</h1>`,
    ...page.files.map(anchor),
    '</body>\n</html>\n',
  ].join('\n');
}

const meta = (name: string, content: string): string => `<meta name="${name}" content="${escape(content)}">`;

/** Installers read one digest: the strongest that they all know. */
const PREFERRED = ['sha256', 'sha512', 'sha384', 'sha224', 'sha1', 'md5'];

function anchor(file: PageFile): string {
  const algorithm = PREFERRED.find((name) => file.hashes[name] !== undefined);
  const fragment = algorithm === undefined ? '' : `#${algorithm}=${file.hashes[algorithm]}`;
  const { metadata } = file;
  const metadataText = metadata === true ? 'true' : metadata === false ? undefined : `sha256=${metadata.sha256}`;
  const attributes = [
    ['href', file.url + fragment],
    ['data-requires-python', file.requiresPython],
    ['data-yanked', file.yanked === false ? undefined : file.yanked],
    ['data-core-metadata', metadataText],
    ['data-dist-info-metadata', metadataText],
    ['data-provenance', file.provenance],
  ].flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${escape(value)}"`]));
  return `<a ${attributes.join(' ')}>${escape(file.filename)}</a><br>`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character);
