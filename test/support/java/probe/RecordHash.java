// The running hash of one partition's records, with its value after every 1,000 records to locate a first difference.
package probe;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

final class RecordHash {
    private static final int CHECKPOINT_RECORDS = 1000;
    private static final int FLUSH_BYTES = 64 * 1024;
    private final MessageDigest digest;
    private final List<String> checkpoints = new ArrayList<>();
    private final TreeSet<String> timestampTypes = new TreeSet<>();
    private final byte[] buffer = new byte[2 * FLUSH_BYTES];
    private String lastType;
    private int used;
    private long count;
    private long bytes;
    private long firstOffset = -1;
    private long lastOffset = -1;
    private long minTimestamp = Long.MAX_VALUE;
    private long maxTimestamp = Long.MIN_VALUE;

    RecordHash() {
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    void add(ConsumerRecord<byte[], byte[]> record) {
        putLong(record.timestamp());
        putBytes(record.key());
        putBytes(record.value());
        Header[] headers = record.headers().toArray();
        putInt(headers.length);
        for (Header header : headers) {
            putBytes(header.key().getBytes(StandardCharsets.UTF_8));
            putBytes(header.value());
        }
        if (count++ == 0) firstOffset = record.offset();
        lastOffset = record.offset();
        minTimestamp = Math.min(minTimestamp, record.timestamp());
        maxTimestamp = Math.max(maxTimestamp, record.timestamp());
        String type = record.timestampType().toString();
        if (!type.equals(lastType)) timestampTypes.add(lastType = type);
        if (count % CHECKPOINT_RECORDS == 0) checkpoints.add(current());
    }

    /** Puts the totals into an answer. Offsets are decimal strings; they and the timestamps are null without records. */
    void describe(Map<String, Object> answer) {
        boolean none = count == 0;
        answer.put("recordCount", count);
        answer.put("payloadBytes", bytes);
        answer.put("firstOffset", none ? null : Long.toString(firstOffset));
        answer.put("lastOffset", none ? null : Long.toString(lastOffset));
        answer.put("minTimestampMs", none ? null : minTimestamp);
        answer.put("maxTimestampMs", none ? null : maxTimestamp);
        answer.put("timestampTypes", timestampTypes);
        answer.put("sha256", current());
        answer.put("checkpoints", checkpoints);
    }

    private String current() {
        flush();
        try {
            return HexFormat.of().formatHex(((MessageDigest) digest.clone()).digest());
        } catch (CloneNotSupportedException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    private void putBytes(byte[] value) {
        putInt(value == null ? -1 : value.length);
        if (value == null) return;
        bytes += value.length;
        if (value.length > FLUSH_BYTES) {
            flush();
            digest.update(value);
            return;
        }
        reserve(value.length);
        System.arraycopy(value, 0, buffer, used, value.length);
        used += value.length;
    }

    private void putLong(long value) {
        putInt((int) (value >>> 32));
        putInt((int) value);
    }

    private void putInt(int value) {
        reserve(Integer.BYTES);
        for (int shift = 24; shift >= 0; shift -= 8) buffer[used++] = (byte) (value >>> shift);
    }

    private void reserve(int size) {
        if (used + size > buffer.length) flush();
    }

    private void flush() {
        digest.update(buffer, 0, used);
        used = 0;
    }
}
