// A Git repository on the loopback, which Git itself serves over HTTP.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startServer, type TestServer } from './http-server.js';

/** Undefined on machines without Git. */
export function findGitBackend(): string | undefined {
  try {
    const backend = join(execFileSync('git', ['--exec-path'], { encoding: 'utf8' }).trim(), 'git-http-backend');
    return existsSync(backend) ? backend : undefined;
  } catch {
    return undefined;
  }
}

export interface TestRepository extends TestServer {
  /** Writes the files, commits them, and returns the commit's id. */
  commit(files: Readonly<Record<string, string>>): string;
}

/** Clone it from `/NAME` at the server's origin. Has one commit with these files. */
export async function serveRepository(
  backend: string,
  root: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<TestRepository> {
  const folder = join(root, name);
  const env = { PATH: process.env['PATH'] ?? '', HOME: root, GIT_CONFIG_NOSYSTEM: '1' };
  const who = ['-c', 'user.name=x', '-c', 'user.email=x@x.test'];
  const git = (...args: readonly string[]): string =>
    execFileSync('git', args, { cwd: folder, env, encoding: 'utf8' }).trim();
  const commit = (changed: Readonly<Record<string, string>>): string => {
    for (const [path, text] of Object.entries(changed)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    git('add', '.');
    git(...who, 'commit', '-q', '-m', 'a commit');
    return git('rev-parse', 'HEAD');
  };
  mkdirSync(folder, { recursive: true });
  git('init', '-q');
  commit(files);
  const server = await startServer((request, response) => {
    const [path = '', query = ''] = (request.url ?? '').split('?');
    const cgi = spawn(backend, {
      env: {
        ...env,
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: path,
        QUERY_STRING: query,
        REQUEST_METHOD: request.method ?? 'GET',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
    });
    request.pipe(cgi.stdin);
    const chunks: Buffer[] = [];
    cgi.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    cgi.on('close', () => {
      const answer = Buffer.concat(chunks);
      const end = answer.indexOf('\r\n\r\n');
      const headers = answer
        .toString('latin1', 0, end)
        .split('\r\n')
        .map((line) => line.split(': ', 2) as [string, string]);
      const status = Number(headers.find(([key]) => key === 'Status')?.[1]?.slice(0, 3) ?? 200);
      response.writeHead(status, Object.fromEntries(headers.filter(([key]) => key !== 'Status')));
      response.end(answer.subarray(end + 4));
    });
  });
  return { ...server, commit };
}
