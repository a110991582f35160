/** What works with the models of a family, for lists and for refusals. */
import type { Family } from './family.ts';
import { families } from './index.ts';

/** One architecture of GGUF files, with what works. */
export interface FamilyAbilities {
  /** `general.architecture`. */
  readonly architecture: string;
  /** The models of it that people know. */
  readonly models: string;
  /** Full attention, as llama.cpp computes it. */
  readonly full: boolean;
  /** Blocks encoded alone and reused. */
  readonly block: boolean;
  /** Fine-tuning. Where `experts` says so: of files without experts. */
  readonly train: boolean;
}

/** Every family, in the order of the list. */
export function familyAbilities(): FamilyAbilities[] {
  return Object.entries(families).map(([architecture, family]) => {
    const routed = family.experts !== undefined && family.experts.optional !== true;
    const { models } = family;
    return { architecture, models, full: true, block: true, train: withoutGradient(family, routed) === undefined };
  });
}

/** What of a model has no gradient here, or undefined. @param routed whether its layers route over experts */
export function withoutGradient(family: Family, routed: boolean): string | undefined {
  if (routed) return 'its experts';
  if (family.latent === true) return 'the maps of its latent attention';
  if (family.shortConvolutions === true) return 'its short convolutions';
  if (family.attentionSinks === true) return 'its attention sinks';
  if (family.attentionSoftcap !== undefined) return 'its capped scores';
  if (family.sharedStates === true) return 'layers that share states';
  if (family.queryKeyNorm === 'rotated') return 'its norms behind the rotation';
  if (family.norm === 'layer') return 'its LayerNorms';
  return family.temperature === true ? 'queries that grow with their position' : undefined;
}
