// Lists records of a partition in full, for assertions on single records and for finding a difference by eye.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

final class RecordLister {
    private final String bootstrap;

    RecordLister(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    Object list(JsonNode params) {
        int limit = params.path("limit").asInt(1000);
        List<Object> listed = new ArrayList<>();
        if (limit <= 0) return listed;
        var partition = new TopicPartition(Params.topic(params), params.path("partition").asInt());
        try (var consumer = Consumers.open(bootstrap, params)) {
            Consumers.read(consumer, partition, params.path("fromOffset").asLong(-1), -1, record -> {
                listed.add(describe(record));
                return listed.size() < limit;
            });
        }
        return listed;
    }

    static Map<String, Object> describe(ConsumerRecord<byte[], byte[]> record) {
        List<Object> headers = new ArrayList<>();
        for (Header header : record.headers()) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("key", header.key());
            entry.put("value", Params.base64(header.value()));
            headers.add(entry);
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("offset", Long.toString(record.offset()));
        result.put("timestampMs", record.timestamp());
        result.put("timestampType", record.timestampType().toString());
        result.put("leaderEpoch", record.leaderEpoch().orElse(-1));
        result.put("key", Params.base64(record.key()));
        result.put("value", Params.base64(record.value()));
        result.put("headers", headers);
        return result;
    }
}
