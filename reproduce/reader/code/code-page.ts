/**
 * Pages about software: settings, commands, headers, versions, causes of trouble, words. Made up from seeded words, with
 * questions and the text each is answered by.
 */
import type { Random } from '@block-attention/engine/internal/base';
import { type ManualPage, pageOfSome } from '../made-up-page.ts';
import { commandsAndSettings } from './commands-and-settings.ts';
import { versionsAndCauses } from './versions-and-causes.ts';

const kinds = { ...commandsAndSettings, ...versionsAndCauses };

/** @param product invented name of what the page is about */
export function codePage(random: Random, product: string): ManualPage {
  return pageOfSome(random, product, 'code', kinds);
}
