// The part of a terminal that is redrawn in place: finished lines scroll away above a frame. One write a frame, at most
// ten frames a second.

import { textWidth } from '../files/clean-text.js';
import type { Write } from './renderer.js';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface Terminal {
  /** Milliseconds, of the same clock as the events' `at` plus some constant. */
  now(): number;
  /** Returns a function that cancels the call. */
  later(action: () => void, ms: number): () => void;
  size(): Size;
}

/** What the frame shows now; an empty one clears it. */
interface Frame {
  lines(size: Size): readonly string[];
  /** Whether it changes with time alone. */
  isTicking(): boolean;
  bold(text: string): string;
}

const FRAME_MS = 100;
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const CLEAR_BELOW = '\u001b[0J';

export class Screen {
  /** Finished lines that wait for the next frame. */
  #above: string[] = [];
  /** The frame on the screen: the width of each line, and the text. */
  #drawn: { readonly widths: readonly number[]; readonly text: string } = { widths: [], text: '' };
  #isCursorHidden = false;
  #lastDrawnAt = Number.NEGATIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #isClosed = false;

  constructor(
    private readonly write: Write,
    private readonly terminal: Terminal,
    private readonly frame: Frame,
  ) {}

  /** Lines that stay, above the frame. */
  print(...lines: readonly string[]): void {
    this.#above.push(...lines);
    this.refresh();
  }

  /** Draws the frame soon. */
  refresh(): void {
    if (this.#isClosed || this.#cancel !== undefined) return;
    const wait = this.#lastDrawnAt + FRAME_MS - this.terminal.now();
    this.#cancel = this.terminal.later(() => this.#tick(), Math.max(0, wait));
  }

  /** Removes the frame and shows the cursor again. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancel?.();
    this.#draw([]);
    if (this.#isCursorHidden) this.write(SHOW_CURSOR);
  }

  #tick(): void {
    this.#cancel = undefined;
    this.#draw(this.frame.lines(this.terminal.size()));
    if (this.frame.isTicking()) this.refresh();
  }

  #draw(lines: readonly string[]): void {
    this.#lastDrawnAt = this.terminal.now();
    const text = lines.join('\n');
    if (this.#above.length === 0 && text === this.#drawn.text) return;
    const done = this.#above.map((line) => `${line}\n`).join('');
    this.#above = [];
    const hide = this.#isCursorHidden || lines.length === 0 ? '' : HIDE_CURSOR;
    this.#isCursorHidden ||= lines.length > 0;
    const shown = lines.map((line, index) => (index === 0 ? this.frame.bold(line) : line)).join('\n');
    this.write(`${hide}${this.#backToTop()}${done}${shown}`);
    this.#drawn = { widths: lines.map(textWidth), text };
  }

  #backToTop(): string {
    const { columns } = this.terminal.size();
    // A window that became narrower has wrapped the old lines: count the rows they take now.
    const rows = this.#drawn.widths.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    if (rows === 0) return '';
    return `\r${rows > 1 ? `\u001b[${rows - 1}A` : ''}${CLEAR_BELOW}`;
  }
}
