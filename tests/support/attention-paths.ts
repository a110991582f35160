/** The attention paths that must agree with the oracle: what this machine can run of them. */
import { portableAttention } from '../../src/model/index.ts';

export const attentionPaths = [{ name: 'portable', attention: portableAttention }];
