/**
 * DeepSeek 2, 3 and R1, and models of their making: latent attention, experts in groups behind dense layers, experts for
 * every token.
 */
import type { MetadataReader } from '../../architecture/metadata-reader.ts';
import type { Family, Shapes } from '../family.ts';

/** Ten times what the file says, which llama.cpp's converter has divided by it. */
const overall = (reader: MetadataReader) => (reader.number('rope.scaling.yarn_log_multiplier') ?? 0) / 0.1;

/**
 * Of the whole query, rotated part and other: with the square of the magnitude that YaRN's rotation goes without.
 * @param numerator of the rotation's own magnitude, by the logarithm of the stretch
 */
const scaleWith =
  (numerator: (overall: number) => number) =>
  (reader: MetadataReader, { headDim }: Shapes) => {
    const type = reader.string('rope.scaling.type') ?? 'linear';
    const factor =
      type === 'none' ? 0 : (reader.number('rope.scaling.factor') ?? reader.number('rope.scale_linear') ?? 0);
    const logarithm = factor === 0 ? 0 : Math.log(factor);
    const whole = overall(reader);
    const given = reader.number('rope.scaling.attn_factor') ?? 1;
    const by = (multiple: number) => 1 + 0.1 * multiple * logarithm;
    const rotated = type === 'yarn' && whole !== 0 ? by(numerator(whole)) / by(whole) : by(1);
    const magnitude = given * rotated * by(whole);
    return (magnitude * magnitude) / Math.sqrt(headDim);
  };

export const deepseek2: Family = {
  models: 'DeepSeek V2, V2 Lite, V3, R1, Kimi K2, GLM 4.7 Flash',
  ropePairs: 'norm',
  ropeFactors: false,
  activation: 'silu',
  latent: true,
  temperature: true,
  yarnOverall: (reader) => (overall(reader) === 0 ? 0 : 1),
  experts: {
    // Files of before the key: by what llama.cpp knows GLM 4.7 Flash.
    routing: ({ layers, vocabulary }) =>
      (layers === 47 || layers === 48) && vocabulary === 154_880 ? 'sigmoid' : 'softmax',
    normalised: 'file',
    optional: true,
    shared: 'plain',
    someLayers: true,
  },
  attentionScale: scaleWith((whole) => whole),
};

export const mistral4: Family = {
  ...deepseek2,
  models: 'Mistral Small 4',
  yarnOverall: overall,
  attentionScale: scaleWith(() => 1),
};
