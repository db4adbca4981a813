// Clients that Debian packages outside main (contrib and non-free: NVIDIA's toolkit 11.8 and what is built with it), and npm's, fetched by
// `npm run conformance -- --fetch` (0.8 GB, most of it nvidia-cuda-dev, for libcudadevrt.a, and 0.15 GB) and unpacked under build/contrib: never installed, so that no driver of NVIDIA's comes to
// stand before ours, and with lists of apt's own. CI fetches none of it: what needs it is *long*.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../support/cc.ts'

const folder = join(root, 'build/contrib')
const debs = join(folder, 'debs')

/** What the packages hold: CONTRIB/usr/lib and so on. */
export const CONTRIB = join(folder, 'root')
export const LIBRARIES = join(CONTRIB, 'usr/lib/x86_64-linux-gnu')
export const FETCH = '`npm run conformance -- --fetch`'
export const NEEDS = `Debian's contrib and non-free: ${FETCH}`

const PACKAGES = ['libnvvm4', 'libcudart11.0', 'libnvrtc11.2', 'libnvrtc-builtins11.8', 'nvidia-cuda-dev']

/** Where npm's packages are. Without what they would install of themselves: a package for every kind of machine, 0.7 GB. */
export const NODE = join(folder, 'node')
const NODE_PACKAGES = ['node-llama-cpp', '@node-llama-cpp/linux-x64', '@node-llama-cpp/linux-x64-cuda'].map((name) => ({ name, version: '3.22.1' }))

/** Version of one of those; null: it is not there. */
export function fetched(name: string): string | null {
  const file = join(NODE, 'node_modules', name, 'package.json')
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version : null
}

/** Version of an unpacked package of Debian's; null: it is not there. */
export function unpacked(name: string): string | null {
  const file = existsSync(debs) ? readdirSync(debs).find((entry) => entry.startsWith(`${name}_`) && entry.endsWith('.deb')) : undefined
  return file === undefined ? null : decodeURIComponent(file.split('_')[1]!)
}

function must(command: string, words: string[], cwd: string): void {
  const { status, error } = spawnSync(command, words, { cwd, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${command} ${words.slice(0, 3).join(' ')} failed (${error?.message ?? `status ${status}`}): is there an apt, a dpkg, an npm and a network?`)
}

/** Fetches and unpacks what is not there yet. */
export function fetch(): void {
  fetchDebian()
  if (NODE_PACKAGES.every(({ name, version }) => fetched(name) === version)) return
  mkdirSync(NODE, { recursive: true })
  writeFileSync(join(NODE, 'package.json'), '{ "private": true }\n') // or npm would look for one further up
  must('npm', ['install', '--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund', ...NODE_PACKAGES.map(({ name, version }) => `${name}@${version}`)], NODE)
}

function fetchDebian(): void {
  for (const part of ['debs', 'root', 'lists/partial', 'cache/archives/partial', 'parts']) mkdirSync(join(folder, part), { recursive: true })
  writeFileSync(join(folder, 'parts/contrib.sources'), 'Types: deb\nURIs: http://deb.debian.org/debian\nSuites: bookworm\nComponents: main contrib non-free\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n')
  const options = ['Dir::Etc::sourcelist=/dev/null', `Dir::Etc::sourceparts=${join(folder, 'parts')}`, `Dir::State::lists=${join(folder, 'lists')}`, `Dir::Cache=${join(folder, 'cache')}`, 'APT::Sandbox::User=root'].flatMap((option) => ['-o', option])
  const missing = PACKAGES.filter((name) => unpacked(name) === null)
  if (missing.length === 0) return
  must('apt-get', ['-q', ...options, 'update'], debs)
  must('apt-get', ['-q', ...options, 'download', ...missing], debs)
  for (const name of missing) {
    const file = readdirSync(debs).find((entry) => entry.startsWith(`${name}_`))!
    // The toolkit's archives of its libraries are 2 GB that nothing here links.
    must('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x --exclude="*_static*.a" -C "$2"', 'sh', join(debs, file), CONTRIB], debs)
  }
}
