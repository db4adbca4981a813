// What Ringfence costs while nobody asks for anything: the daemon, a zone with a client that is silent, a zone without clients.
import { BusyClient } from '../busy.ts'
import { Daemon, sleep } from '../daemon.ts'
import type { Measurement, Sample, Scene } from '../model.ts'
import { cpuPercent, pss } from '../processes.ts'

const MEMORY = 64 * 2 ** 20
const WATCH_MS = 2000
/** An executor without clients stays for two seconds, in case one comes back. */
const GONE_WITHIN_MS = 10_000

async function prepare(): Promise<Scene> {
  const daemon = await Daemon.start({ zones: ['silent', 'empty'], memory: MEMORY })
  const waiting = (await daemon.api.status()).pool.size
  let client: BusyClient | null = null
  const measure = async (): Promise<Sample> => {
    // It does some work first: a zone that never did any would be cheaper than any that exists.
    client ??= new BusyClient(daemon.environment('silent'))
    await client.ready
    await client.busy(200)
    // One that came and went: its zone is to be empty again.
    const visitor = new BusyClient(daemon.environment('empty'))
    await visitor.ready
    await visitor.stop()
    // Else the one that ends could be taken for the one that replaces it.
    await daemon.warm(waiting)
    for (const end = Date.now() + GONE_WITHIN_MS; daemon.executors.length > waiting + 1 && Date.now() < end; await sleep(50));
    await sleep(1000)
    const executor = (await daemon.api.zone('silent')).executor?.pid
    if (executor === undefined) throw new Error('the zone with a client has no executor')
    const spares = daemon.executors.filter((pid) => pid !== executor)
    return {
      daemon_memory: pss(daemon.pid),
      daemon_cpu: await cpuPercent([daemon.pid, ...spares], WATCH_MS),
      zone_memory: pss(executor) + pss(client.pid),
      executor_memory: pss(executor),
      zone_cpu: await cpuPercent([executor, client.pid], WATCH_MS),
      empty_processes: daemon.executors.length - waiting - 1,
    }
  }
  const close = async (): Promise<void> => {
    await client?.stop()
    await daemon.stop()
  }
  return { sides: ['ringfence'], measure, close }
}

export const rest: Measurement = {
  name: 'rest',
  title: 'at rest',
  what: 'A daemon, a zone whose one client is silent after 200 ms of work, and a zone that its only client has left; PSS, and CPU time over two seconds.',
  subject: { program: 'programs/busy' },
  prepare,
  repetitions: 3,
  metrics: [
    { name: 'zone_memory', title: 'a zone with a silent client, memory of both', unit: 'MiB', better: 'lower', bar: { value: 60 } },
    { name: 'executor_memory', title: 'its executor alone', unit: 'MiB', better: 'lower' },
    { name: 'zone_cpu', title: 'a zone with a silent client, CPU', unit: '%', better: 'lower', bar: { value: 0.1 } },
    { name: 'empty_processes', title: 'a zone without clients, processes', unit: 'count', better: 'lower', bar: { value: 0 } },
    { name: 'daemon_memory', title: 'the daemon, memory', unit: 'MiB', better: 'lower' },
    { name: 'daemon_cpu', title: 'the daemon and its waiting executor, CPU', unit: '%', better: 'lower', bar: { value: 0.1 } },
  ],
}
