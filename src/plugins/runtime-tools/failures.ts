// The failures of the kind `runtime-tools`.

import type { Failure } from '../../engine/sdk.js';

export const wrongTool = (port: string): Failure => ({
  code: 'runtime-tools::wrong-tool',
  blame: 'pipeline',
  title: `The input \`${port}\` is connected to another tool`,
  detail: `Its tool tree does not contain the package \`${port}\`.`,
  remedy: `Connect \`${port}\` to a \`fetch-tool\` node with \`name: ${port}\`.`,
});
