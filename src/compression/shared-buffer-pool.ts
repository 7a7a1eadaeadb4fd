// The memory that tasks of the worker threads read and write.

import { BufferPool } from '../model/buffer/buffer-pool.ts';

export class SharedBufferPool extends BufferPool<SharedArrayBuffer> {
  constructor(bufferBytes: number, limit: number) {
    super(bufferBytes, limit, (sizeBytes) => new SharedArrayBuffer(sizeBytes));
  }
}
