// The failures that the kind `runtime-tools` raises.

import type { Failure } from '../../engine/sdk.js';

export const wrongTool = (port: string): Failure => ({
  code: 'runtime-tools::wrong-tool',
  blame: 'pipeline',
  title: `The tool given as \`${port}\` is not ${port}`,
  detail: `Its tool tree holds no package \`${port}\`.`,
  remedy: `Connect \`${port}\` to a \`fetch-tool\` node with \`name: ${port}\`.`,
});
