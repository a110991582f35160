/** The door of training: that of the engine. */
export * from '@block-attention/engine/train';
