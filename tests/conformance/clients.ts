// The clients, in the order of the page.
import { ffmpeg } from './clients/ffmpeg.ts'
import { llama } from './clients/llama.ts'
import { numba } from './clients/numba.ts'
import { boinc, gstreamer, halide, hashcat, hashcatCracks, offload } from './clients/others.ts'
import type { Client } from './suite.ts'

export const CLIENTS: Client[] = [ffmpeg, gstreamer, ...numba, halide, offload, hashcat, hashcatCracks, boinc, llama]
