// What is drawn by ourselves. scripts/bundles.mjs makes a bundle of it: a library comes with it that nothing else needs.

export { graphPage } from './graph-page.js';
export { drawGraph } from './graph-svg.js';
