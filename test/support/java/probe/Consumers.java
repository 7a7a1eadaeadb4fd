// Reads a partition from one offset to another with Kafka's own consumer. The end is reached by position, not by record,
// because a log may end in transaction markers, aborted records or holes left by compaction.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.function.Predicate;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class Consumers {
    private static final long STALL_MS = 60_000;

    private Consumers() {}

    static KafkaConsumer<byte[], byte[]> open(String bootstrap, JsonNode params) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("isolation.level", Params.isolation(params).name().toLowerCase(Locale.ROOT));
        config.put("auto.offset.reset", "none");
        config.put("enable.auto.commit", "false");
        config.put("allow.auto.create.topics", "false");
        config.put("fetch.min.bytes", "1");
        config.put("fetch.max.wait.ms", "20"); // closing a consumer waits for its last fetch
        int fetchBytes = params.path("fetchBytes").asInt(8 << 20);
        config.put("fetch.max.bytes", Integer.toString(4 * fetchBytes));
        config.put("max.partition.fetch.bytes", Integer.toString(fetchBytes));
        config.put("max.poll.records", "20000");
        config.put("receive.buffer.bytes", "1048576");
        return new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /**
     * Hands over every record from `from` (-1: the log's start) up to, but not including, `end` (-1: the end of the log
     * under the consumer's isolation level as it is now), until `sink` says false.
     * @return the offsets at which reading began and ended (exclusive)
     */
    static long[] read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, long from, long end,
            Predicate<ConsumerRecord<byte[], byte[]>> sink) {
        var only = List.of(partition);
        long begin = consumer.beginningOffsets(only).get(partition);
        long last = consumer.endOffsets(only).get(partition);
        long start = Math.max(from, begin);
        long stop = end < 0 ? last : Math.min(end, last);
        consumer.assign(only);
        consumer.seek(partition, start);
        long progress = System.currentTimeMillis();
        for (long position = start; position < stop; ) {
            for (var record : consumer.poll(Duration.ofMillis(500)).records(partition)) {
                if (record.offset() >= stop) return new long[] {start, stop};
                if (!sink.test(record)) return new long[] {start, record.offset()};
            }
            long next = consumer.position(partition);
            if (next > position) progress = System.currentTimeMillis();
            else if (System.currentTimeMillis() - progress > STALL_MS) {
                throw new IllegalStateException(partition + " stands still at " + position + " before " + stop);
            }
            position = next;
        }
        return new long[] {start, stop};
    }
}
