// Field names of other pipeline systems, and what to write instead.

/** Fields of nodes as other pipeline systems call them, and what to write here. */
const FOREIGN_FIELDS: Readonly<Record<string, string>> = {
  args: 'Write the command as `with: { argv: [...] }`.',
  command: 'Use `uses: command` and write the command as `with: { argv: [...] }`.',
  commands: 'Use `uses: command` with one node for each command: `with: { argv: [...] }`.',
  condition: 'Use `when`.',
  depends: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  depends_on: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  dependsOn: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  environment: 'Use `env`.',
  if: 'Use `when`, for example `when: params.stack == "scalingo-24"`.',
  image: 'Nodes run on this machine; `uses` names the kind of a node.',
  kind: 'Use `uses`.',
  name: 'The key of a node is its name; use `description` for a text.',
  needs: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  only: 'Use `when`.',
  outputs: 'A command names the files it writes as `with: { writes: [...] }`.',
  plugin: 'Use `uses`.',
  requires: 'Use `after: [NODE]` for order, or `inputs` for what the node takes from another one.',
  retry: 'Use `retries`.',
  run: 'Use `uses: command` and write the command as `with: { argv: [sh, -c, "..."] }`.',
  runs: 'Use `uses: command` and write the command as `with: { argv: [sh, -c, "..."] }`.',
  script: 'Use `uses: command` and write the script as `with: { argv: [sh, -c, "..."] }`.',
  shell: 'Name the shell in the command: `with: { argv: [sh, -c, "..."] }`.',
  skip: 'Use `when` with the opposite condition.',
  steps: 'A node is one step; write each step as a node of its own.',
  'timeout-minutes': 'Use `timeout`, for example `timeout: 10m`.',
  type: 'Use `uses`.',
  unless: 'Use `when` with the opposite condition.',
  variables: 'Use `env`.',
  'working-directory': 'A command takes `with: { cwd: FOLDER }`.',
  workdir: 'A command takes `with: { cwd: FOLDER }`.',
};
const FOREIGN_TOP: Readonly<Record<string, string>> = {
  jobs: 'Use `nodes`.',
  stages: 'Use `nodes`; `after` and `inputs` order them.',
  steps: 'Use `nodes`.',
  tasks: 'Use `nodes`.',
  parameters: 'Use `params`.',
  inputs: 'Use `params`.',
  version: 'Use `pyflow: 1`.',
};

/** `known`: the fields of the place, which tell whether it is a node or the top of the file. */
export function foreignField(field: string, known: readonly string[]): string | undefined {
  if (known.includes('uses')) return Object.hasOwn(FOREIGN_FIELDS, field) ? FOREIGN_FIELDS[field] : undefined;
  if (known.includes('nodes')) return Object.hasOwn(FOREIGN_TOP, field) ? FOREIGN_TOP[field] : undefined;
  return undefined;
}
