// The shortest pipeline in which a package manager can install: a runtime of this machine and the tool.

/** `nodes`: YAML of the nodes that follow `runtime` and `tool`. */
export const managerPipeline = (name: string, manager: string, nodes: string): string => `pyflow: 1
name: ${name}
nodes:
  manager: { uses: package-manager }
  version:
    uses: version-resolve
    with: { stack: scalingo-24, providers: [system] }
    inputs: { manager: manager.name }
  runtime: { uses: fetch-runtime, with: { providers: [system] }, inputs: { python: version.python } }
  tool: { uses: fetch-tool, with: { name: ${manager} }, inputs: { runtime: runtime.tree } }
${nodes}`;
