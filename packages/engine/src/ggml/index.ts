/** The door of the native layer: nothing outside this folder sees a struct or binds a function. */
export { Backend, type BackendOptions, type GraphAllocator } from './device/backend.ts';
export { type Device, loadLibrary } from './ffi/library.ts';
export type { NativeMemory } from './ffi/memory.ts';
export type { GgufFile, GgufTensor } from './gguf/gguf-file.ts';
export { GraphContext } from './graph/graph-context.ts';
export { type Shape, type Tensor, TensorType, typeName } from './graph/tensor.ts';
export { type EmbeddingModel, openEmbeddingModel } from './llama/embedding-model.ts';
export { openReference, type Reference, type ReferenceOptions } from './llama/reference.ts';
export { openRerankingModel, type RerankingModel } from './llama/reranking-model.ts';
export { createSampler, type Sampler } from './llama/sampler.ts';
export type { Tokenizer } from './llama/tokenizer.ts';
export { openTokenizer, type VocabTokenizer } from './llama/vocab.ts';
export { loadNativeKernel, type NativeKernel, nativeKernelState } from './native/native-kernel.ts';
