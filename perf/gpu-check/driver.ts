// Finds the driver's libcuda.so.1 where drivers put it, and says where it looked.
import { execFileSync } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { join } from 'node:path'

const FOLDERS = [
  '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/usr/local/nvidia/lib64', '/usr/local/nvidia/lib',
  '/usr/lib/wsl/lib', '/run/opengl-driver/lib', '/usr/lib64/nvidia', '/usr/lib/nvidia',
]

export interface Found {
  /** Null: nowhere. */
  path: string | null
  looked: string[]
}

/** `own`: folders of ours, whose libcuda.so.1 is none. */
export function findDriver(own: readonly string[]): Found {
  const looked = [...(process.env['LD_LIBRARY_PATH'] ?? '').split(':').filter(Boolean), ...linkersFolders(), ...FOLDERS]
  for (const folder of looked) {
    const file = join(folder, 'libcuda.so.1')
    if (existsSync(file) && !own.some((mine) => realpathSync(file).startsWith(`${mine}/`))) return { path: file, looked }
  }
  return { path: null, looked: [...new Set(looked)] }
}

/** Where the dynamic linker knows a libcuda.so.1. */
function linkersFolders(): string[] {
  for (const ldconfig of ['/sbin/ldconfig', '/usr/sbin/ldconfig']) {
    if (!existsSync(ldconfig)) continue
    try {
      const list = execFileSync(ldconfig, ['-p'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      const width = process.arch === 'arm64' ? 'AArch64' : 'x86-64'
      return [...list.matchAll(/^\s*libcuda\.so\.1 \(([^)]*)\) => (.*)\/libcuda\.so\.1$/gm)].filter(([, kind]) => kind.includes(width)).map(([, , folder]) => folder)
    } catch {
      return []
    }
  }
  return []
}
