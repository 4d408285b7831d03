// What the logs of whole lines have in common: which events they show, with the output of parallel nodes grouped by node.
// How blocks and lines look is up to each log.

import { unreachable } from '../failure.js';
import type { RunReport } from '../events.js';
import { cleanText } from '../files/clean-text.js';
import { NodeGroups, type Blocks, type Printed } from './grouping.js';
import { countOf } from './messages.js';
import type { EventOf, Renderer } from './renderer.js';

export interface GroupedLog extends Blocks {
  runStarted(event: EventOf<'run-started'>): void;
  notice(event: EventOf<'notice'>): void;
  /** Whether the log has this line of a node's output. */
  shows(printed: Printed): boolean;
  /** A retry as a line of the node's output. */
  retryLine(event: EventOf<'node-retried'>): Printed;
  /** All blocks are closed or have printed their last line. */
  runFinished(report: RunReport): void;
  /** Nothing follows. Also called when the run was cut short. */
  end(): void;
}

export function groupedRenderer(log: GroupedLog): Renderer {
  const groups = new NodeGroups(log);
  return {
    close: () => {
      groups.end();
      log.end();
    },
    consume: (event) => {
      switch (event.type) {
        case 'run-started':
          return log.runStarted(event);
        case 'notice':
          return log.notice(event);
        case 'node-printed':
          return log.shows(event) ? groups.printed(event) : undefined;
        case 'node-retried':
          return groups.printed(log.retryLine(event));
        case 'node-finished':
          return groups.finished(event.node, event.report);
        case 'run-finished':
          groups.end();
          return log.runFinished(event.report);
        case 'node-started':
        case 'node-progress':
        case 'slug-written':
        case 'output-written':
          return;
        default:
          return unreachable(event);
      }
    },
  };
}

/** The headings of blocks: `app (python-app)`. */
export class NodeTitles {
  readonly #kinds = new Map<string, string>();

  runStarted({ nodes }: EventOf<'run-started'>): void {
    for (const { id, kind } of nodes) this.#kinds.set(id, kind);
  }

  of(node: string): string {
    return `${node} (${this.#kinds.get(node) ?? '?'})`;
  }
}

/** The first line of a log. */
export const startLine = ({ runId, pipeline, appId, nodes }: EventOf<'run-started'>): string =>
  `pyflow ${runId}: ${cleanText(pipeline)} for ${cleanText(appId)}, ${countOf(nodes.length, 'node')}`;
