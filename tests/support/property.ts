// fast-check, which begins where seed.ts says; it prints the seed of what fails.
import fc from 'fast-check'
import { seedOf } from './seed.ts'

fc.configureGlobal({ seed: seedOf('RINGFENCE_PROPERTY_SEED', 'proxy', 'idm') })

export default fc
