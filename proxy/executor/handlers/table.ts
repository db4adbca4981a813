/** Every message's handler, by id: generated where nothing needs thought, by hand here, and the zone's memory's. */
import { CUresult } from '../../driver/errors.ts';
import { generatedHandlers } from '../../generated/handlers.ts';
import { Message, MESSAGE_COUNT } from '../../generated/messages.ts';
import type { Invocation } from '../invocation.ts';
import { registerCode } from '../code/handlers.ts';
import { registerFunctions } from '../code/functions.ts';
import { registerImages } from '../code/images.ts';
import { registerLaunch } from '../code/launch.ts';
import { registerLinks } from '../code/links.ts';
import { registerReferences } from '../textures/references.ts';
import { registerTextures } from '../textures/objects.ts';
import { registerTensorMaps } from '../textures/tensor-maps.ts';
import { registerContexts } from './contexts.ts';
import { registerCopies } from './copies.ts';
import { registerGraphs } from '../graphs/handlers.ts';
import { registerEvents } from './events.ts';
import { registerHostCalls } from './hostcalls.ts';
import { registerPrints } from './prints.ts';
import { registerSets } from './sets.ts';
import { registerStreams } from './streams.ts';
import { registerSync } from './sync.ts';
import { registerWaits } from './waits.ts';

export type Handler = (v: Invocation) => number;
export type HandlerTable = Handler[];

const notServed: Handler = () => CUresult.NOT_SUPPORTED;

/** `registerMemory` adds the zone's memory's handlers. */
export function makeHandlers(registerMemory: (table: HandlerTable) => void): HandlerTable {
  const table: HandlerTable = new Array<Handler>(MESSAGE_COUNT).fill(notServed);
  for (const [name, handler] of Object.entries(generatedHandlers)) table[Message[name as keyof typeof Message]] = handler;
  registerContexts(table);
  registerStreams(table);
  registerEvents(table);
  registerSync(table);
  registerSets(table);
  registerCopies(table);
  registerHostCalls(table);
  registerPrints(table);
  registerWaits(table);
  registerGraphs(table);
  registerImages(table);
  registerCode(table);
  registerFunctions(table);
  registerLinks(table);
  registerLaunch(table);
  registerTextures(table);
  registerTensorMaps(table);
  registerReferences(table);
  registerMemory(table);
  return table;
}
