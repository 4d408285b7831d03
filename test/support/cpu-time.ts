/** Milliseconds of processor time that the work took. Unlike the time on a clock, it hardly grows when the machine is busy. */
export async function cpuMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
