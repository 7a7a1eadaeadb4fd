// The partition that the Java client's default partitioner gives a keyed record (murmur2).
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Utils;

final class KeyPartition {
    private KeyPartition() {}

    static int of(byte[] key, int partitions) {
        return Utils.toPositive(Utils.murmur2(key)) % partitions;
    }

    static Object choose(JsonNode params) {
        List<Integer> chosen = new ArrayList<>();
        for (JsonNode key : params.path("keys")) chosen.add(of(Params.bytes(key), params.path("partitions").asInt()));
        return chosen;
    }
}
