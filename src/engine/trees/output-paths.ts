// Where the parts of a result are, relative to the folder in which a worker runs an action.

/** A worker returns those that exist. */
export const OUTPUT_PATHS = {
  /** The folder with the node's layer, and the blob that describes it. */
  app: 'out/app',
  appLayer: 'out/app.layer',
  /** The engine's ActionResult, as canonical JSON. */
  result: 'out/result.json',
  /** The folder with the program that the node made, and the blob that describes it. */
  tool: 'out/tool',
  toolLayer: 'out/tool.layer',
} as const;
