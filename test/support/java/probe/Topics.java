// Topic administration by Kafka's own admin client: create, change, describe, delete, and the ends of a log.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

final class Topics {
    private final Admin admin;

    Topics(Admin admin) {
        this.admin = admin;
    }

    Object create(JsonNode params) throws Exception {
        Map<String, String> configs = new HashMap<>();
        params.path("config").properties().forEach(field -> configs.put(field.getKey(), field.getValue().asText()));
        short replicas = (short) params.path("replicationFactor").asInt(1);
        var topic = new NewTopic(Params.topic(params), params.path("partitions").asInt(1), replicas);
        admin.createTopics(List.of(topic.configs(configs))).all().get();
        return awaitLeaders(Params.topic(params)).topicId().toString();
    }

    /**
     * A topic exists before its partitions have leaders, and the metadata names leaders that do not lead yet. A producer that
     * starts in between can lose its first batch and never get past it, since a broker takes any first sequence.
     */
    private TopicDescription awaitLeaders(String name) throws Exception {
        for (int attempt = 0; ; attempt++) {
            try {
                TopicDescription topic = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
                if (topic.partitions().stream().allMatch(partition -> partition.leader() != null)) {
                    admin.listOffsets(each(name, topic.partitions().size(), OffsetSpec.latest())).all().get();
                    return topic;
                }
            } catch (Exception notYet) {
                if (attempt == 100) throw notYet;
            }
            if (attempt == 100) throw new IllegalStateException("topic " + name + " has partitions without a leader");
            Thread.sleep(20);
        }
    }

    Object delete(JsonNode params) throws Exception {
        admin.deleteTopics(List.of(Params.topic(params))).all().get();
        return null;
    }

    Object deleteRecords(JsonNode params) throws Exception {
        var partition = new TopicPartition(Params.topic(params), params.path("partition").asInt());
        var before = RecordsToDelete.beforeOffset(params.path("beforeOffset").asLong());
        admin.deleteRecords(Map.of(partition, before)).all().get();
        return null;
    }

    Object alterConfig(JsonNode params) throws Exception {
        return alter(resource(params), params);
    }

    /** The default of every broker of the cluster. */
    Object alterBrokerConfig(JsonNode params) throws Exception {
        return alter(new ConfigResource(ConfigResource.Type.BROKER, ""), params);
    }

    private Object alter(ConfigResource resource, JsonNode params) throws Exception {
        List<AlterConfigOp> operations = new ArrayList<>();
        params.path("config").properties().forEach(field -> {
            boolean remove = field.getValue().isNull();
            var entry = new ConfigEntry(field.getKey(), remove ? null : field.getValue().asText());
            operations.add(new AlterConfigOp(entry, remove ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET));
        });
        admin.incrementalAlterConfigs(Map.of(resource, operations)).all().get();
        return null;
    }

    Object addPartitions(JsonNode params) throws Exception {
        String name = Params.topic(params);
        int total = params.path("total").asInt();
        admin.createPartitions(Map.of(name, NewPartitions.increaseTo(total))).all().get();
        for (int attempt = 0; attempt < 100 && awaitLeaders(name).partitions().size() < total; attempt++) Thread.sleep(20);
        return null;
    }

    Object describe(JsonNode params) throws Exception {
        String name = Params.topic(params);
        TopicDescription topic = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
        Map<String, String> configs = new TreeMap<>();
        for (ConfigEntry entry : admin.describeConfigs(List.of(resource(params))).all().get().get(resource(params)).entries()) {
            if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) configs.put(entry.name(), entry.value());
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("topicId", topic.topicId().toString());
        result.put("partitions", topic.partitions().size());
        result.put("replicationFactor", topic.partitions().get(0).replicas().size());
        result.put("leaders", topic.partitions().stream().map(one -> one.leader() == null ? -1 : one.leader().id()).toList());
        result.put("configs", configs);
        return result;
    }

    /** Parameter `at`: earliest or latest; with `isolation` read_committed the latest is the last stable offset. */
    Object offsets(JsonNode params) throws Exception {
        String name = Params.topic(params);
        OffsetSpec spec = "earliest".equals(params.path("at").asText()) ? OffsetSpec.earliest() : OffsetSpec.latest();
        int count = admin.describeTopics(List.of(name)).allTopicNames().get().get(name).partitions().size();
        var options = new ListOffsetsOptions(Params.isolation(params));
        Map<Integer, String> result = new TreeMap<>();
        admin.listOffsets(each(name, count, spec), options).all().get()
            .forEach((partition, info) -> result.put(partition.partition(), Long.toString(info.offset())));
        return result;
    }

    private static Map<TopicPartition, OffsetSpec> each(String topic, int partitions, OffsetSpec spec) {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (int partition = 0; partition < partitions; partition++) wanted.put(new TopicPartition(topic, partition), spec);
        return wanted;
    }

    private static ConfigResource resource(JsonNode params) {
        return new ConfigResource(ConfigResource.Type.TOPIC, Params.topic(params));
    }
}
