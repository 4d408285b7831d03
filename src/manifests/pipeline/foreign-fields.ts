// Field names of other pipeline systems, and what to write instead.

/** Node fields of other pipeline systems. */
const FOREIGN_FIELDS: Readonly<Record<string, string>> = {
  args: 'Write the command as `with: { argv: [...] }`.',
  command: 'Use `uses: command` and write the command as `with: { argv: [...] }`.',
  commands: 'Use `uses: command` with one node for each command: `with: { argv: [...] }`.',
  condition: 'Use `when`.',
  depends: 'Use `after: [NODE]` to start after another node, or `inputs` to use an output of one.',
  depends_on: 'Use `after: [NODE]` to start after another node, or `inputs` to use an output of one.',
  dependsOn: 'Use `after: [NODE]` to start after another node, or `inputs` to use an output of one.',
  environment: 'Use `env`.',
  if: 'Use `when`, for example `when: params.stack == "scalingo-24"`.',
  image: 'Nodes run on this machine, not in a container image. `uses` names the kind of the node.',
  kind: 'Use `uses`.',
  name: 'The key of the node is its name. For a longer text, use `description`.',
  needs: 'Use `after: [NODE]` to start after another node, or `inputs` to use an output of one.',
  only: 'Use `when`.',
  outputs: 'To name the files that a command writes, use `with: { writes: [...] }`.',
  plugin: 'Use `uses`.',
  requires: 'Use `after: [NODE]` to start after another node, or `inputs` to use an output of one.',
  retry: 'Use `retries`.',
  run: 'Use `uses: command` and write the command as `with: { argv: [sh, -c, "..."] }`.',
  runs: 'Use `uses: command` and write the command as `with: { argv: [sh, -c, "..."] }`.',
  script: 'Use `uses: command` and write the script as `with: { argv: [sh, -c, "..."] }`.',
  shell: 'Name the shell in the command: `with: { argv: [sh, -c, "..."] }`.',
  skip: 'Use `when` with the opposite condition.',
  steps: 'A node is one step. Write one node per step.',
  'timeout-minutes': 'Use `timeout`, for example `timeout: 10m`.',
  type: 'Use `uses`.',
  unless: 'Use `when` with the opposite condition.',
  variables: 'Use `env`.',
  'working-directory': 'To run a command in another folder, use `with: { cwd: FOLDER }`.',
  workdir: 'To run a command in another folder, use `with: { cwd: FOLDER }`.',
};
const FOREIGN_TOP: Readonly<Record<string, string>> = {
  jobs: 'Use `nodes`.',
  stages: 'Use `nodes`, and order them with `after` and `inputs`.',
  steps: 'Use `nodes`.',
  tasks: 'Use `nodes`.',
  parameters: 'Use `params`.',
  inputs: 'Use `params`.',
  version: 'Use `pyflow: 1`.',
};

/** `known`: the fields allowed at that place, which show whether it is a node or the top of the file. */
export function foreignField(field: string, known: readonly string[]): string | undefined {
  if (known.includes('uses')) return Object.hasOwn(FOREIGN_FIELDS, field) ? FOREIGN_FIELDS[field] : undefined;
  if (known.includes('nodes')) return Object.hasOwn(FOREIGN_TOP, field) ? FOREIGN_TOP[field] : undefined;
  return undefined;
}
