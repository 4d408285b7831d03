// The script of the graph page: pan, zoom, search, details. It sets strings from the pipeline file as text, never as markup.

/** The JSON in the page that the script reads. */
export interface GraphPageData {
  readonly nodes: readonly {
    readonly id: string;
    readonly kind: string;
    readonly when?: string;
    readonly description?: string;
    /** Center, width and height in the drawing. */
    readonly box: readonly [x: number, y: number, width: number, height: number];
  }[];
  /** Positions in `nodes`, and the ports between them. */
  readonly links: readonly (readonly [from: number, to: number, text: string])[];
}

export const GRAPH_SCRIPT = `
'use strict';
(() => {
  const one = (selector) => document.querySelector(selector);
  const { nodes, links } = JSON.parse(one('#graph-data').textContent);
  const canvas = one('.canvas');
  const svg = one('svg.graph');
  const search = one('#search');
  const found = one('#found');
  const details = one('#details');
  const full = { width: svg.viewBox.baseVal.width, height: svg.viewBox.baseVal.height };
  const byId = new Map(nodes.map((node, index) => [node.id, index]));
  const shapes = nodes.map(() => undefined);
  for (const shape of svg.querySelectorAll('.node')) shapes[byId.get(shape.dataset.id)] = shape;
  const lines = [...svg.querySelectorAll('.links > .link, .labels > .label')];
  const needs = nodes.map(() => []);
  const neededBy = nodes.map(() => []);
  for (const [from, to, text] of links) {
    needs[to].push([from, text]);
    neededBy[from].push([to, text]);
  }
  document.documentElement.classList.add('live');

  let view = { x: 0, y: 0, scale: 1 };
  const size = () => ({ width: canvas.clientWidth || 1, height: canvas.clientHeight || 1 });
  const show = () => {
    const { width, height } = size();
    svg.setAttribute('viewBox', [view.x, view.y, width / view.scale, height / view.scale].join(' '));
  };
  const fitting = () => Math.min(size().width / full.width, size().height / full.height, 1);
  const zoom = (factor, at = { x: size().width / 2, y: size().height / 2 }) => {
    const scale = Math.min(3, Math.max(Math.min(fitting(), 1) * 0.8, view.scale * factor));
    view = { x: view.x + at.x / view.scale - at.x / scale, y: view.y + at.y / view.scale - at.y / scale, scale };
    show();
  };
  const fit = () => {
    const { width, height } = size();
    const scale = fitting();
    view = { scale, x: (full.width - width / scale) / 2, y: (full.height - height / scale) / 2 };
    show();
  };
  // Shows all of it if that is legible, else the top at a legible size.
  const start = () => {
    fit();
    if (view.scale >= 0.6 || nodes.length === 0) return;
    const [x, y, , tall] = nodes[0].box;
    view = { scale: 0.75, x: x - size().width / 1.5, y: y - tall / 2 - 20 };
    show();
  };
  /** Moves the view only when the node is outside it. */
  const reveal = (index) => {
    const [x, y, wide, tall] = nodes[index].box;
    const { width, height } = size();
    if (view.scale < 0.5) view.scale = 0.75;
    const shown = { width: width / view.scale, height: height / view.scale };
    const isIn =
      x - wide / 2 >= view.x && x + wide / 2 <= view.x + shown.width && y - tall / 2 >= view.y && y + tall / 2 <= view.y + shown.height;
    if (!isIn) view = { ...view, x: x - shown.width / 2, y: y - shown.height / 2 };
    show();
  };

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className !== undefined) made.className = className;
    return made;
  };
  const listOf = (title, entries) => {
    if (entries.length === 0) return [];
    const list = element('ul');
    for (const [index, text] of entries) {
      const item = element('li');
      const button = element('button', nodes[index].id, 'jump');
      button.type = 'button';
      button.addEventListener('click', () => go(index));
      item.append(button, element('span', ' ' + text, 'muted'));
      list.append(item);
    }
    return [element('h3', title), list];
  };

  let selected;
  const select = (index) => {
    selected = index;
    const kept = new Set(index === undefined ? [] : [index, ...needs[index].map(([to]) => to), ...neededBy[index].map(([to]) => to)]);
    svg.classList.toggle('focused', index !== undefined);
    shapes.forEach((shape, other) => {
      shape.classList.toggle('selected', other === index);
      shape.classList.toggle('near', kept.has(other));
      shape.setAttribute('aria-pressed', String(other === index));
    });
    const id = index === undefined ? undefined : nodes[index].id;
    for (const line of lines) line.classList.toggle('near', line.dataset.from === id || line.dataset.to === id);
    if (index === undefined) {
      details.replaceChildren(element('p', 'Select a node to see what it needs.', 'muted'));
      return;
    }
    const { kind, when, description } = nodes[index];
    const guard = when === undefined ? [] : [element('h3', 'Runs when'), element('pre', when)];
    details.replaceChildren(
      element('h2', id),
      element('p', kind, 'code muted'),
      ...(description === undefined ? [] : [element('p', description)]),
      ...guard,
      ...listOf('Needs', needs[index]),
      ...listOf('Needed by', neededBy[index]),
    );
  };

  // The tab key stops once; arrow keys move between nodes.
  let current = 0;
  const focusable = (index) => {
    shapes[current]?.setAttribute('tabindex', '-1');
    current = index;
    shapes[current]?.setAttribute('tabindex', '0');
  };
  const go = (index) => {
    focusable(index);
    reveal(index);
    select(index);
    shapes[index].focus({ preventScroll: true });
  };
  const beside = (index, direction) => {
    const [x, y] = nodes[index].box;
    let best;
    nodes.forEach(({ box }, other) => {
      const far = (box[0] - x) * direction;
      if (far > 0 && Math.abs(box[1] - y) < 30 && (best === undefined || far < best.far)) best = { other, far };
    });
    return best?.other;
  };
  const moves = {
    ArrowDown: () => neededBy[current][0]?.[0],
    ArrowUp: () => needs[current][0]?.[0],
    ArrowRight: () => beside(current, 1),
    ArrowLeft: () => beside(current, -1),
    Home: () => 0,
    End: () => nodes.length - 1,
  };
  shapes.forEach((shape, index) => {
    const { id, kind, when } = nodes[index];
    shape.setAttribute('role', 'button');
    shape.setAttribute('tabindex', index === 0 ? '0' : '-1');
    shape.setAttribute('aria-label', id + ', ' + kind + (when === undefined ? '' : ', when ' + when));
    shape.addEventListener('click', () => {
      if (!moved) {
        focusable(index);
        select(index);
        shape.focus({ preventScroll: true });
      }
    });
  });
  canvas.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onNode = event.target.closest?.('.node') !== null;
    const next = onNode ? moves[event.key]?.() : undefined;
    if (next !== undefined) go(next);
    else if (onNode && (event.key === 'Enter' || event.key === ' ')) select(current);
    else if (event.key === 'Escape') select(undefined);
    else if (event.key === '+' || event.key === '=') zoom(1.25);
    else if (event.key === '-') zoom(0.8);
    else if (event.key === '0') fit();
    else return;
    event.preventDefault();
  });

  let drag;
  let moved = false;
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, y: event.clientY, view };
    moved = false;
  });
  window.addEventListener('pointermove', (event) => {
    if (drag === undefined) return;
    const x = event.clientX - drag.x;
    const y = event.clientY - drag.y;
    if (!moved && Math.hypot(x, y) < 4) return;
    moved = true;
    canvas.classList.add('dragging');
    view = { ...drag.view, x: drag.view.x - x / view.scale, y: drag.view.y - y / view.scale };
    show();
  });
  for (const end of ['pointerup', 'pointercancel'])
    window.addEventListener(end, () => {
      drag = undefined;
      canvas.classList.remove('dragging');
    });
  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const { left, top } = canvas.getBoundingClientRect();
      zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), { x: event.clientX - left, y: event.clientY - top });
    },
    { passive: false },
  );
  one('#zoom-in').addEventListener('click', () => zoom(1.25));
  one('#zoom-out').addEventListener('click', () => zoom(0.8));
  one('#fit').addEventListener('click', fit);
  window.addEventListener('resize', show);

  const texts = nodes.map(({ id, kind, when, description }) => [id, kind, when, description].join('\\n').toLowerCase());
  let matches = [];
  search.addEventListener('input', () => {
    const asked = search.value.trim().toLowerCase();
    matches = asked === '' ? [] : texts.flatMap((text, index) => (text.includes(asked) ? [index] : []));
    const all = new Set(matches);
    svg.classList.toggle('searched', asked !== '');
    shapes.forEach((shape, index) => shape.classList.toggle('match', all.has(index)));
    found.textContent = asked === '' ? '' : matches.length + ' of ' + nodes.length;
    if (matches.length > 0) reveal(matches[0]);
  });
  let turn = 0;
  search.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      search.value = '';
      search.dispatchEvent(new Event('input'));
    }
    if (event.key !== 'Enter' || matches.length === 0) return;
    turn = selected === matches[turn % matches.length] ? turn + 1 : 0;
    const index = matches[turn % matches.length];
    focusable(index);
    reveal(index);
    select(index);
  });
  select(undefined);
  start();
})();
`;
