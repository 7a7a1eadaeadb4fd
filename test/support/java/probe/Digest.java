// Judges a topic by what a consumer sees: per partition the SHA-256 over the length-prefixed stream of timestamp, key,
// value and headers in log order, without offsets, because a restored log has other offsets.
// Lengths are 32-bit big-endian with -1 for null, so no two different streams of records look alike.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

final class Digest {
    private final String bootstrap;

    Digest(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /**
     * Parameters: topic, isolation; fromTimestampMs and toTimestampMs (both inclusive); cut `log` ends a partition before
     * the first record past toTimestampMs; offsets {partition: {fromOffset inclusive, endOffset exclusive}}; partitions.
     */
    Object run(JsonNode params) throws Exception {
        String topic = Params.topic(params);
        List<PartitionInfo> partitions;
        try (var consumer = Consumers.open(bootstrap, params)) {
            partitions = consumer.partitionsFor(topic);
        }
        Map<Integer, Object> result = new TreeMap<>();
        var workers = Executors.newFixedThreadPool(Math.max(1, Runtime.getRuntime().availableProcessors()));
        try {
            List<Callable<Void>> jobs = partitions.stream()
                .filter(info -> wanted(params.path("partitions"), info.partition()))
                .map(info -> (Callable<Void>) () -> {
                    Object digest = digest(new TopicPartition(topic, info.partition()), params);
                    synchronized (result) {
                        result.put(info.partition(), digest);
                    }
                    return null;
                })
                .toList();
            for (var job : workers.invokeAll(jobs)) job.get();
        } finally {
            workers.shutdownNow();
        }
        return result;
    }

    private static boolean wanted(JsonNode partitions, int partition) {
        if (!partitions.isArray()) return true;
        for (JsonNode one : partitions) if (one.asInt() == partition) return true;
        return false;
    }

    private Map<String, Object> digest(TopicPartition partition, JsonNode params) throws Exception {
        JsonNode range = params.path("offsets").path(Integer.toString(partition.partition()));
        long earliest = params.hasNonNull("fromTimestampMs") ? params.get("fromTimestampMs").asLong() : Long.MIN_VALUE;
        long latest = params.hasNonNull("toTimestampMs") ? params.get("toTimestampMs").asLong() : Long.MAX_VALUE;
        boolean cutLog = "log".equals(params.path("cut").asText());
        RecordHash hash = new RecordHash();
        long[] read;
        try (var consumer = Consumers.open(bootstrap, params)) {
            read = Consumers.read(consumer, partition, range.path("fromOffset").asLong(-1), range.path("endOffset").asLong(-1), record -> {
                if (cutLog && record.timestamp() > latest) return false;
                if (record.timestamp() >= earliest && record.timestamp() <= latest) hash.add(record);
                return true;
            });
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("startOffset", Long.toString(read[0]));
        result.put("endOffset", Long.toString(read[1]));
        hash.describe(result);
        return result;
    }
}
