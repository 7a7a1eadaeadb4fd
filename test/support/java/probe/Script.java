// Plays a script of many producers on the partitions of a topic or of several, in and out of transactions, and tells where each record
// came to lie and when each transaction was ended. Records wait in their producer until its next flush, commit or abort, so
// the script decides how batches are cut and how producers interleave. Producers stay open between scripts.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Script {
    private static final long SETTLE_MS = 60_000;
    private final String bootstrap;
    private final Admin admin;
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new LinkedHashMap<>();

    Script(String bootstrap) {
        this.bootstrap = bootstrap;
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        admin = Admin.create(config);
    }

    /**
     * Parameters: topic; partitions (how many); partitionsPerTopic (when given, they are those of several topics: topic-0, topic-1, ...); producers {name: {codec, transactional}}; steps, each one of {send: producer, partition, records},
     * {flush: producer}, {begin: producer}, {commit: producer}, {abort: producer}, {settle: sum of all log ends}, {awaitMs:
     * the clock's time}.
     * @return offsets of the records in the order of their sending, and the clock after each settle
     */
    synchronized Object play(JsonNode params) throws Exception {
        params.path("producers").properties().forEach(entry -> producers.computeIfAbsent(entry.getKey(), name -> open(name, entry.getValue())));
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        List<Long> settledMs = new ArrayList<>();
        for (JsonNode step : params.path("steps")) {
            if (step.has("send")) {
                var producer = producers.get(step.path("send").asText());
                TopicPartition place = place(params, step.path("partition").asInt());
                for (JsonNode record : step.path("records")) {
                    sent.add(producer.send(Params.record(place.topic(), place.partition(), record)));
                }
            } else if (step.has("flush")) {
                producers.get(step.path("flush").asText()).flush();
            } else if (step.has("begin")) {
                producers.get(step.path("begin").asText()).beginTransaction();
            } else if (step.has("awaitMs")) {
                long left = step.path("awaitMs").asLong() - System.currentTimeMillis();
                if (left > 0) Thread.sleep(left);
            } else if (step.has("settle")) {
                settle(params, step.path("settle").asLong());
                settledMs.add(System.currentTimeMillis());
            } else if (step.has("commit")) {
                producers.get(step.path("commit").asText()).commitTransaction();
            } else {
                producers.get(step.path("abort").asText()).abortTransaction();
            }
        }
        List<String> offsets = new ArrayList<>();
        for (var metadata : sent) offsets.add(Long.toString(metadata.get().offset()));
        return Map.of("offsets", offsets, "settledMs", settledMs);
    }

    /** A transaction has ended for its producer before its markers are in the log: waits until they are. */
    private void settle(JsonNode params, long wanted) throws Exception {
        int partitions = params.path("partitions").asInt();
        var each = IntStream.range(0, partitions).boxed()
            .collect(Collectors.toMap(partition -> place(params, partition), partition -> OffsetSpec.latest()));
        long deadline = System.currentTimeMillis() + SETTLE_MS;
        for (long sum = -1; sum != wanted; ) {
            if (System.currentTimeMillis() > deadline) throw new IllegalStateException("log ends add up to " + sum + ", not to " + wanted);
            sum = admin.listOffsets(each).all().get().values().stream().mapToLong(end -> end.offset()).sum();
        }
    }

    private static TopicPartition place(JsonNode params, int partition) {
        String topic = Params.topic(params);
        if (!params.has("partitionsPerTopic")) return new TopicPartition(topic, partition);
        int each = params.path("partitionsPerTopic").asInt();
        return new TopicPartition(topic + "-" + partition / each, partition % each);
    }

    private KafkaProducer<byte[], byte[]> open(String name, JsonNode settings) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("compression.type", settings.path("codec").asText("none"));
        config.put("linger.ms", "10000");
        config.put("batch.size", Integer.toString(64 * 1024));
        config.put("max.block.ms", "30000");
        if (!settings.path("transactional").asBoolean()) {
            return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        }
        config.put("transactional.id", name);
        config.put("transaction.timeout.ms", "600000");
        var producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        return producer;
    }
}
