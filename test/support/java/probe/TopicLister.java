// Lists all partitions of a topic in full with one consumer: for tests that compare every record of many small partitions.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;

final class TopicLister {
    private static final long STALL_MS = 60_000;
    private final String bootstrap;

    TopicLister(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    /** Parameters: topic, isolation. @return by partition, the records from the log's start to its end as it is now */
    Object list(JsonNode params) {
        Map<Integer, List<Object>> listed = new TreeMap<>();
        try (var consumer = Consumers.open(bootstrap, params)) {
            List<TopicPartition> partitions = consumer.partitionsFor(Params.topic(params)).stream()
                .map(info -> new TopicPartition(info.topic(), info.partition()))
                .toList();
            partitions.forEach(partition -> listed.put(partition.partition(), new ArrayList<>()));
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            long deadline = System.currentTimeMillis() + STALL_MS;
            while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                if (System.currentTimeMillis() > deadline) throw new IllegalStateException("the end was not reached");
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    var partition = new TopicPartition(record.topic(), record.partition());
                    if (record.offset() < ends.get(partition)) listed.get(record.partition()).add(RecordLister.describe(record));
                }
            }
        }
        return listed;
    }
}
