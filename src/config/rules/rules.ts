// Every rule, in the order in which they are checked and printed.

import { FLOW_RULES } from './flow-rules.ts';
import { KAFKA_RULES } from './kafka-rules.ts';
import type { Rule } from './rule.ts';

export const RULES: readonly Rule[] = [...FLOW_RULES, ...KAFKA_RULES];
