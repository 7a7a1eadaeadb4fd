// Writes exactly the records it is given, in and out of transactions. Transactions live in named handles, each with its
// own producer, so that several can be interleaved in one partition, and can be left open.
// Without `oneBatchPerRecord`, the records of a call go out as one record batch (up to 8 MiB).
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class ExplicitProducer {
    private static final int MIB = 1024 * 1024;
    private final String bootstrap;
    private final Map<String, KafkaProducer<byte[], byte[]>> handles = new ConcurrentHashMap<>();

    ExplicitProducer(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    Object produceRecords(JsonNode params) throws Exception {
        if (!params.hasNonNull("transactionalId")) {
            try (var producer = open(params, null)) {
                return sendAll(producer, params);
            }
        }
        begin(params);
        Object offsets = send(params);
        if (!"open".equals(params.path("outcome").asText())) end(params);
        return offsets;
    }

    Object begin(JsonNode params) {
        String id = params.path("transactionalId").asText(handle(params));
        var producer = handles.get(handle(params));
        if (producer == null) {
            producer = open(params, id);
            producer.initTransactions();
            handles.put(handle(params), producer);
        }
        producer.beginTransaction();
        return null;
    }

    Object send(JsonNode params) throws Exception {
        return sendAll(existing(params), params);
    }

    Object end(JsonNode params) {
        var producer = existing(params);
        if ("abort".equals(params.path("outcome").asText())) producer.abortTransaction();
        else producer.commitTransaction();
        return null;
    }

    /** Closes every handle. Parameter `abort`: false leaves open transactions to the coordinator's time-out. */
    Object closeOpen(JsonNode params) {
        boolean abort = params.path("abort").asBoolean(true);
        int count = handles.size();
        handles.values().forEach(producer -> producer.close(abort ? Duration.ofSeconds(20) : Duration.ZERO));
        handles.clear();
        return count;
    }

    private KafkaProducer<byte[], byte[]> existing(JsonNode params) {
        var producer = handles.get(handle(params));
        if (producer == null) throw new IllegalStateException("no transaction " + handle(params));
        return producer;
    }

    private static String handle(JsonNode params) {
        return params.path("handle").asText(params.path("transactionalId").asText());
    }

    private static List<String> sendAll(KafkaProducer<byte[], byte[]> producer, JsonNode params) throws Exception {
        boolean alone = params.path("oneBatchPerRecord").asBoolean();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode record : params.path("records")) {
            sent.add(producer.send(Params.record(Params.topic(params), params.path("partition").asInt(), record)));
            if (alone) producer.flush();
        }
        producer.flush();
        List<String> offsets = new ArrayList<>();
        for (var metadata : sent) offsets.add(Long.toString(metadata.get().offset()));
        return offsets;
    }

    private KafkaProducer<byte[], byte[]> open(JsonNode params, String transactionalId) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("compression.type", params.path("codec").asText("none"));
        config.put("linger.ms", "10000");
        config.put("batch.size", Integer.toString(8 * MIB));
        config.put("max.request.size", Integer.toString(64 * MIB));
        config.put("buffer.memory", Integer.toString(64 * MIB));
        config.put("max.block.ms", "30000");
        config.put("enable.idempotence", params.path("idempotent").asBoolean(true));
        if (transactionalId != null) {
            config.put("transactional.id", transactionalId);
            config.put("transaction.timeout.ms", params.path("timeoutMs").asText("300000"));
        }
        return new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
    }
}
