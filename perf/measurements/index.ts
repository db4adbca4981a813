// The table of measurements, in the order in which they run and are printed. To add one: a program, a file here, a line.
import type { Measurement } from '../model.ts'
import { alloc } from './alloc.ts'
import { cached } from './cached.ts'
import { connect } from './connect.ts'
import { copies } from './copy.ts'
import { engine } from './engine.ts'
import { idle } from './idle.ts'
import { live } from './live.ts'
import { message } from './message.ts'
import { mix } from './mix.ts'
import { launch, record, set } from './posted.ts'
import { rest } from './rest.ts'
import { curvesOfCopies } from './sizes.ts'
import { threads } from './threads.ts'
import { query, waited } from './waited.ts'
import { zones } from './zones.ts'

export const MEASUREMENTS: Measurement[] = [waited, query, message, idle, launch, record, set, cached, alloc, ...copies, ...curvesOfCopies, threads, live, connect, mix, rest, zones, engine]
