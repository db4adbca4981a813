/**
 * Where the build's products lie, seen from a bundle (`build/js/`) or from the sources (tests under tsx): the executor program,
 * the software GPU and the client library.
 */
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Layout {
  /** Forked as an executor. */
  readonly executor: string;
  /** Imported by `ringfence serve`. */
  readonly supervisor: string;
  /** The command line itself, started again as a private daemon. */
  readonly cli: string;
  /** The software GPU. */
  readonly stub: string;
  /** The folder with the client's `libcuda.so.1`, for LD_LIBRARY_PATH. */
  readonly clientLibraries: string;
}

export function layout(): Layout {
  const here = dirname(fileURLToPath(import.meta.url));
  const bundled = basename(here) === 'js';
  const build = bundled ? resolve(here, '..') : resolve(here, '../../build');
  return {
    // RINGFENCE_EXECUTOR: another build of it, for development and tests.
    executor: process.env['RINGFENCE_EXECUTOR'] ?? join(build, 'js/executor.js'),
    supervisor: join(build, 'js/supervisor.js'),
    cli: join(build, 'js/ringfence.js'),
    stub: join(build, 'stub/libcuda.so.1'),
    clientLibraries: join(build, 'lib'),
  };
}
