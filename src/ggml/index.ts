/** The door of the native layer: nothing outside this folder sees a struct or binds a function. */
export { Backend, type BackendOptions, type GraphAllocator } from './backend.ts';
export { type EmbeddingModel, type EmbeddingModelOptions, openEmbeddingModel } from './embedding-model.ts';
export type { GgufFile, GgufTensor } from './gguf-file.ts';
export { GraphContext } from './graph-context.ts';
export { type Device, loadLibrary } from './library.ts';
export type { NativeMemory } from './memory.ts';
export { loadNativeKernel, type NativeKernel, nativeKernelState } from './native-kernel.ts';
export { openReference, type Reference, type ReferenceOptions } from './reference.ts';
export { createSampler, type Sampler } from './sampler.ts';
export { type Shape, type Tensor, TensorType, typeName } from './tensor.ts';
export type { Tokenizer } from './tokenizer.ts';
export { openTokenizer, type VocabTokenizer } from './vocab.ts';
