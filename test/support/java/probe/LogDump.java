// Lets Kafka's own kafka.tools.DumpLogSegments judge a segment file and reads its report line by line; a report can be
// longer than the file, so only its last lines are kept.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.OutputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class LogDump extends OutputStream {
    private static final Pattern BATCH =
        Pattern.compile("^baseOffset: (\\d+) lastOffset: (\\d+) count: (-?\\d+).* compresscodec: (\\S+) .*isvalid: (true|false).*");
    private static final Pattern TRANSACTIONAL =
        Pattern.compile("^baseOffset: (\\d+) lastOffset: (\\d+) .* producerId: (\\d+) .*isTransactional: true isControl: (true|false) .*(?:CreateTime|LogAppendTime): (\\d+) .*");
    private static final Pattern RECORD = Pattern.compile("^\\| offset: (\\d+) .*");
    private static final Pattern TROUBLE = Pattern.compile("(?i)^(found|mismatch|non-consecutive|exception|error|offset:).*");
    private static final int TAIL_LINES = 30;
    private static final int MAX_ERRORS = 20;

    private final ByteArrayOutputStream line = new ByteArrayOutputStream();
    private final ArrayDeque<String> tail = new ArrayDeque<>();
    private final List<String> errors = new ArrayList<>();
    private final Map<String, Long> batchesByCodec = new TreeMap<>();
    private final List<Map<String, Object>> transactional = new ArrayList<>();
    private final boolean listsTransactions;
    private long batches;
    private long records;
    private long invalid;
    private String firstOffset;
    private String lastOffset;

    private LogDump(boolean listsTransactions) {
        this.listsTransactions = listsTransactions;
    }

    /**
     * Parameters: `file`, named by its base offset, e.g. 00000000000000000000.log; `transactions` lists the batches of transactions
     * and their ends. One dump at a time.
     */
    static synchronized Object run(JsonNode params) {
        LogDump dump = new LogDump(params.path("transactions").asBoolean());
        String[] arguments = {"--deep-iteration", "--files", params.path("file").asText()};
        try {
            scala.Console.withOut(dump, () -> {
                kafka.tools.DumpLogSegments.main(arguments);
                return null;
            });
        } catch (RuntimeException error) {
            dump.errors.add(error.toString());
        }
        return dump.result();
    }

    @Override
    public void write(int value) {
        if (value != '\n') line.write(value);
        else {
            take(line.toString());
            line.reset();
        }
    }

    private void take(String text) {
        tail.addLast(text);
        if (tail.size() > TAIL_LINES) tail.removeFirst();
        Matcher batch = BATCH.matcher(text);
        if (batch.matches()) {
            batches++;
            if (firstOffset == null) firstOffset = batch.group(1);
            lastOffset = batch.group(2);
            batchesByCodec.merge(batch.group(4), 1L, Long::sum);
            if (listsTransactions) takeTransactional(text);
            if (batch.group(5).equals("false")) {
                invalid++;
                report("invalid batch: " + text);
            }
        } else if (RECORD.matcher(text).matches()) records++;
        else if (TROUBLE.matcher(text).matches()) report(text);
    }

    private void takeTransactional(String text) {
        Matcher batch = TRANSACTIONAL.matcher(text);
        if (!batch.matches()) return;
        transactional.add(
            Map.of(
                "baseOffset", batch.group(1),
                "lastOffset", batch.group(2),
                "producerId", batch.group(3),
                "isControl", batch.group(4).equals("true"),
                "timestampMs", Long.parseLong(batch.group(5))));
    }

    private void report(String error) {
        if (errors.size() < MAX_ERRORS) errors.add(error);
    }

    private Map<String, Object> result() {
        if (line.size() > 0) write('\n');
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("batches", batches);
        result.put("batchesByCodec", batchesByCodec);
        result.put("records", records);
        result.put("firstOffset", firstOffset);
        result.put("lastOffset", lastOffset);
        result.put("isValid", batches > 0 && invalid == 0 && errors.isEmpty());
        result.put("errors", errors);
        if (listsTransactions) result.put("transactional", transactional);
        result.put("tail", String.join("\n", tail));
        return result;
    }
}
