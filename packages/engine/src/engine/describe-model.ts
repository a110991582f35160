/** What an engine says of its model, from its parts. */
import { typeName } from '../ggml/index.ts';
import { type Model, modelWarnings } from '../model/index.ts';
import type { EngineParts } from './engine.ts';
import type { ModelInfo } from './model-info.ts';
import { recomputes } from './policy/context-work.ts';

/** The type of the most weights. */
function commonestType({ file }: Model): string {
  const counts = new Map<string, number>();
  for (const { type, ne } of file.tensors.values()) {
    const name = typeName(type).toLowerCase();
    counts.set(name, (counts.get(name) ?? 0) + ne.reduce((product, length) => product * length, 1));
  }
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? 'f32';
}

export function modelInfo({ model, source, tokenizer, contextTokens, adapter }: EngineParts): ModelInfo {
  const hp = model.hyperParameters;
  return {
    path: model.file.path,
    name: hp.name,
    architecture: hp.architecture,
    parameters: model.parameters,
    layers: hp.layers,
    heads: hp.heads,
    kvHeads: hp.kvHeads,
    headDim: hp.headDim,
    embeddingLength: hp.embeddingLength,
    vocabulary: hp.vocabulary,
    weightType: commonestType(model),
    fileBytes: model.file.bytes,
    digest: source.weights,
    chatTemplate: tokenizer.chatTemplate ?? null,
    trainedContext: hp.trainedContext,
    contextTokens,
    kvBytesPerToken: source.layout.bytesPerToken,
    kvBytesPerBlock: source.layout.tailBytes,
    recomputes: recomputes(source.layout),
    adapter,
    warnings: modelWarnings(model.file),
  };
}
