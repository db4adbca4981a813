// What a model thinks comes next, behind texts of two sequences: a prompt in pieces of 64 words, then word by word (other kernels, and
// graphs), with and without flash attention. argv: where node-llama-cpp is, `cuda` or `cpu`, the model, the file to write.
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const [, , library, where, modelPath, file] = process.argv
const { getLlama } = await import(pathToFileURL(library).href)
const gpu = where === 'cuda' ? 'cuda' : false
const llama = await getLlama({ gpu, build: 'never', logLevel: 'error', vramPadding: 0, ramPadding: 0 })
const model = await llama.loadModel({ modelPath, gpuLayers: gpu ? 'max' : 0 })
const answers = []
const thought = (evaluated) => evaluated.flatMap((word) => (word?.next?.probabilities ? [[...word.next.probabilities]] : []))
const asked = { generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } } }
for (const flashAttention of [false, true]) {
  const context = await model.createContext({ contextSize: 256, batchSize: 64, flashAttention, sequences: 2 })
  await Promise.all([context.getSequence(), context.getSequence()].map(async (sequence, s) => {
    const prompt = Array.from({ length: 90 }, (_, i) => 3 + ((i * 37 + s * 101 + ((i * i) % 53)) % 300))
    const seen = thought(await sequence.controlledEvaluate(prompt.map((word, i) => (i % 5 === 4 ? [word, asked] : word))))
    for (let i = 0; i < 10; i++) seen.push(...thought(await sequence.controlledEvaluate([[5 + i * 7 + s, asked]])))
    answers.push({ of: `${flashAttention ? 'flash attention' : 'attention'}, sequence ${s}`, seen })
  }))
  await context.dispose()
}
writeFileSync(file, JSON.stringify({ device: gpu ? await llama.getGpuDeviceNames() : [], answers: answers.sort((a, b) => (a.of < b.of ? -1 : 1)) }))
await llama.dispose()
