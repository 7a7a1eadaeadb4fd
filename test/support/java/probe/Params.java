// What several commands read from their parameters: the topic, the isolation level, base64 bytes, record headers.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

final class Params {
    private Params() {}

    static String topic(JsonNode params) {
        String topic = params.path("topic").asText();
        if (topic.isEmpty()) throw new IllegalArgumentException("no topic given");
        return topic;
    }

    static IsolationLevel isolation(JsonNode params) {
        return "read_committed".equals(params.path("isolation").asText())
            ? IsolationLevel.READ_COMMITTED
            : IsolationLevel.READ_UNCOMMITTED;
    }

    /** Null and absent are null; the empty string is the empty array. */
    static byte[] bytes(JsonNode base64) {
        return base64.isTextual() ? Base64.getDecoder().decode(base64.asText()) : null;
    }

    static String base64(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }

    /** Reads {key, value, timestampMs, headers: [{key, value}]}; an absent timestamp and partition -1 are left to the producer. */
    static ProducerRecord<byte[], byte[]> record(String topic, int partition, JsonNode record) {
        Long timestamp = record.hasNonNull("timestampMs") ? record.get("timestampMs").asLong() : null;
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : record.path("headers")) {
            headers.add(new RecordHeader(header.path("key").asText(), bytes(header.path("value"))));
        }
        return new ProducerRecord<>(topic, partition < 0 ? null : (Integer) partition, timestamp, bytes(record.path("key")), bytes(record.path("value")), headers);
    }
}
