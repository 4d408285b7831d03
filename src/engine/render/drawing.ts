// Entry point of a bundle of its own (scripts/bundles.mjs), because only drawings need dagre.

export { graphPage } from './graph-page.js';
export { drawGraph } from './graph-svg.js';
