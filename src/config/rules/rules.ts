// Every rule, in the order in which they are checked and printed.

import { FLOW_RULES } from './flow-rules.ts';
import { KAFKA_RULES } from './kafka-rules.ts';
import { RESTORE_RULES } from './restore-rules.ts';
import type { Rule } from './rule.ts';
import { STORAGE_RULES } from './storage-rules.ts';

export const RULES: readonly Rule[] = [...FLOW_RULES, ...RESTORE_RULES, ...STORAGE_RULES, ...KAFKA_RULES];
