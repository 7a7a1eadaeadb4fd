// Fills a topic fast with generated records. The stream of records (partition, timestamp, key, value, headers) depends on
// the parameters alone; where batches begin and end does not, as with any real producer.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class BulkProducer {
    private final String bootstrap;

    BulkProducer(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /**
     * Parameters: topic, records, partitions [numbers], codec, valueBytes, batchSize, lingerMs, startTimestampMs,
     * timestampStepMs, seed, firstIndex, keys (how many different; 0: null keys), headers, acks, recordsPerSecond.
     */
    Object produce(JsonNode params) throws Exception {
        String topic = Params.topic(params);
        long records = params.path("records").asLong();
        long first = params.path("firstIndex").asLong(0);
        long start = params.path("startTimestampMs").asLong(1_700_000_000_000L);
        long step = params.path("timestampStepMs").asLong(1);
        int keys = params.path("keys").asInt(0);
        boolean headers = params.path("headers").asBoolean();
        double pace = params.path("recordsPerSecond").asDouble(0);
        OrderDocuments documents = new OrderDocuments(params.path("seed").asLong(1), params.path("valueBytes").asInt(0));
        AtomicReference<Exception> failure = new AtomicReference<>();
        long began = System.nanoTime();
        try (var producer = new KafkaProducer<>(config(params), new ByteArraySerializer(), new ByteArraySerializer())) {
            int[] partitions = partitions(params, producer.partitionsFor(topic).size());
            long[] counts = new long[partitions.length];
            long valueBytes = 0;
            for (long index = first; index < first + records && failure.get() == null; index++) {
                byte[] value = documents.value(index, start + index * step);
                byte[] key = keys == 0 ? null : key(documents.number(index, keys));
                int slot = key == null ? (int) (index % partitions.length) : KeyPartition.of(key, partitions.length);
                var record = new ProducerRecord<>(topic, partitions[slot], start + index * step, key, value, headers ? headers(documents, index) : null);
                producer.send(record, (metadata, error) -> failure.compareAndSet(null, error));
                counts[slot]++;
                valueBytes += value.length;
                if (pace > 0) awaitTurn(began, (index - first + 1) / pace);
            }
            producer.flush();
            if (failure.get() != null) throw failure.get();
            return answer(partitions, counts, valueBytes, (System.nanoTime() - began) / 1_000_000);
        }
    }

    private static Map<String, Object> answer(int[] partitions, long[] counts, long valueBytes, long elapsedMs) {
        Map<Integer, Long> perPartition = new TreeMap<>();
        for (int slot = 0; slot < partitions.length; slot++) perPartition.put(partitions[slot], counts[slot]);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("recordsByPartition", perPartition);
        result.put("valueBytes", valueBytes);
        result.put("elapsedMs", elapsedMs);
        return result;
    }

    private static void awaitTurn(long beganNanos, double dueSeconds) throws InterruptedException {
        long aheadMs = (long) (dueSeconds * 1000) - (System.nanoTime() - beganNanos) / 1_000_000;
        if (aheadMs > 0) Thread.sleep(aheadMs);
    }

    private static int[] partitions(JsonNode params, int existing) {
        JsonNode wanted = params.path("partitions");
        int[] partitions = new int[wanted.isArray() && !wanted.isEmpty() ? wanted.size() : existing];
        for (int slot = 0; slot < partitions.length; slot++) partitions[slot] = wanted.path(slot).asInt(slot);
        return partitions;
    }

    private static byte[] key(long number) {
        return String.format("customer-%08d", number).getBytes(StandardCharsets.US_ASCII);
    }

    private static List<Header> headers(OrderDocuments documents, long index) {
        byte[] trace = String.format("00-%016x%016x-01", documents.number(index, Long.MAX_VALUE), index).getBytes(StandardCharsets.US_ASCII);
        return List.of(
            new RecordHeader("content-type", "application/json".getBytes(StandardCharsets.US_ASCII)),
            new RecordHeader("traceparent", trace));
    }

    private Properties config(JsonNode params) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("compression.type", params.path("codec").asText("none"));
        config.put("batch.size", params.path("batchSize").asText("131072"));
        config.put("linger.ms", params.path("lingerMs").asText("20"));
        config.put("acks", params.path("acks").asText("all"));
        if (!params.path("acks").asText("all").equals("all")) config.put("enable.idempotence", "false");
        config.put("buffer.memory", Integer.toString(64 << 20));
        config.put("max.request.size", Integer.toString(12 << 20));
        config.put("send.buffer.bytes", "1048576");
        config.put("reconnect.backoff.max.ms", "500");
        return config;
    }
}
