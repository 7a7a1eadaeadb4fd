// What a backup reads of a topic's configuration and what a restore sets: DescribeConfigs v4, CreateTopics v7 and
// IncrementalAlterConfigs v1.

import type { ApiCall } from './api.ts';

const TOPIC_RESOURCE = 2;
const BROKER_DYNAMIC_TOPIC_CONFIG = 1;

export interface DescribedConfigs {
  readonly topic: string;
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly configs: readonly { readonly name: string; readonly value: string | null; readonly isSetOnTopic: boolean }[];
}

export function describeTopicConfigsCall(topics: readonly string[]): ApiCall<readonly DescribedConfigs[]> {
  return {
    apiKey: 32,
    apiName: 'DescribeConfigs',
    apiVersion: 4,
    write(writer) {
      writer.compactArray(topics, (resource, topic) => {
        resource
          .int8(TOPIC_RESOURCE)
          .compactString(topic)
          .compactArray(null, () => {})
          .noTaggedFields();
      });
      writer.boolean(false).boolean(false).noTaggedFields();
    },
    read(reader) {
      reader.int32();
      return reader.compactArray((result) => {
        const errorCode = result.int16();
        const errorMessage = result.compactNullableString();
        result.int8();
        const topic = result.compactString();
        const configs = result.compactArray((config) => {
          const name = config.compactString();
          const value = config.compactNullableString();
          config.boolean();
          const isSetOnTopic = config.int8() === BROKER_DYNAMIC_TOPIC_CONFIG;
          config.boolean();
          config.compactArray((synonym) => {
            synonym.compactString();
            synonym.compactNullableString();
            synonym.int8();
            synonym.taggedFields();
          });
          config.int8();
          config.compactNullableString();
          config.taggedFields();
          return { name, value, isSetOnTopic };
        });
        result.taggedFields();
        return { topic, errorCode, errorMessage, configs };
      });
    },
  };
}

export interface NewTopic {
  readonly topic: string;
  readonly partitions: number;
  /** -1 lets the broker choose. */
  readonly replicationFactor: number;
  readonly configs: Readonly<Record<string, string>>;
}

export interface TopicResult {
  readonly topic: string;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Also answered without creating anything. */
export interface CreatedTopic extends TopicResult {
  /** Every entry that the topic has then; empty where the principal may not see them. */
  readonly configs: readonly { readonly name: string; readonly value: string | null; readonly isSetOnTopic: boolean }[];
}

/** `validateOnly` asks the broker whether it would create the topic so, and creates nothing. */
export function createTopicCall(
  topic: NewTopic,
  timeoutMs: number,
  validateOnly: boolean,
): ApiCall<readonly CreatedTopic[]> {
  return {
    apiKey: 19,
    apiName: 'CreateTopics',
    apiVersion: 7,
    write(writer) {
      writer.compactArray([topic], (element) => {
        element.compactString(topic.topic).int32(topic.partitions).int16(topic.replicationFactor);
        element.compactArray([], () => {});
        element.compactArray(Object.entries(topic.configs), (config, [name, value]) => {
          config.compactString(name).compactNullableString(value).noTaggedFields();
        });
        element.noTaggedFields();
      });
      writer.int32(timeoutMs).boolean(validateOnly).noTaggedFields();
    },
    read(reader) {
      reader.int32();
      return reader.compactArray((result) => {
        const name = result.compactString();
        result.uuid();
        const errorCode = result.int16();
        const errorMessage = result.compactNullableString();
        result.int32();
        result.int16();
        const configs = result.compactArray((config) => {
          const entry = { name: config.compactString(), value: config.compactNullableString() };
          config.boolean();
          const isSetOnTopic = config.int8() === BROKER_DYNAMIC_TOPIC_CONFIG;
          config.boolean();
          config.taggedFields();
          return { ...entry, isSetOnTopic };
        });
        result.taggedFields();
        return { topic: name, errorCode, errorMessage, configs };
      });
    },
  };
}

/** Sets the entries with a value, deletes those that are null; others stay as they are. */
export function alterTopicConfigsCall(
  topic: string,
  changes: Readonly<Record<string, string | null>>,
): ApiCall<readonly TopicResult[]> {
  return {
    apiKey: 44,
    apiName: 'IncrementalAlterConfigs',
    apiVersion: 1,
    write(writer) {
      writer.compactArray([topic], (resource, name) => {
        resource.int8(TOPIC_RESOURCE).compactString(name);
        resource.compactArray(Object.entries(changes), (config, [key, value]) => {
          config
            .compactString(key)
            .int8(value === null ? 1 : 0)
            .compactNullableString(value)
            .noTaggedFields();
        });
        resource.noTaggedFields();
      });
      writer.boolean(false).noTaggedFields();
    },
    read(reader) {
      reader.int32();
      return reader.compactArray((result) => {
        const errorCode = result.int16();
        const errorMessage = result.compactNullableString();
        result.int8();
        const name = result.compactString();
        result.taggedFields();
        return { topic: name, errorCode, errorMessage };
      });
    },
  };
}
